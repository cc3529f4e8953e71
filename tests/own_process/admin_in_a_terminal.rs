//! `admin` shows a running server's rooms in a terminal, and acts on them; and what it does with the token.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::support::DEADLINE;
use crate::support::admin::ask;
use crate::support::process::Program;
use crate::support::wire::{TEXT, Wire};

const TOKEN: &str = "a-token-of-operators";

/// Who runs a command, and with which token.
struct Operator {
    port: String,
    token: Option<&'static str>,
}

impl Operator {
    fn asks(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut all = vec!["--port", &self.port, "admin"];
        all.extend(arguments);
        let mut program = Program::new(&all);
        if let Some(token) = self.token {
            program = program.variable("SIGNAL_FISH__CONTROL__ADMIN_TOKEN", token);
        }
        let Output { status, stdout, stderr } = program.output();
        (
            status.code(),
            String::from_utf8([stdout, stderr].concat()).expect("text"),
        )
    }

    fn does(&self, arguments: &[&str]) -> String {
        let (code, text) = self.asks(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {text}");
        text
    }
}

fn joined(server: std::net::SocketAddr, name: &str) -> Wire {
    let mut wire = Wire::upgraded_to(server);
    let join =
        format!(r#"{{"type":"JoinRoom","data":{{"game_name":"reef","room_code":"TIDE22","player_name":"{name}"}}}}"#);
    wire.send_frame(TEXT, join.as_bytes());
    while !wire.frame().text().contains("RoomJoined") {}
    wire
}

#[test]
fn rooms_are_shown_and_acted_on() {
    let server = Program::new(&["--port", "0", "--shards", "2"])
        .variable("SIGNAL_FISH__CONTROL__ADMIN_TOKEN", TOKEN)
        .serve();
    let operator = Operator {
        port: server.address().port().to_string(),
        token: Some(TOKEN),
    };
    let _mira = joined(server.address(), "Mira");
    let mut otto = joined(server.address(), "Otto");
    let rooms = operator.does(&["rooms"]);
    assert!(rooms.contains("TIDE22") && rooms.contains("1 of 1 rooms"), "{rooms}");
    assert!(operator.does(&["rooms", "--search", "kelp"]).contains("0 of 1 rooms"));
    let room = operator.does(&["room", "tide22"]);
    assert!(room.contains("Mira") && room.contains("127.0.0.1"), "{room}");
    let json: Value = serde_json::from_str(&operator.does(&["--json", "room", "TIDE22"])).expect("JSON");
    assert_eq!(json["members"].as_array().map(Vec::len), Some(2));
    let top = operator.does(&["top", "-c", "2"]);
    assert_eq!(top.matches("serving: 2 connections, 1 rooms").count(), 2, "{top}");

    operator.does(&["kick", "TIDE22", "Otto"]);
    let close = loop {
        let frame = otto.frame();
        if frame.first != TEXT {
            break frame.close_code();
        }
    };
    assert_eq!(close, Some(4007));
    operator.does(&["drain"]);
    assert!(operator.does(&["top", "-c", "1"]).starts_with("draining"));
    operator.does(&["undrain"]);
    operator.does(&["log-level", "debug"]);
    let _wanda = joined(server.address(), "Wanda");
    server.wait_for_log("joined a room");
    operator.does(&["close", "TIDE22"]);
    server.wait_for_log("an operator acted");
    for (arguments, told) in [
        (&["room", "GONE22"][..], "no room has the code"),
        (&["close", "5b1e7f0c-6a63-4d0e-9a55-0f7e2d6c9b11"], "no such room"),
        (&["log-level", "loud"], "a level is"),
    ] {
        let (code, text) = operator.asks(arguments);
        assert!(code == Some(1) && text.contains(told), "{arguments:?}: {text}");
    }
    server.signal(libc::SIGTERM);
    assert_eq!(server.wait(DEADLINE), Some(0));
}

#[test]
fn a_reload_takes_over_another_token_and_signs_everybody_out() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("token");
    fs::write(&file, TOKEN).expect("written");
    let server = Program::new(&["--port", "0", "--shards", "1"])
        .variable("SIGNAL_FISH__CONTROL__ADMIN_TOKEN_PATH", file.to_str().expect("text"))
        .serve();
    let host = server.address();
    let head = format!("POST /admin/api/sign-in HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}");
    let signs_in = |token: &str| ask(host, &head, &format!(r#"{{"token":"{token}"}}"#));
    let answer = signs_in(TOKEN);
    let cookie = answer
        .field("set-cookie")
        .expect("a cookie")
        .split(';')
        .next()
        .expect("a pair")
        .to_owned();
    let looks = || {
        let head = format!("GET /admin/api/overview HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}");
        ask(host, &head, "").status
    };
    assert_eq!(looks(), 200);
    for (token, status) in [(TOKEN, 200), ("another-token-of-operators", 401)] {
        fs::write(&file, token).expect("written");
        server.signal(libc::SIGHUP);
        server.wait_for_log("applications and the key of connect tokens were reloaded");
        assert_eq!(looks(), status, "{token}");
    }
    assert_eq!(signs_in(TOKEN).status, 401);
    assert_eq!(signs_in("another-token-of-operators").status, 200);
    server.signal(libc::SIGTERM);
    assert_eq!(server.wait(DEADLINE), Some(0));
}

#[test]
fn a_token_comes_from_a_file_and_goes_to_this_machine_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("token");
    fs::write(&file, format!("{TOKEN}\n")).expect("written");
    let path = file.to_str().expect("text");
    let server = Program::new(&["--port", "0", "--shards", "1"])
        .variable("SIGNAL_FISH__CONTROL__ADMIN_TOKEN_PATH", path)
        .serve();
    let nobody = Operator {
        port: server.address().port().to_string(),
        token: None,
    };
    let (code, told) = nobody.asks(&["rooms"]);
    assert!(code == Some(1) && told.contains("sign in"), "{told}");
    assert!(nobody.does(&["--token-file", path, "rooms"]).contains("0 of 0 rooms"));
    let elsewhere = ["--token-file", path, "--url", "http://192.0.2.1:3536", "rooms"];
    let (code, told) = nobody.asks(&elsewhere);
    assert!(
        code == Some(1) && told.contains("in the clear") && !told.contains(TOKEN),
        "{told}"
    );
    server.signal(libc::SIGTERM);
    assert_eq!(server.wait(DEADLINE), Some(0));
}
