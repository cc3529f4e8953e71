//! `--expect`: thresholds that are met, that are not, and that cannot be, and the exit status that tells.

mod program;
mod relay;
mod scratch;

use std::process::Output;

use program::{execute, program, run_shortly};
use relay::Fault;
use scratch::Scratch;
use serde_json::{Value, json};

fn url(fault: Fault) -> String {
    format!("ws://{}/v2/ws", relay::start(fault))
}

/// A short run.
fn run(fault: Fault, expect: &[&str]) -> (Output, Value) {
    run_shortly(&url(fault), &[&["--drain-seconds", "0.5"], expect].concat())
}

fn met(report: &Value) -> Vec<(&str, bool)> {
    let judged = report["expectations"].as_array().expect("expectations");
    judged
        .iter()
        .map(|judged| (judged["text"].as_str().expect("a text"), judged["met"] == true))
        .collect()
}

#[test]
fn a_run_that_keeps_its_thresholds_passes() {
    let (output, report) = run(
        Fault::None,
        &[
            "--expect",
            "p99<20s,all.p50>=1us,lost=0,ended=0",
            "--expect",
            "sent > 100/s",
        ],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        met(&report),
        [
            ("p99 < 20s", true),
            ("all.p50 >= 1us", true),
            ("lost = 0", true),
            ("ended = 0", true),
            ("sent > 100/s", true)
        ]
    );
    assert_eq!(
        report["expectations"][4]["value"], report["traffic"]["sent_per_second"],
        "{report}"
    );
    let (_, plain) = run(Fault::None, &[]);
    assert_eq!(plain.get("expectations"), None, "nothing was expected");
}

#[test]
fn a_threshold_that_is_not_met_is_told_by_the_exit_status() {
    let (output, report) = run(Fault::None, &["--expect", "max<1ns,faults=0"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(met(&report), [("max < 1ns", false), ("faults = 0", true)]);
    assert_eq!(report["ledger"]["balanced"], true, "the account is as it is: {report}");
}

#[test]
fn a_figure_that_a_run_does_not_have_breaks_its_threshold() {
    let (output, report) = run(Fault::None, &["--expect", "superseded<5"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(
        report["expectations"],
        json!([{"text": "superseded < 5", "value": null, "met": false}])
    );
}

#[test]
fn a_loss_that_was_expected_remains_a_loss() {
    let (output, report) = run(Fault::Drop, &["--expect", "lost=1"]);
    assert_eq!(met(&report), [("lost = 1", true)], "{report}");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn the_table_says_what_was_expected_and_found() {
    let load = "run --rooms 1 --players 2 --seconds 0.2 --warmup-seconds 0 --expect max<1ns,lost=0";
    let load: Vec<&str> = load.split(' ').collect();
    let output = program(&load).args(["--url", &url(Fault::None)]).output();
    let output = output.expect("the program starts");
    let table = String::from_utf8_lossy(&output.stdout);
    let row = |begin: &str| {
        table
            .lines()
            .find(|line| line.starts_with(begin))
            .expect(begin)
            .to_owned()
    };
    assert!(
        row("EXPECTED").contains("max < 1ns: ") && row("EXPECTED").ends_with(" ns"),
        "{table}"
    );
    assert!(row("expected").ends_with("lost = 0: 0"), "{table}");
}

#[test]
fn groups_are_held_to_thresholds_of_their_own() {
    let scenario = Scratch::with(
        "groups.json",
        &json!({"seconds": 0.3, "warmup_seconds": 0, "groups": [
            {"name": "duels", "rooms": 1, "players": 2}, {"name": "arena", "rooms": 1, "players": 3}]}),
    );
    let expect = "arena.p99<20s,duels.p99.9<1ns";
    let (output, report) = execute(&[
        "run",
        "--url",
        &url(Fault::None),
        "--scenario",
        scenario.path(),
        "--expect",
        expect,
    ]);
    assert_eq!(met(&report), [("arena.p99 < 20s", true), ("duels.p99.9 < 1ns", false)]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn the_page_says_what_was_not_met_and_leaves_the_ledger_its_own_verdict() {
    let page = Scratch::new("expected.html");
    let (output, _) = run(Fault::None, &["--expect", "max<1ns,lost=0", "--html", page.path()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let html = std::fs::read_to_string(page.path()).expect("the page");
    assert!(
        html.contains("<li>max &lt; 1ns: ") && !html.contains("<li>lost"),
        "{html}"
    );
    assert!(html.contains("<b>balanced</b>"), "{html}");
}

#[test]
fn what_cannot_be_expected_is_refused_before_the_test() {
    for (expect, why) in [
        ("p98<20ms", "known are p50, p90, p99, p99.9"),
        ("p99<20", "ns, us, ms or s"),
        ("arena.p99<20ms", "only all"),
    ] {
        let (output, _) = run(Fault::None, &["--expect", expect]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(why), "{error}");
    }
    let (output, _) = execute(&["storm", "--url", &url(Fault::None), "--expect", "jon.p99<1ms"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("only create, join, leave"), "{error}");
}
