//! The whole generator on version 3 against a relay that makes exactly one mistake: each must be found, put to the right
//! count, and told by the exit status; and a relay without mistakes must pass.

mod program;
mod relay;
mod scratch;

use program::execute;
use relay::Fault;
use scratch::Scratch;
use serde_json::{Value, json};

/// What the group of a test does besides sending.
fn group(more: &Value) -> Value {
    let mut group = json!({"version": 3, "rooms": 2, "players": 3, "rate": 60});
    for (key, value) in more.as_object().expect("an object") {
        group[key] = value.clone();
    }
    group
}

fn classes() -> Value {
    group(&json!({"latest_share": 0.4, "volatile_share": 0.4, "latest_keys": 2}))
}

fn returns() -> Value {
    group(&json!({"players": 2, "returning_players": 2, "return_every_seconds": 0.4}))
}

fn operations() -> Value {
    group(&json!({"room_operations_per_second": 40}))
}

/// A run long enough for the mistake to find its occasion.
fn run(fault: Fault, groups: &[Value]) -> (Option<i32>, Value) {
    for seconds in [1, 3, 9] {
        let scenario = json!({"seconds": seconds, "warmup_seconds": 0, "groups": groups});
        let (address, culprit) = relay::start_watched(fault);
        let scenario = Scratch::with(&format!("{}.json", address.port()), &scenario);
        let url = format!("ws://{address}/v3/ws");
        let (output, report) = execute(&[
            "run",
            "--url",
            &url,
            "--scenario",
            scenario.path(),
            "--drain-seconds",
            "2",
        ]);
        assert!(report.is_object(), "{output:?}");
        if culprit.was_at_it() {
            return (output.status.code(), report);
        }
    }
    panic!("no occasion for {fault:?}");
}

const COUNTS: [&str; 9] = [
    "lost",
    "duplicated",
    "reordered",
    "misrouted",
    "corrupted",
    "misstamped",
    "misreported",
    "token_reuse",
    "operations",
];

/// Exactly these counts, and no other.
fn assert_found(fault: Fault, group: &Value, expected: &[(&str, u64)]) {
    let (status, report) = run(fault, std::slice::from_ref(group));
    assert_eq!(status, Some(1), "{fault:?}: {report}");
    for count in COUNTS {
        let wanted = expected
            .iter()
            .find(|(name, _)| *name == count)
            .map_or(0, |(_, count)| *count);
        assert_eq!(report["ledger"][count], wanted, "{fault:?}, {count}: {report}");
    }
    assert_eq!(report["ledger"]["balanced"], false, "{fault:?}");
}

/// This count among others: the mistake leaves the rest of a stream in doubt.
fn assert_found_among_others(fault: Fault, group: &Value, count: &str) -> Value {
    let (status, report) = run(fault, std::slice::from_ref(group));
    assert_eq!(status, Some(1), "{fault:?}: {report}");
    assert!(report["ledger"][count].as_u64() >= Some(1), "{fault:?}: {report}");
    report
}

#[test]
fn a_faithful_relay_passes_in_every_mode() {
    let packed = json!({"encoding": "message_pack", "size": 100});
    let watched = json!({"spectators": 3, "slow_players": 1, "slow_bytes_per_second": 20_000, "latest_share": 0.3,
        "volatile_share": 0.3});
    let coming =
        json!({"returning_players": 2, "return_every_seconds": 0.3, "latest_share": 0.4, "volatile_share": 0.4});
    for groups in [
        vec![group(&json!({}))],
        vec![group(&packed)],
        vec![classes()],
        vec![group(&watched)],
        vec![returns()],
        vec![group(&coming)],
        vec![operations()],
        vec![json!({"rooms": 2, "players": 3}), classes(), group(&packed), returns()],
    ] {
        let (status, report) = run(Fault::None, &groups);
        assert_eq!(status, Some(0), "{groups:?}: {report}");
        assert_eq!(report["ledger"]["balanced"], true, "{groups:?}: {report}");
    }
}

#[test]
fn what_is_left_out_and_told_is_neither_lost_nor_received() {
    let (status, report) = run(Fault::None, &[classes()]);
    assert_eq!(status, Some(0), "{report}");
    let ledger = &report["ledger"];
    let count = |value: &Value| value.as_u64().expect("a count");
    let reported = count(&ledger["reported"]["dropped_full"]) + count(&ledger["reported"]["volatile_dropped"]);
    assert!(reported > 0 && count(&ledger["superseded"]) > 0, "{report}");
    assert_eq!(
        count(&ledger["expected"]),
        count(&ledger["received"]) + reported + count(&ledger["superseded"]),
        "{report}"
    );
}

#[test]
fn faults_of_either_version_are_found() {
    for (fault, expected) in [
        (Fault::Drop, &[("lost", 1)][..]),
        (Fault::Duplicate, &[("duplicated", 1)]),
        (Fault::Swap, &[("reordered", 1)]),
        (Fault::Misroute, &[("misrouted", 1), ("lost", 1)]),
        (Fault::Corrupt, &[("corrupted", 1), ("lost", 1)]),
        (Fault::WrongSender, &[("corrupted", 1), ("lost", 1)]),
    ] {
        assert_found(fault, &group(&json!({})), expected);
        assert_found(fault, &group(&json!({"encoding": "message_pack"})), expected);
    }
}

#[test]
fn wrong_stamps_are_found() {
    for fault in [Fault::SeqSkips, Fault::WrongClass, Fault::WrongKey] {
        assert_found(fault, &classes(), &[("misstamped", 1)]);
    }
    assert_found(
        Fault::SeqSkips,
        &group(&json!({"encoding": "message_pack"})),
        &[("misstamped", 1)],
    );
    assert_found(Fault::EpochBack, &returns(), &[("misstamped", 1)]);
}

#[test]
fn stamps_towards_version_2_are_found() {
    let old = json!({"rooms": 2, "players": 3, "encoding": "message_pack"});
    assert_found_among_others(Fault::StampOnVersion2, &old, "corrupted");
}

#[test]
fn holes_and_reports_that_do_not_agree_are_found() {
    assert_found(Fault::UnreportedDrop, &classes(), &[("lost", 1)]);
    for fault in [
        Fault::ReportOfDelivered,
        Fault::ReportTwice,
        Fault::ReportTooLate,
        Fault::WrongReason,
        Fault::CountersStandStill,
        Fault::CountersFall,
        Fault::SupersededYetDelivered,
    ] {
        assert_found(fault, &classes(), &[("misreported", 1)]);
    }
    // With many keys no later value is on its way yet, however late the relay is.
    let keys = group(&json!({"latest_share": 0.2, "volatile_share": 0.4, "latest_keys": 256}));
    assert_found(Fault::SupersededByNothing, &keys, &[("misreported", 1)]);
}

#[test]
fn a_token_that_works_twice_is_found() {
    assert_found(Fault::TokenTwice, &returns(), &[("token_reuse", 1)]);
}

#[test]
fn wrong_words_on_a_return_are_found() {
    for fault in [Fault::WatermarkUnlikeSnapshot, Fault::UnknownReplay] {
        assert_found(fault, &returns(), &[("misstamped", 1)]);
    }
    for (fault, words) in [
        (Fault::WatermarkTooHigh, "more than was sent"),
        (Fault::EpochStays, "after epoch"),
        (Fault::FinalSeqTooHigh, "more than was sent"),
        (Fault::FinalSeqTooLow, "is 0, but message"),
        (Fault::FinalSeqUnlike, "but others were told"),
    ] {
        let report = assert_found_among_others(fault, &returns(), "misstamped");
        let told = report["ledger"]["faults"].to_string();
        assert!(told.contains(words), "{fault:?}: {told}");
    }
    // What the mark promises does not come.
    assert_found_among_others(Fault::WatermarkTooLow, &returns(), "lost");
}

#[test]
fn operations_that_are_not_answered_once_are_found() {
    for fault in [Fault::AnsweredTwice, Fault::Unanswered, Fault::UnfittingAnswer] {
        assert_found(fault, &operations(), &[("operations", 1)]);
    }
    // The answer that came is foreign, and the one that was owed never came.
    assert_found(Fault::ForeignAnswer, &operations(), &[("operations", 2)]);
}
