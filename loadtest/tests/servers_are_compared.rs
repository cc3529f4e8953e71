//! `compare` starts servers, measures them in turn, stops them, and tells how they relate.

mod program;
mod scratch;

use std::process::Output;

use program::{PROGRAM, Yardstick, execute, program};
use scratch::Scratch;
use serde_json::Value;

fn compare(servers: &[&str], more: &[&str]) -> Output {
    let mut command = program(&[
        "compare",
        "--json",
        "--rounds",
        "3",
        "--rooms",
        "2",
        "--players",
        "3",
        "--rate",
        "100",
    ]);
    command.args(["--seconds", "0.2", "--warmup-seconds", "0", "--server-cpus", "0"]);
    for server in servers {
        command.args(["--server", server]);
    }
    command.args(more).output().expect("the program starts")
}

#[test]
fn a_running_and_a_started_server_are_measured_in_turn() {
    let yardstick = Yardstick::start(&["--backend", "epoll"]);
    let started = format!("started=RUST_BACKTRACE=0 {PROGRAM} yardstick --port {{port}}");
    let running = format!(
        "running={} pid={} counters=http://{}/metrics/prom",
        yardstick.url(),
        yardstick.pid(),
        yardstick.address
    );
    let page = Scratch::new("compare.html");
    let output = compare(&[&started, &running], &["--html", page.path()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(report["balanced"], true);
    let names: Vec<&Value> = report["servers"]
        .as_array()
        .expect("servers")
        .iter()
        .map(|server| &server["name"])
        .collect();
    assert_eq!(names, ["started", "running"]);
    let mut pids = Vec::new();
    for server in report["servers"].as_array().expect("servers") {
        let runs = server["runs"].as_array().expect("runs");
        assert_eq!(runs.len(), 3);
        pids.push(
            runs.iter()
                .map(|run| run["traffic"]["server"]["pid"].clone())
                .collect::<Vec<_>>(),
        );
        for figure in [
            "server_cpu_us_per_delivery",
            "server_sends_per_delivery",
            "latency_p99_us",
        ] {
            let figures = server["figures"].as_array().expect("figures");
            let found = figures
                .iter()
                .find(|entry| entry["figure"] == figure)
                .expect("the figure");
            assert!(found["median"].as_f64() > Some(0.0), "{figure}: {server}");
        }
    }
    assert!(
        pids[0][0] != pids[0][1] && pids[0][1] != pids[0][2],
        "a fresh process for each run: {pids:?}"
    );
    assert!(pids[1].iter().all(|pid| *pid == yardstick.pid()), "{pids:?}");
    assert!(yardstick.stop().contains("deliveries"));
    let page = std::fs::read_to_string(page.path()).expect("a page");
    assert_eq!(
        page.matches("<div class=\"dot\"").count() % (2 * 3),
        0,
        "a dot for each server and round"
    );
    assert!(page.contains("running / started, server CPU</th>"), "{page}");
    let ratio = &report["ratios"][0];
    assert_eq!(
        (&ratio["of"], &ratio["to"]),
        (&Value::from("running"), &Value::from("started"))
    );
    assert!(ratio["min"].as_f64() <= ratio["median"].as_f64() && ratio["median"].as_f64() <= ratio["max"].as_f64());
}

#[test]
fn a_load_without_rooms_is_refused_before_a_server_is_started() {
    let (output, _) = execute(&[
        "compare",
        "--rooms",
        "0",
        "--server",
        "a=/nonexistent {port}",
        "--server",
        "b=ws://x/",
    ]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("at least one room"), "{said}");
}

#[test]
fn a_server_that_cannot_be_started_is_an_error_that_names_it() {
    let output = compare(&["good=ws://127.0.0.1:1/", "bad=/nonexistent/server {port}"], &[]);
    assert_eq!(output.status.code(), Some(2));
    let output = compare(&["bad=/nonexistent/server {port}", "good=ws://127.0.0.1:1/"], &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("\"bad\"") && said.contains("/nonexistent/server"),
        "{said}"
    );
}
