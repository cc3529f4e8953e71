//! The whole generator against a relay that makes exactly one mistake: each must be found, named, and told by the exit
//! status; and a relay without mistakes must pass.

mod program;
mod relay;

use std::process::Output;

use program::execute;
use relay::Fault;
use serde_json::Value;

fn run(fault: Fault, more: &[&str]) -> (Output, Value) {
    let url = format!("ws://{}/v2/ws", relay::start(fault));
    let load = ["run", "--url", &url, "--rooms", "2", "--players", "3"];
    let times = ["--seconds", "0.5", "--warmup-seconds", "0", "--drain-seconds", "0.5"];
    let (output, report) = execute(&[&load[..], &times, more].concat());
    assert!(report.is_object(), "{output:?}");
    (output, report)
}

fn assert_found(fault: Fault, expected: &[(&str, u64)]) {
    let (output, report) = run(fault, &["--rate", "60"]);
    assert_eq!(output.status.code(), Some(1), "{fault:?}: {report}");
    for kind in ["lost", "duplicated", "reordered", "misrouted", "corrupted"] {
        let wanted = expected
            .iter()
            .find(|(name, _)| *name == kind)
            .map_or(0, |(_, count)| *count);
        assert_eq!(report["ledger"][kind], wanted, "{fault:?}, {kind}: {report}");
    }
    assert_eq!(report["ledger"]["balanced"], false);
    assert_eq!(
        report["ledger"]["faults"].as_array().map(Vec::len),
        Some(expected.len()),
        "{fault:?}: {report}"
    );
}

#[test]
fn a_faithful_relay_passes_in_every_mode() {
    for more in [
        &["--rate", "60"][..],
        &["--rate", "60", "--encoding", "message-pack"],
        &["--rate", "60", "--threads", "2", "--phase", "aligned"],
        &["--closed-loop", "2"],
        &["--rate", "60", "--spin", "--size", "200"],
    ] {
        let (output, report) = run(Fault::None, more);
        assert_eq!(output.status.code(), Some(0), "{more:?}: {report}");
        let (sent, received) = (&report["ledger"]["sent"], &report["ledger"]["received"]);
        assert!(sent.as_u64() >= Some(6), "{more:?}: {report}");
        assert_eq!(
            received.as_u64(),
            sent.as_u64().map(|sent| sent * 2),
            "{more:?}: {report}"
        );
        assert!(
            report["traffic"]["latency_us"]["p50"].as_f64() > Some(0.0),
            "{more:?}: {report}"
        );
    }
}

#[test]
fn a_lost_message_is_found() {
    assert_found(Fault::Drop, &[("lost", 1)]);
}

#[test]
fn a_repeated_message_is_found() {
    assert_found(Fault::Duplicate, &[("duplicated", 1)]);
}

#[test]
fn an_overtaken_message_is_found() {
    assert_found(Fault::Swap, &[("reordered", 1)]);
}

#[test]
fn a_message_in_the_wrong_room_is_found_and_missed_in_the_right_one() {
    assert_found(Fault::Misroute, &[("misrouted", 1), ("lost", 1)]);
}

#[test]
fn a_changed_message_is_found() {
    assert_found(Fault::Corrupt, &[("corrupted", 1), ("lost", 1)]);
}

#[test]
fn a_message_under_another_name_is_found() {
    assert_found(Fault::WrongSender, &[("corrupted", 1), ("lost", 1)]);
}

#[test]
fn a_connection_closed_by_the_server_is_reported_with_its_code() {
    let (output, report) = run(Fault::Close, &["--rate", "60"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(report["ledger"]["connections_lost"], 1);
    let end = report["ledger"]["ends"][0].as_str().expect("a description");
    assert!(end.ends_with("closed by the server with 4002 slow_consumer"), "{end}");
}
