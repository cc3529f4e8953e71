//! Webhooks reach a server that fails, stalls, is slow and comes back: every event at least once and in the order of its room, or
//! counted as given up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use signal_fish_relay::config::{Config, EventKind, Secret};
use signal_fish_relay::{Server as Relay, ServerHandle};

use crate::support::player::Player;
use crate::support::receiver::{Does, Posted, Receiver, events_in};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjU";
const OTHER_KEY: &str = "whsec_AAAA9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjU";

fn start(url: String, change: impl FnOnce(&mut Config)) -> ServerHandle {
    let mut config = Config {
        port: 0,
        ..Config::default()
    };
    config.runtime.shards = 2;
    config.webhooks.url = Some(url);
    config.webhooks.secret = Some(Secret::new(KEY));
    config.rate_limit.max_join_attempts = 100_000;
    change(&mut config);
    Relay::builder().config(config).start().expect("it starts")
}

/// Makes so many rooms, one after the other, where a guest comes twice and the creator three times.
fn play(relay: &ServerHandle, rooms: usize) {
    let address = relay.addresses().players;
    for number in 0..rooms {
        let mut host = Player::authenticated_at(address);
        let mut guest = Player::authenticated_at(address);
        let code = host.create("tide-pool", &format!("Host {number}"));
        for _ in 0..2 {
            guest.join("tide-pool", "Guest", &code);
            guest.send(&serde_json::json!({"type": "LeaveRoom"}));
            guest.wait_for("RoomLeft");
        }
        for stay in 0..3 {
            host.send(&serde_json::json!({"type": "LeaveRoom"}));
            host.wait_for("RoomLeft");
            if stay < 2 {
                host.join("tide-pool", "Host", &code);
            }
        }
    }
}

/// Opened, joined, authority; twice joined and left; left and authority; twice joined and left.
const EVENTS_OF_A_ROOM: u64 = 3 + 4 + 2 + 4;

/// What was posted, event by event: the books.
#[derive(Default)]
struct Books {
    /// By room: the numbers in the order in which they came for the first time.
    rooms: BTreeMap<String, Vec<u64>>,
    taken: BTreeSet<String>,
    failed: u64,
    batches: BTreeMap<String, Vec<Value>>,
}

impl Books {
    fn enter(&mut self, posted: Posted) {
        let before = self.batches.insert(posted.id.clone(), posted.events.clone());
        assert!(before.is_none_or(|before| before == posted.events), "one id, one batch");
        self.failed += u64::from(!posted.is_taken);
        for event in posted.events {
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            let number = event["number"].as_u64().expect("a number");
            let numbers = self.rooms.entry(text(&event["room"]["id"])).or_default();
            if !numbers.contains(&number) {
                numbers.push(number);
            }
            if posted.is_taken {
                assert!(
                    self.taken.insert(text(&event["id"])),
                    "what was taken does not come again"
                );
            }
        }
    }

    fn expect_order(&self) {
        for (room, numbers) in &self.rooms {
            assert!(numbers.is_sorted(), "{room}: {numbers:?}");
        }
    }
}

/// What the metrics say became of the events, by outcome, and how many requests failed.
fn counted(relay: &ServerHandle) -> [u64; 5] {
    let page = relay.metrics().wait().expect("the page");
    let value = |name: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        line.expect(name).trim().parse().expect("a number")
    };
    let outcome = |outcome| value(&format!("signal_fish_webhook_events_total{{outcome=\"{outcome}\"}}"));
    let [delivered, dropped, dead, lost] = ["delivered", "dropped", "dead_letter", "lost"].map(outcome);
    [
        delivered,
        dropped,
        dead,
        lost,
        value("signal_fish_webhook_failures_total"),
    ]
}

#[test]
fn every_event_is_posted_until_it_is_taken_and_in_order() {
    const ROOMS: usize = 3;
    let receiver = Receiver::start(KEY, |number| match number {
        1 => Does::Answers(500),
        3 => Does::Answers(307),
        // Asked once more at once, and not again.
        5 | 6 => Does::HangsUp,
        8 => Does::Stalls,
        10 => Does::TakesLate(Duration::from_millis(100)),
        _ => Does::Takes,
    });
    let relay = start(receiver.url(), |config| {
        config.webhooks.batch_size = 4;
        config.webhooks.timeout_ms = 300;
        config.webhooks.previous_secret = Some(Secret::new(OTHER_KEY));
    });
    play(&relay, ROOMS);
    let all = ROOMS as u64 * EVENTS_OF_A_ROOM;
    let mut books = Books::default();
    while (books.taken.len() as u64) < all {
        books.enter(receiver.next());
    }
    books.expect_order();
    assert_eq!(books.rooms.len(), ROOMS);
    let complete: Vec<u64> = (1..=EVENTS_OF_A_ROOM).collect();
    assert!(
        books.rooms.values().all(|numbers| *numbers == complete),
        "{:?}",
        books.rooms
    );
    assert_eq!(books.failed, 5, "of which two were one try");
    // The answer to the last request may still be on its way to whoever counts.
    while counted(&relay)[0] < all {}
    assert_eq!(counted(&relay), [all, 0, 0, 0, 4]);
    relay.shutdown().wait();
    assert!(receiver.rest().is_empty(), "nothing comes after all was taken");
}

#[test]
fn what_is_given_up_is_kept_or_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dead.jsonl");
    let receiver = Receiver::start(KEY, |_| Does::Answers(503));
    let relay = start(receiver.url(), |config| {
        config.webhooks.batch_size = 4;
        config.webhooks.give_up_secs = 0;
        config.webhooks.dead_letter_path = Some(path.clone());
        config.webhooks.dead_letter_max_bytes = 4_096;
    });
    play(&relay, 2);
    let all = 2 * EVENTS_OF_A_ROOM;
    let outcomes = loop {
        let outcomes = counted(&relay);
        if outcomes[..4].iter().sum::<u64>() == all {
            break outcomes;
        }
    };
    let [delivered, dropped, dead, lost, _] = outcomes;
    assert_eq!((delivered, dropped), (0, 0));
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let kept_events: Vec<_> = kept.lines().flat_map(|line| events_in(line.as_bytes())).collect();
    assert_eq!(kept_events.len() as u64, dead, "{outcomes:?}");
    assert!(
        kept.len() <= 4_096 && dead > 0 && lost > 0,
        "26 events are more than fit: {outcomes:?}"
    );
    assert!(kept_events.iter().all(|event| event["room"]["game"] == "tide-pool"));
    assert!(!kept.contains("whsec_"));
    relay.shutdown().wait();
}

#[test]
fn a_receiver_that_says_nothing_costs_what_fits_into_the_queue() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dead.jsonl");
    let receiver = Receiver::start(KEY, |_| Does::Stalls);
    let relay = start(receiver.url(), |config| {
        config.webhooks.timeout_ms = 60_000;
        config.webhooks.batch_size = 10;
        config.webhooks.queue_capacity = 100;
        config.webhooks.dead_letter_path = Some(path.clone());
    });
    const ROOMS: usize = 12;
    play(&relay, ROOMS);
    let all = ROOMS as u64 * EVENTS_OF_A_ROOM;
    let first = receiver.next();
    assert!(!first.is_taken && first.events.len() <= 10);
    // What a batch holds, and what fits behind it; the rest found no place.
    let dropped = all - 100 - first.events.len() as u64;
    while counted(&relay)[1] < dropped {}
    assert_eq!(counted(&relay)[1], dropped);
    // A stop gives it two seconds more, and then keeps what waits.
    relay.shutdown().wait();
    let kept = fs::read_to_string(&path).expect("they are kept");
    let kept = kept.lines().flat_map(|line| events_in(line.as_bytes()));
    assert_eq!(kept.count() as u64, all - dropped);
}

#[test]
fn what_was_taken_is_not_posted_again_whatever_the_answer_goes_on_to_say() {
    let receiver = Receiver::start(KEY, |number| match number {
        1 => Does::TakesAndTalks,
        2 => Does::TakesAndStalls,
        _ => Does::Takes,
    });
    let relay = start(receiver.url(), |config| {
        config.webhooks.batch_size = 4;
        config.webhooks.timeout_ms = 500;
    });
    play(&relay, 1);
    let mut books = Books::default();
    while (books.taken.len() as u64) < EVENTS_OF_A_ROOM {
        books.enter(receiver.next());
    }
    books.expect_order();
    while counted(&relay)[0] < EVENTS_OF_A_ROOM {}
    assert_eq!(counted(&relay), [EVENTS_OF_A_ROOM, 0, 0, 0, 0]);
    relay.shutdown().wait();
}

#[test]
fn a_receiver_that_is_busy_is_left_alone_for_as_long_as_it_asks() {
    let receiver = Receiver::start(KEY, |number| match number {
        1 => Does::IsBusy(2),
        // Longer than anything is tried.
        2 => Does::IsBusy(60_000),
        _ => Does::Takes,
    });
    let relay = start(receiver.url(), |config| config.webhooks.give_up_secs = 30);
    play(&relay, 1);
    let (first, second) = (receiver.next(), receiver.next());
    assert_eq!(first.id, second.id);
    assert!(
        second.at - first.at >= Duration::from_secs(2),
        "it asked for two seconds"
    );
    // That batch is given up; what comes next waits, and a stop tries it once more.
    while counted(&relay)[3] < first.events.len() as u64 {}
    play(&relay, 1);
    assert!(receiver.rest().is_empty(), "it asked to be left alone");
    relay.shutdown().wait();
    let rest = receiver.rest();
    let taken: usize = rest.iter().map(|posted| posted.events.len()).sum();
    assert_eq!(
        (first.events.len() + taken) as u64,
        2 * EVENTS_OF_A_ROOM,
        "every event was posted"
    );
}

#[test]
fn other_terms_are_taken_over_by_whoever_waits() {
    let busy = Receiver::start(KEY, |_| Does::IsBusy(60));
    let other = Receiver::start(OTHER_KEY, |_| Does::Takes);
    let mut config = Config::default();
    let relay = start(busy.url(), |started| {
        started.webhooks.batch_size = 3;
        config = started.clone();
    });
    play(&relay, 1);
    let first = busy.next();
    assert!(first.events.len() <= 3 && !first.is_taken);
    config.webhooks.url = Some(other.url());
    config.webhooks.secret = Some(Secret::new(OTHER_KEY));
    let mut bad = config.clone();
    bad.webhooks.url = None;
    let refused = relay.reload(&bad).expect_err("webhooks cannot be turned off");
    assert!(refused.to_string().contains("webhooks.url"), "{refused}");
    let reloaded = relay.reload(&config).expect("they change");
    assert!(reloaded.waiting.is_empty(), "{:?}", reloaded.waiting);
    let mut books = Books::default();
    while (books.taken.len() as u64) < EVENTS_OF_A_ROOM {
        books.enter(other.next());
    }
    books.expect_order();
    assert_eq!(
        books.batches.get(&first.id),
        Some(&first.events),
        "the same under the same id"
    );
    assert_eq!(books.rooms.len(), 1);
    config.webhooks.events = vec![EventKind::RoomOpened];
    relay.reload(&config).expect("they change again");
    play(&relay, 1);
    relay.shutdown().wait();
    other.rest().into_iter().for_each(|posted| books.enter(posted));
    let of_rooms: Vec<_> = books.rooms.values().map(Vec::len).collect();
    assert!(of_rooms.len() == 2 && of_rooms.contains(&1), "{of_rooms:?}");
    assert!(busy.rest().is_empty(), "the old terms hold no longer");
}

/// A receiver of the documentation, in a process of its own, and the lines that it prints.
struct Documented {
    child: Child,
    url: String,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Documented {
    fn start(program: &str, file: &str) -> Self {
        // Free a moment ago; whoever takes it meanwhile makes the test fail, not pass.
        let port = TcpListener::bind("127.0.0.1:0")
            .expect("a port")
            .local_addr()
            .expect("bound")
            .port();
        let mut child = Command::new(program)
            .args([
                &format!("{}/examples/webhook-receivers/{file}", env!("CARGO_MANIFEST_DIR")),
                &port.to_string(),
            ])
            .env("WEBHOOK_SECRET", KEY)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it is installed");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let url = format!("http://127.0.0.1:{port}/");
        Self { child, url, lines }
    }
}

impl Drop for Documented {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs python3 and node in PATH: .ci/run installs them and includes this test"]
fn the_receivers_of_the_documentation_take_what_is_signed_and_nothing_else() {
    for (program, file) in [("python3", "receiver.py"), ("node", "receiver.mjs")] {
        let mut receiver = Documented::start(program, file);
        // Until it listens, requests fail and come again.
        let relay = start(receiver.url.clone(), |config| config.webhooks.batch_size = 5);
        play(&relay, 1);
        let printed: Vec<String> = (0..EVENTS_OF_A_ROOM)
            .map(|_| receiver.lines.next().expect("it runs").expect("text"))
            .collect();
        assert!(printed[0].starts_with("room.opened "), "{printed:?}");
        assert!(
            printed[1].starts_with("player.joined ") && printed[1].contains("Host 0"),
            "{printed:?}"
        );
        while counted(&relay)[0] < EVENTS_OF_A_ROOM {}
        relay.shutdown().wait();

        let forger = start(receiver.url.clone(), |config| {
            config.webhooks.secret = Some(Secret::new(OTHER_KEY));
            config.webhooks.give_up_secs = 0;
        });
        play(&forger, 1);
        while counted(&forger)[3] < EVENTS_OF_A_ROOM {}
        assert_eq!(counted(&forger)[0], 0, "{program} takes what others have signed");
        forger.shutdown().wait();
    }
}
