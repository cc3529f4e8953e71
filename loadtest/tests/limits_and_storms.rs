//! `search` finds a limit from both sides, and `storm` counts cycles and says what a budget refuses.

mod program;

use std::process::{Command, Output};

use program::Yardstick;
use serde_json::Value;

fn run(arguments: &[&str]) -> (Output, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_signal-fish-loadtest"))
        .args(arguments)
        .arg("--json")
        .output()
        .expect("the program starts");
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output, report)
}

#[test]
fn a_search_ends_at_a_passed_step_below_a_failed_one() {
    let yardstick = Yardstick::start(&["--backend", "epoll"]);
    let url = yardstick.url();
    // 300 kB messages can be relayed a few times a second, and not in time at some rate above. A step of a second is a whole
    // number of messages at a half and a quarter of the first rate, too: of a part of one less is delivered than is due.
    let (output, report) = run(&[
        "search",
        "--url",
        &url,
        "--rooms",
        "1",
        "--players",
        "2",
        "--size",
        "300000",
        "--rate",
        "4",
        "--start",
        "1",
        "--seconds",
        "1",
        "--warmup-seconds",
        "0",
        "--drain-seconds",
        "0.5",
        "--precision",
        "0.5",
        "--p99-ms",
        "500",
        "--expect",
        "lost=0,p99<500.1ms",
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(report["expectations"][1]["met"], true, "of the best step: {report}");
    let steps = report["steps"].as_array().expect("steps");
    let factors = |passed: bool| {
        let chosen = steps.iter().filter(move |step| step["passed"] == passed);
        chosen
            .map(|step| step["factor"].as_f64().expect("a number"))
            .collect::<Vec<_>>()
    };
    let best = report["best_factor"].as_f64().expect("something passed");
    assert!(factors(true).contains(&best), "{report}");
    assert!(factors(false).iter().all(|&failed| failed > best), "{report}");
    assert!(!factors(false).is_empty(), "{report}");
    yardstick.stop();
}

#[test]
fn a_storm_counts_every_cycle_and_request() {
    let yardstick = Yardstick::start(&["--backend", "ring"]);
    let (output, report) = run(&[
        "storm",
        "--url",
        &yardstick.url(),
        "--parties",
        "3",
        "--cycles",
        "8",
        "--expect",
        "join.p99<60s,cycles>0/s,create.max<1ns",
    ]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let met: Vec<_> = (0..3).map(|at| report["expectations"][at]["met"] == true).collect();
    assert_eq!(met, [true, true, false], "{report}");
    assert_eq!(report["cycles"], 24);
    assert!(report["join_us"]["max"].as_f64() > Some(0.0), "{report}");
    assert!(report["server_cpu_us_per_cycle"].as_f64() > Some(0.0), "{report}");
    assert_eq!(yardstick.backend, "(ring)");
    assert!(yardstick.pid() > 0);
    yardstick.stop();
}

#[test]
fn a_report_is_a_table_or_json_and_never_both() {
    let yardstick = Yardstick::start(&["--backend", "epoll"]);
    let storm = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_signal-fish-loadtest"))
            .args(["storm", "--url", &yardstick.url(), "--parties", "1", "--cycles", "1"])
            .args(more)
            .output()
            .expect("the program starts");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let table = storm(&[]);
    assert!(table.lines().count() > 3 && !table.contains('{'), "{table}");
    let json = storm(&["--json"]);
    assert_eq!(json.lines().count(), 1, "{json}");
    assert_eq!(serde_json::from_str::<Value>(&json).expect("JSON")["cycles"], 1);
    yardstick.stop();
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let yardstick = Yardstick::start(&["--backend", "epoll"]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_signal-fish-loadtest"))
        .args(["storm", "--url", &yardstick.url(), "--parties", "1", "--cycles", "1"])
        .stdout(writer)
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    yardstick.stop();
}
