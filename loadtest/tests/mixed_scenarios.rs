//! Scenario files: members who watch, read slowly, or leave and come back, and an account that stays exact for all of them.

mod program;
mod relay;
mod scratch;

use std::process::Output;

use program::{Yardstick, execute};
use relay::Fault;
use scratch::Scratch;
use serde_json::{Value, json};

fn run(url: &str, scenario: &Scratch, more: &[&str]) -> (Output, Value) {
    let (output, report) = execute(&[&["run", "--url", url, "--scenario", scenario.path()], more].concat());
    assert!(report.is_object(), "{output:?}");
    (output, report)
}

#[test]
fn spectators_slow_and_returning_players_leave_the_account_balanced() {
    let scenario = Scratch::with(
        "mixture.json",
        &json!({"seconds": 1.2, "warmup_seconds": 0.1, "groups": [
            {"name": "duels", "rooms": 2, "players": 2, "rate": 100},
            {"name": "arena", "rooms": 1, "players": 2, "returning_players": 2, "return_every_seconds": 0.3,
             "spectators": 3, "encoding": "message_pack", "size": 100, "rate": 50},
            {"name": "laggards", "rooms": 1, "players": 2, "slow_players": 1, "slow_bytes_per_second": 20000,
             "rate": 100, "size": 500}]}),
    );
    for io in ["epoll", "ring"] {
        let yardstick = Yardstick::start(&["--backend", io]);
        let page = Scratch::new(&format!("{io}.html"));
        let (output, report) = run(&yardstick.url(), &scenario, &["--io", io, "--html", page.path()]);
        assert_eq!(output.status.code(), Some(0), "{io}: {report}");
        let ledger = &report["ledger"];
        assert_eq!(ledger["balanced"], true, "{io}: {report}");
        assert!(ledger["returns"].as_u64() >= Some(4), "{io}: {report}");
        assert_eq!(ledger["expected"], ledger["received"], "{io}: {report}");
        assert_eq!(report["setting"]["connections"], 4 + 7 + 3, "{io}: {report}");

        let html = std::fs::read_to_string(page.path()).expect("the page");
        assert_eq!(
            html.matches("<svg").count(),
            6,
            "{io}: with one for the groups, cores and memory"
        );
        assert!(
            !html.contains("src=") && !html.contains("href=") && !html.contains("url("),
            "nothing is loaded"
        );
        assert!(yardstick.backend.contains(io), "{}", yardstick.backend);
        yardstick.stop();
    }
}

#[test]
fn a_slow_player_that_is_closed_is_accounted_up_to_its_close() {
    let scenario = Scratch::with(
        "slow.json",
        &json!({"seconds": 1, "warmup_seconds": 0, "groups": [
            {"rooms": 1, "players": 1, "slow_players": 1, "slow_bytes_per_second": 100_000, "rate": 100}]}),
    );
    let url = format!("ws://{}/v2/ws", relay::start(Fault::Close));
    let (output, report) = run(&url, &scenario, &[]);
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert_eq!(report["ledger"]["slow_ends"]["4002 slow_consumer"], 1, "{report}");
    assert!(report["ledger"]["excused"].as_u64() >= Some(1), "{report}");
    assert_eq!(report["ledger"]["expected"], 49, "what came before the close: {report}");
}

#[test]
fn a_fault_towards_slow_players_is_a_fault_all_the_same() {
    let scenario = Scratch::with(
        "faulty.json",
        &json!({"seconds": 0.5, "warmup_seconds": 0, "groups": [
            {"rooms": 2, "players": 1, "slow_players": 1, "slow_bytes_per_second": 100_000, "rate": 100}]}),
    );
    for (fault, kind) in [
        (Fault::Drop, "lost"),
        (Fault::Duplicate, "duplicated"),
        (Fault::Swap, "reordered"),
        (Fault::Misroute, "misrouted"),
        (Fault::Corrupt, "corrupted"),
        (Fault::WrongSender, "corrupted"),
    ] {
        let url = format!("ws://{}/v2/ws", relay::start(fault));
        let (output, report) = run(&url, &scenario, &["--drain-seconds", "0.3"]);
        assert_eq!(
            (output.status.code(), &report["ledger"][kind]),
            (Some(1), &json!(1)),
            "{fault:?}: {report}"
        );
    }
}
