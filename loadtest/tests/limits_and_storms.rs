//! `search` finds a limit from both sides, and `storm` counts cycles and says what a budget refuses.

mod program;
mod scratch;

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use program::{Yardstick, execute, program};
use scratch::Scratch;
use serde_json::Value;

/// Searches with messages of 300 kB between two players.
fn search(yardstick: &Yardstick, more: &[&str]) -> (Output, Value) {
    let url = yardstick.url();
    let fixed = [
        "search",
        "--url",
        &url,
        "--rooms",
        "1",
        "--players",
        "2",
        "--size",
        "300000",
        "--warmup-seconds",
        "0",
        "--precision",
        "0.5",
        "--p99-ms",
        "500",
    ];
    execute(&[&fixed[..], more].concat())
}

fn steps(report: &Value) -> &[Value] {
    report["steps"].as_array().expect("steps")
}

/// Whose limit was found is told by the exit status, too.
fn assert_told(output: &Output, report: &Value) {
    let smallest_failed = steps(report)
        .iter()
        .filter(|step| step["passed"] == false)
        .min_by(|a, b| {
            a["factor"]
                .as_f64()
                .partial_cmp(&b["factor"].as_f64())
                .expect("numbers")
        })
        .expect("something failed");
    assert_eq!(report["limited_by"], smallest_failed["limited_by"], "{report}");
    let status = match report["limited_by"].as_str() {
        _ if report["best_factor"].is_null() => 1,
        Some("server") => 0,
        _ => 3,
    };
    assert_eq!(output.status.code(), Some(status), "{output:?}");
}

#[test]
fn a_search_ends_at_a_passed_step_below_a_failed_one() {
    let yardstick = Yardstick::start(&["--backend", "epoll"]);
    // They can be relayed a few times a second, and not in time at some rate above. A step of a second is a whole number of
    // messages at a half and a quarter of the first rate, too: of a part of one less is delivered than is due.
    let (output, report) = search(
        &yardstick,
        &[
            "--rate",
            "4",
            "--start",
            "1",
            "--seconds",
            "1",
            "--drain-seconds",
            "0.5",
        ],
    );
    assert_told(&output, &report);
    let factors = |passed: bool| {
        let chosen = steps(&report).iter().filter(move |step| step["passed"] == passed);
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
fn a_generator_that_cannot_keep_its_schedule_is_not_taken_for_the_servers_limit() {
    let yardstick = Yardstick::start(&["--backend", "epoll"]);
    // More than two gigabytes a second to make, send, receive and check: no thread can do that.
    let (output, report) = search(
        &yardstick,
        &[
            "--rate",
            "4000",
            "--seconds",
            "0.1",
            "--drain-seconds",
            "0.1",
            "--threads",
            "1",
        ],
    );
    assert_told(&output, &report);
    let first = &steps(&report)[0];
    assert_eq!(
        (&first["passed"], &first["limited_by"]),
        (&false.into(), &"generator".into()),
        "{report}"
    );
    yardstick.stop();
}

#[test]
fn a_generator_without_time_left_has_more_threads_unless_they_were_asked_for() {
    let yardstick = Yardstick::start(&["--backend", "epoll"]);
    let url = yardstick.url();
    let load = [
        "run",
        "--url",
        &url,
        "--rooms",
        "4",
        "--closed-loop",
        "16",
        "--seconds",
        "0.5",
        "--warmup-seconds",
        "0",
    ];
    for asked in ["auto", "1"] {
        let (output, report) = execute(&[&load[..], &["--threads", asked]].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let (threads, because) = (&report["setting"]["threads"], &report["setting"]["threads_because"]);
        let share = report["traffic"]["generator_busiest_share"].as_f64().expect("a share");
        let most = std::thread::available_parallelism().map_or(1, usize::from).min(4);
        let said = String::from_utf8_lossy(&output.stderr).contains("the run is repeated by");
        match (asked, threads.as_u64().expect("a number")) {
            ("1", threads) => assert_eq!(
                (threads, because.as_str(), said),
                (1, Some("asked for"), false),
                "{report}"
            ),
            (_, 1) => assert!(share <= 0.9 || most == 1, "{report}"),
            _ => assert!(
                said && because.as_str().is_some_and(|text| text.starts_with("with ")),
                "{output:?}"
            ),
        }
    }
    yardstick.stop();
}

#[test]
fn a_storm_counts_every_cycle_and_request() {
    let yardstick = Yardstick::start(&["--backend", "ring"]);
    let (output, report) = execute(&[
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
    yardstick.stop();
}

#[test]
fn a_storm_whose_server_dies_reports_what_was_done() {
    let yardstick = Yardstick::start(&["--backend", "epoll"]);
    let page = Scratch::new("storm.html");
    let storm = program(&["storm", "--json", "--url", &yardstick.url(), "--html", page.path()])
        .args(["--parties", "1", "--cycles", "4000000"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let began = Instant::now();
    // More than four connections need until the end of their first cycle, and what is sent to us besides.
    let mut enough = 200.0;
    while yardstick.counter("signal_fish_socket_sends_total") < enough {
        enough += 1.0;
        assert!(began.elapsed() < Duration::from_secs(30), "no storm");
    }
    drop(yardstick); // killed
    let output = storm.wait_with_output().expect("the report");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert!(report["cycles"].as_u64() > Some(0), "{report}");
    assert!(report["join_us"]["p50"].as_f64() > Some(0.0), "{report}");
    assert!(
        report["broke_off"]
            .as_str()
            .is_some_and(|why| why.starts_with("connection ")),
        "{report}"
    );
    let page = std::fs::read_to_string(page.path()).expect("a page");
    assert!(page.contains("Broke off"), "{page}");
}

#[test]
fn a_report_is_a_table_or_json_and_never_both() {
    let yardstick = Yardstick::start(&["--backend", "epoll"]);
    let storm = |more: &[&str]| {
        let output = program(&["storm", "--url", &yardstick.url(), "--parties", "1", "--cycles", "1"])
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
    let output = program(&["storm", "--url", &yardstick.url(), "--parties", "1", "--cycles", "1"])
        .stdout(writer)
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    yardstick.stop();
}
