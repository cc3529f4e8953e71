//! When somebody in a room breaks the protocol, the log says what was decided there before.

use crate::support::DEADLINE;
use crate::support::process::Program;
use crate::support::wire::{TEXT, Wire};

const MESSAGE: &str = "the last decisions in a room in which something went wrong";

fn joined(server: std::net::SocketAddr, name: &str) -> Wire {
    let mut wire = Wire::upgraded_to(server);
    let join =
        format!(r#"{{"type":"JoinRoom","data":{{"game_name":"reef","room_code":"TIDE22","player_name":"{name}"}}}}"#);
    wire.send_frame(TEXT, join.as_bytes());
    while !wire.frame().text().contains("RoomJoined") {}
    wire
}

/// A frame that no client may send: it is not masked.
const UNMASKED: &[u8] = &[TEXT, 2, b'{', b'}'];

#[test]
fn a_violation_is_told_with_what_came_before_it() {
    let server = Program::new(&["--port", "0", "--shards", "1"]).serve();
    let _mira = joined(server.address(), "Mira");
    let mut otto = joined(server.address(), "Otto");
    otto.send(UNMASKED);
    while otto.frame().first == TEXT {}
    let line = server.wait_for_log(MESSAGE);
    let fields = &line["fields"];
    assert_eq!(
        (&fields["code"], &line["level"]),
        (&1002.into(), &"WARN".into()),
        "{line}"
    );
    let decisions = fields["decisions"].as_str().expect("text");
    assert_eq!(decisions.matches(" joined").count(), 2, "{decisions}");
    assert!(decisions.ends_with("closed 1002 protocol_violation"), "{decisions}");
    assert!(
        !decisions.contains("Mira") && !decisions.contains("Otto"),
        "names are no matter of the log: {decisions}"
    );
    server.signal(libc::SIGTERM);
    assert_eq!(server.wait(DEADLINE), Some(0));
}

#[test]
fn nothing_is_written_where_nothing_is_kept() {
    let server = Program::new(&["--port", "0", "--shards", "1"])
        .variable("SIGNAL_FISH__CONTROL__FLIGHT_RECORDER", "false")
        .serve();
    let mut mira = joined(server.address(), "Mira");
    mira.send(UNMASKED);
    while mira.frame().first == TEXT {}
    server.signal(libc::SIGTERM);
    server.wait_for_log("stopping");
    assert!(!server.has_logged(MESSAGE));
    assert_eq!(server.wait(DEADLINE), Some(0));
}
