//! A test that is interrupted ends at once with a whole report of what was done, and says that it was cut short. One that
//! only stood still for a while goes on where it was, and does not take its own pause for silence of the server.

mod program;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use program::{PROGRAM, Yardstick, program};
use serde_json::Value;

fn start(arguments: &[&str]) -> Child {
    program(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.expect("kill").success());
}

fn interrupt(child: &Child) {
    signal(child, "-INT");
}

/// Waits until the yardstick has relayed something, which is when the load runs.
fn await_traffic(yardstick: &Yardstick) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while yardstick.counter("signal_fish_deliveries_total") == 0.0 {
        assert!(Instant::now() < deadline, "no traffic");
        std::thread::yield_now();
    }
}

#[test]
fn an_interrupted_run_reports_what_was_done() {
    let yardstick = Yardstick::start(&["--backend", "epoll"]);
    let url = yardstick.url();
    let child = start(&[
        "run",
        "--json",
        "--url",
        &url,
        "--rooms",
        "2",
        "--players",
        "3",
        "--seconds",
        "600",
        "--warmup-seconds",
        "0",
    ]);
    await_traffic(&yardstick);
    let began = Instant::now();
    interrupt(&child);
    let output = child.wait_with_output().expect("its end");
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(report["interrupted"], true);
    assert_eq!(report["ledger"]["balanced"], true, "{report}");
    assert!(report["ledger"]["received"].as_u64() > Some(0), "{report}");
    assert!(report["traffic"]["seconds"].as_f64() < Some(100.0), "{report}");
    yardstick.stop();
}

#[test]
fn an_interruption_before_anybody_is_in_ends_without_a_report() {
    // A server that answers nobody holds the test before its first player is in.
    let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}/v2/ws", mute.local_addr().expect("its address"));
    let mut child = start(&["run", "--url", &url, "--rooms", "1", "--players", "2"]);
    let (mut met, _) = mute.accept().expect("the first contact");
    assert!(met.read(&mut [0; 1024]).expect("its request") > 0);
    let accept = "HTTP/1.1 101 x\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    met.write_all(accept.as_bytes()).expect("an answer");
    drop(met);
    let _player = mute.accept().expect("the first player");
    interrupt(&child);
    let mut said = String::new();
    let mut errors = BufReader::new(child.stderr.take().expect("a pipe"));
    errors.read_line(&mut said).expect("a line");
    assert_eq!(child.wait().expect("its end").code(), Some(130), "{said}");
    assert!(
        said.contains("interrupted before there was anything to report"),
        "{said}"
    );
}

#[test]
fn an_interrupted_comparison_gives_the_rounds_that_are_whole_and_stops_its_servers() {
    let server = |name: &str| format!("{name}={PROGRAM} yardstick --port {{port}}");
    let mut child = start(&[
        "compare",
        "--json",
        "--rounds",
        "1000",
        "--rooms",
        "1",
        "--players",
        "2",
        "--rate",
        "50",
        "--seconds",
        "0.2",
        "--warmup-seconds",
        "0",
        "--server",
        &server("a"),
        "--server",
        &server("b"),
    ]);
    let mut errors = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    for _ in 0..2 {
        line.clear();
        errors.read_line(&mut line).expect("a line of a run");
        assert!(line.starts_with("round 1/1000"), "{line}");
    }
    interrupt(&child);
    let output = child.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let rounds = report["servers"][0]["runs"].as_array().map(Vec::len);
    assert!(rounds >= Some(1), "{report}");
    for server in report["servers"].as_array().expect("servers") {
        assert_eq!(server["runs"].as_array().map(Vec::len), rounds, "{report}");
        let pid = &server["runs"][0]["traffic"]["server"]["pid"];
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "it still runs");
    }
}

#[test]
fn a_generator_that_stood_still_waits_for_what_is_on_its_way_nevertheless() {
    let yardstick = Yardstick::start(&["--backend", "epoll"]);
    let url = yardstick.url();
    let child = start(&[
        "run",
        "--json",
        "--url",
        &url,
        "--rooms",
        "20",
        "--players",
        "4",
        "--rate",
        "100",
        "--seconds",
        "1",
        "--warmup-seconds",
        "0",
        "--drain-seconds",
        "0.5",
    ]);
    await_traffic(&yardstick);
    signal(&child, "-STOP");
    // The pause is what this is about: longer than the rest of the test and all its waiting together.
    std::thread::sleep(Duration::from_secs(6));
    signal(&child, "-CONT");
    let output = child.wait_with_output().expect("its end");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert!(report["traffic"]["send_lag_us"]["max"].as_f64() > Some(3e6), "{report}");
    assert_eq!(report["ledger"]["lost"], 0, "{report}");
    assert_eq!(report["ledger"]["balanced"], true, "{report}");
    assert_eq!(report["traffic"]["outage"], Value::Null, "nobody listened: {report}");
    yardstick.stop();
}
