//! `--health` says whether a server takes players in: up, stopping, gone.

use std::process::Output;
use std::time::Duration;

use crate::support::DEADLINE;
use crate::support::process::Program;
use crate::support::wire::Wire;

fn asked(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = Program::new(arguments).output();
    let text = [stdout, stderr].concat();
    (status.code(), String::from_utf8(text).expect("text"))
}

#[test]
fn a_server_is_ready_until_it_stops() {
    let server = Program::new(&["--port", "0", "--shards", "2"])
        .variable("SIGNAL_FISH__SERVER__DRAIN_GRACE_SECS", "60")
        .variable("SIGNAL_FISH__CONTROL__PORT", "0")
        .serve();
    let port = server.address().port().to_string();
    let url = format!("http://{}", server.address());
    assert_eq!(
        asked(&["--health", &url]),
        (Some(0), format!("{}: ready\n", server.address()))
    );
    let (code, told) = asked(&["--health", "--port", &port]);
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = asked(&["--health", &format!("{url}/nowhere")]);
    assert!(code == Some(1) && told.contains("404"), "{told}");

    // Somebody is here, so it does not end at once. Its listeners close; the operators' door stays open.
    let player = Wire::upgraded_to(server.address());
    let operators = server
        .listening_ports()
        .into_iter()
        .find(|other| other.to_string() != port);
    let operators = format!("http://127.0.0.1:{}", operators.expect("a second door"));
    assert_eq!(asked(&["--health", &operators]).0, Some(0));
    server.signal(libc::SIGTERM);
    server.wait_for_log("stopping");
    let (code, told) = asked(&["--health", &operators]);
    assert!(code == Some(1) && told.contains("503"), "{told}");
    drop(player);
    assert_eq!(server.wait(DEADLINE), Some(0));
    let (code, told) = asked(&["--health", &operators]);
    assert!(code == Some(1) && told.contains("does not answer"), "{told}");
}

#[test]
fn a_server_that_stands_still_is_not_ready() {
    let server = Program::new(&["--port", "0", "--shards", "1"]).serve();
    server.freeze();
    let (code, told) = asked(&["--health", &format!("http://{}", server.address())]);
    assert!(code == Some(1) && told.contains("nothing came within"), "{told}");
    server.thaw();
    server.signal(libc::SIGTERM);
    assert_eq!(server.wait(Duration::from_secs(60)), Some(0));
}
