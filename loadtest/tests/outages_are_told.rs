//! A server that dies in the middle of a run: the run ends in time, and its report tells of the whole window that was asked
//! for, in words, in JSON and on the page.

mod program;
mod scratch;

use std::process::Stdio;
use std::time::{Duration, Instant};

use program::{Yardstick, execute, program};
use scratch::Scratch;
use serde_json::Value;

#[test]
fn a_server_that_dies_is_told_in_words_in_json_and_on_the_page() {
    let page = Scratch::new("outage.html");
    let server = Yardstick::start(&["--backend", "epoll"]);
    let began = Instant::now();
    let run = program(&["run", "--json", "--url", &server.url(), "--html", page.path()])
        .args(["--rooms", "2", "--players", "4", "--rate", "50"])
        .args(["--seconds", "4", "--warmup-seconds", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the generator starts");
    while server.counter("signal_fish_deliveries_total") < 100.0 {
        assert!(began.elapsed() < Duration::from_secs(30), "no traffic");
    }
    drop(server); // killed
    let output = run.wait_with_output().expect("the report");
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "it does not wait for what cannot come"
    );
    assert_eq!(output.status.code(), Some(1), "{output:?}");

    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let (traffic, ledger) = (&report["traffic"], &report["ledger"]);
    assert_eq!(ledger["connections_lost"], 8, "{report}");
    let stopped = traffic["outage"]["stopped_seconds"].as_f64().expect("an outage");
    assert!((0.0..4.0).contains(&stopped), "{report}");
    assert_eq!(traffic["outage"]["back_seconds"], Value::Null);
    let gone = traffic["server_gone_seconds"].as_f64().expect("a process that is gone");
    assert!((0.0..=4.5).contains(&gone), "{report}");

    let points = traffic["timeline"].as_array().expect("a timeline");
    assert_eq!(points.len(), 40, "to the end of the window");
    let last = &points[39];
    assert_eq!(
        (last["delivered_per_second"].as_f64(), &last["p99_us"]),
        (Some(0.0), &Value::Null)
    );
    assert!(
        last["owed_per_second"].as_f64() > Some(0.0) && last["lost"].as_u64() > Some(0),
        "{last}"
    );
    let lost: u64 = points.iter().filter_map(|point| point["lost"].as_u64()).sum();
    assert_eq!(
        Some(lost),
        ledger["lost"].as_u64(),
        "each lost message was due in some slot"
    );

    let page = std::fs::read_to_string(page.path()).expect("a page");
    for told in [
        "<div class=\"card bad\"><b>8</b><span>connections ended",
        "8 of 8 connections ended; the server's process was gone after",
        "nothing was delivered from",
        "figures cover only what was delivered",
        "more</li>",
    ] {
        assert!(page.contains(told), "{told} is not on the page");
    }
    let (_, embedded) = page.split_once("id=\"report\">").expect("JSON on the page");
    let (embedded, _) = embedded.split_once("</script>").expect("its end");
    let embedded: Value = serde_json::from_str(embedded).expect("JSON");
    assert_eq!(embedded["traffic"]["outage"], traffic["outage"]);
}

#[test]
fn a_good_run_tells_of_no_outage_and_of_what_it_cost_over_time() {
    let server = Yardstick::start(&["--backend", "epoll"]);
    let url = server.url();
    let load = "run --rooms 2 --players 3 --rate 50 --seconds 1 --warmup-seconds 0 --url";
    let (output, report) = execute(&load.split(' ').chain([url.as_str()]).collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let traffic = &report["traffic"];
    assert_eq!(traffic["server_gone_seconds"], Value::Null, "{report}");
    assert_eq!(traffic["timeline"].as_array().map(Vec::len), Some(10));
    let uses = traffic["uses"].as_array().expect("what was used over time");
    assert!(uses.len() >= 2, "{report}");
    for each in uses {
        assert!(each["server_resident_bytes"].as_u64() > Some(0), "{each}");
        assert!(each["server_cores"].as_f64() >= Some(0.0), "{each}");
    }
    assert!(
        report["host"]["command_line"]
            .as_str()
            .is_some_and(|line| line.contains("--rate 50"))
    );
}
