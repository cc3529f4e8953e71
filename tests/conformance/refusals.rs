//! Whatever is refused is counted and written: the scripts are played, and each code that one of them expects must be in the
//! counts of its world and in a line of the log.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Once;

use signal_fish_relay::config::Config;
use signal_fish_relay::protocol::ErrorCode;
use signal_fish_relay::shard::refusals::{RefusalReason, Refusals, Refused};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::play::play;
use crate::pure::PureStage;
use crate::{config_of, scripts};

thread_local! {
    /// The reasons of all lines about refusals that this thread has written.
    static WRITTEN: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// For the whole process: whether a line is wanted is asked once, by whichever test comes to it first.
struct Written;

impl<S: Subscriber> Layer<S> for Written {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut reason = Reason(None);
        event.record(&mut reason);
        WRITTEN.with_borrow_mut(|written| written.extend(reason.0));
    }
}

struct Reason(Option<String>);

impl Visit for Reason {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "reason" {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// Codes of the protocol's list that this server has no reason to tell: apps are listed or not, nothing is stored.
const NEVER_TOLD: [&str; 6] = [
    "APP_ID_EXPIRED",
    "APP_ID_REVOKED",
    "APP_ID_SUSPENDED",
    "AUTHENTICATION_REQUIRED",
    "INVALID_TOKEN",
    "STORAGE_ERROR",
];

/// Told where no script comes: proofs need a real handshake, and a full inbox needs a shard that stands still.
const NO_SCRIPT: [&str; 2] = ["SERVICE_UNAVAILABLE", "UNAUTHORIZED"];

fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(Written);
        tracing::subscriber::set_global_default(subscriber).expect("nobody else sets one");
    });
}

#[test]
fn every_reason_is_counted_and_written_once_a_minute() {
    listen();
    let refusals = Refusals::default();
    for reason in RefusalReason::all() {
        refusals.note(reason, &Refused::default(), 1_000);
        assert!(WRITTEN.take().contains(reason.name()), "{reason:?} is in no line");
        refusals.note(reason, &Refused::default(), 60_999);
        assert_eq!(WRITTEN.take(), BTreeSet::new(), "{reason:?} is written too often");
        assert_eq!(refusals.count(reason), 2, "{reason:?}");
        refusals.note(reason, &Refused::default(), 61_000);
        assert!(
            WRITTEN.take().contains(reason.name()),
            "{reason:?} is never written again"
        );
    }
}

#[test]
fn whoever_finds_no_place_with_the_control_plane_is_counted_and_written() {
    listen();
    let mut stage = PureStage::new(&Config::default(), 1, 1);
    let answer = stage.crowd_out();
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After: 1\r\n"),
        "{answer}"
    );
    assert_eq!(stage.world().refusals.count(RefusalReason::ControlFull), 1);
    assert!(WRITTEN.take().contains(RefusalReason::ControlFull.name()));
}

#[test]
fn every_refusal_that_a_script_expects_is_counted_and_written() {
    listen();
    let (mut counted, mut expected) = (BTreeSet::new(), BTreeSet::new());
    for script in scripts() {
        let mut stage = PureStage::new(&config_of(&script), 1, 1);
        play(&script, &mut stage).unwrap_or_else(|why| panic!("{why}"));
        let world = stage.world();
        let reasons = RefusalReason::all().filter(|reason| world.refusals.count(*reason) > 0);
        counted.extend(reasons.map(RefusalReason::name));
        let source = std::fs::read_to_string(format!("{}/tests/scripts/{}", env!("CARGO_MANIFEST_DIR"), script.file));
        for line in source.expect("a script is text").lines() {
            let words = line.split_once(" < ").map_or("", |(_, expectation)| expectation);
            let words = words.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
            let words: BTreeSet<_> = words.collect();
            expected.extend(
                ErrorCode::ALL
                    .iter()
                    .map(|code| code.as_str())
                    .filter(|code| words.contains(code)),
            );
        }
    }
    assert!(expected.len() > 40, "{expected:?}");
    // Told to whoever finds no place, for one of two reasons, which are counted apart.
    assert!(expected.remove(ErrorCode::TooManyConnections.as_str()));
    expected.extend(["server_full", "address_cap", "origin", "upgrade", "draining"]);
    let uncounted: Vec<_> = expected.difference(&counted).collect();
    assert!(
        uncounted.is_empty(),
        "expected by a script, and counted nowhere: {uncounted:?}"
    );
    let codes = RefusalReason::all().filter(|reason| matches!(reason, RefusalReason::Error(_)));
    let unseen: BTreeSet<_> = codes
        .map(RefusalReason::name)
        .filter(|code| !counted.contains(code))
        .collect();
    assert_eq!(unseen, NEVER_TOLD.into_iter().chain(NO_SCRIPT).collect());
    let written = WRITTEN.take();
    let unwritten: Vec<_> = counted.iter().filter(|reason| !written.contains(**reason)).collect();
    assert!(unwritten.is_empty(), "counted, and in no line: {unwritten:?}");
}
