//! What the compiler cannot say of the shard's public calls: that each is in the contract, and that whatever may mark
//! somebody is an event. Read from the source.

use std::path::Path;

/// Public calls that change a shard and are no event, and why they can mark nobody to be closed.
const NO_EVENTS: [(&str, &str); 25] = [
    ("access", "queues nothing"),
    ("begin_turn", "queues nothing"),
    ("dismiss_within", "only plans when whom the tick closes"),
    ("draw_random", "queues nothing"),
    ("end_turn", "only counts"),
    ("extract", "takes out one that moves; the rooms stay as they are"),
    ("forgive", "only changes clocks"),
    ("hurry_shard_messages", "writes to other shards, not to connections"),
    ("link_and_wait", "queues nothing"),
    ("link_mut", "queues nothing"),
    ("look_at_frames", "queues nothing"),
    ("may_read", "only changes clocks"),
    ("next_shard_message", "writes to other shards, not to connections"),
    ("note_unfinished", "only changes clocks"),
    ("on_control_frame", "only changes clocks"),
    ("on_pong", "only changes clocks"),
    ("report_to", "queues nothing"),
    (
        "sent",
        "whom it finds overrun waits for `close_overrun`: a round of sends judges before it closes",
    ),
    ("take_departing", "takes a list"),
    ("take_dirty", "takes a list"),
    ("take_ended", "takes a list"),
    ("take_questions", "queues nothing"),
    ("take_resumed", "takes a list"),
    ("unsent", "reports of gaps are queued whatever the caps say"),
    ("writable", "only puts on a list"),
];

/// Events that another public call makes, after its own: it is two events, one after the other.
const MADE_BY_OTHERS: [(&str, &str); 1] = [("freeze", "remove")];

struct Call {
    name: String,
    text: String,
}

impl Call {
    fn changes(&self) -> bool {
        let head = self.text.split_once(" {\n").map_or(&*self.text, |(head, _)| head);
        head.contains("&mut self") || head.contains("mut self,")
    }

    fn is_event(&self) -> bool {
        self.text.contains("self.event(now,")
    }

    fn makes(&self, other: &str) -> bool {
        ["self", "shard"]
            .iter()
            .any(|of| self.text.contains(&format!("{of}.{other}(")))
    }
}

/// The methods of the shard in a file, or only the public ones.
fn methods(source: &str, all: bool) -> Vec<Call> {
    let impls = source.split("\nimpl<L> Shard<L> {\n").skip(1);
    let bodies = impls.filter_map(|rest| rest.split("\n}\n").next());
    let methods = bodies.flat_map(|body| body.split("\n    }\n"));
    methods
        .filter_map(|text| {
            let head = text
                .lines()
                .find(|line| line.starts_with("    ") && line.contains("fn "))?;
            let (before, after) = head.split_once("fn ")?;
            let name = after.split(['(', '<']).next()?.to_owned();
            let text = text.to_owned();
            (all || matches!(before.trim(), "pub" | "pub const")).then_some(Call { name, text })
        })
        .collect()
}

fn read(folder: &Path, sources: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the source") {
        let path = entry.expect("a file of the source").path();
        if path.is_dir() {
            read(&path, sources);
        } else {
            sources.push(std::fs::read_to_string(&path).expect("UTF-8"));
        }
    }
}

fn calls(all: bool) -> Vec<Call> {
    let mut sources = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/shard"), &mut sources);
    let calls: Vec<_> = sources.iter().flat_map(|source| methods(source, all)).collect();
    assert!(calls.len() > 40, "{} methods were found", calls.len());
    calls
}

#[test]
fn whatever_may_mark_somebody_is_an_event() {
    let calls = calls(false);
    let changing: Vec<_> = calls.iter().filter(|call| call.changes()).collect();
    for call in &changing {
        let is_listed = NO_EVENTS.iter().any(|(name, _)| *name == call.name);
        assert!(
            call.is_event() != is_listed,
            "`{}`: an event, or listed with why not",
            call.name
        );
    }
    for (name, _) in NO_EVENTS {
        assert!(changing.iter().any(|call| call.name == name), "`{name}` is no more");
    }
}

#[test]
fn no_event_runs_within_another() {
    let events: Vec<_> = calls(false).into_iter().filter(Call::is_event).collect();
    for method in calls(true) {
        for event in &events {
            let is_known = MADE_BY_OTHERS.contains(&(&*method.name, &*event.name));
            assert!(
                is_known || !method.makes(&event.name),
                "`{}` makes `{}`",
                method.name,
                event.name
            );
        }
    }
}

#[test]
fn every_public_call_is_in_the_contract() {
    let (contract, _) = include_str!("mod.rs")
        .split_once("pub struct Shard")
        .expect("the struct");
    for call in calls(false).iter().filter(|call| call.name != "new") {
        let link = format!("](Self::{})", call.name);
        assert!(contract.contains(&link), "`{}` is not in the contract", call.name);
    }
}
