//! What stands in the way of a start is said before anything is served, with the cure and a code that is not 0; and what an
//! operator asks about the configuration is answered without serving.

use std::fs;
use std::net::TcpListener;
use std::process::Output;

use serde_json::Value;

use crate::support::player::Player;
use crate::support::process::Program;

fn standard_error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn standard_output(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs the program, which must refuse with code 1, and returns what it says.
fn refusal(program: Program) -> String {
    let output = program.output();
    let text = standard_error(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("Error: "), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[test]
fn a_port_that_another_program_serves_is_refused() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = other.local_addr().expect("bound").port().to_string();
    let text = refusal(Program::new(&["--port", &port]));
    assert!(
        text.contains("is served already") && text.contains("choose another port"),
        "{text}"
    );
}

#[test]
fn a_port_that_another_of_ours_serves_is_refused() {
    let first = Program::new(&["--port", "0", "--shards", "1"]).serve();
    let port = first.address().port().to_string();
    for bind in ["127.0.0.1", "0.0.0.0"] {
        let second = Program::new(&["--bind", bind, "--port", &port, "--shards", "1"])
            .variable("SIGNAL_FISH__SECURITY__REQUIRE_METRICS_AUTH", "false")
            .variable("SIGNAL_FISH__SECURITY__ENFORCE_APP_ID_ALLOWLIST", "false");
        let text = refusal(second);
        assert!(text.contains("is served already"), "{bind}: {text}");
    }
    assert!(Player::connect_to(first.address()).is_served(), "the first goes on");
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known() {
    let program = Program::new(&["--port", "0"]);
    fs::write(
        program.directory().join("config.json"),
        r#"{"server": {"max_room": 5}}"#,
    )
    .expect("a file");
    let text = refusal(program);
    assert!(text.contains("server.max_room") && text.contains("max_rooms"), "{text}");
}

#[test]
fn every_bad_value_is_told_at_once() {
    let program = Program::new(&["--port", "0"])
        .variable("SIGNAL_FISH__RUNTIME__TICK_MS", "0")
        .variable("SIGNAL_FISH__SERVER__MAX_ROOMS", "0");
    let text = refusal(program);
    assert!(
        text.contains("runtime.tick_ms") && text.contains("server.max_rooms"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn a_named_file_that_is_missing_is_refused() {
    let text = refusal(Program::new(&["--config", "nowhere.json"]));
    assert!(
        text.contains("nowhere.json") && text.contains("does not exist"),
        "{text}"
    );
}

#[test]
fn going_public_without_apps_is_refused() {
    let text = refusal(Program::new(&["--bind", "0.0.0.0", "--port", "0"]));
    assert!(text.contains("allowed_apps"), "{text}");
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let output = Program::new(&["--shard", "2"]).output();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        standard_error(&output).contains("--shards"),
        "{}",
        standard_error(&output)
    );
}

#[test]
fn a_configuration_can_be_checked_without_serving() {
    for flag in ["--validate-config", "-c"] {
        let good = Program::new(&[flag]).output();
        assert_eq!(good.status.code(), Some(0), "{}", standard_error(&good));
        assert!(!standard_output(&good).is_empty(), "it says what it found");
    }
    let bad = Program::new(&["-c"]).variable("SIGNAL_FISH__PORT", "70000");
    assert!(refusal(bad).contains("port"));
}

#[test]
fn the_resulting_configuration_is_printed_without_secrets() {
    let output = Program::new(&["--print-config", "--port", "4000"])
        .variable("SIGNAL_FISH__SECURITY__METRICS_AUTH_TOKEN", "swordfish-swordfish")
        .output();
    assert_eq!(output.status.code(), Some(0), "{}", standard_error(&output));
    let text = standard_output(&output);
    let config: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(config["port"], 4000);
    assert!(!text.contains("swordfish"), "a secret is never shown");
}

#[test]
fn without_a_configuration_it_serves_this_machine_alone() {
    let server = Program::new(&["--port", "0"]).serve();
    assert!(server.address().ip().is_loopback());
    let mut player = Player::connect_to(server.address());
    player.create("tide-pool", "Mira");
    server.signal(libc::SIGKILL);
    assert_eq!(server.wait(crate::support::DEADLINE), None, "ended by the signal");
}
