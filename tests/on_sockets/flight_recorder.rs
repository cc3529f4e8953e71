//! What rooms keep of what was decided in them, and when it is written to the log.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::DEADLINE;
use crate::support::admin::{TOKEN, act, look, server};
use crate::support::server::Server;
use crate::support::wire::{TEXT, Wire};

/// Reads messages until one of a type.
fn until(wire: &mut Wire, kind: &str) -> Value {
    loop {
        let message: Value = serde_json::from_str(wire.frame().text()).expect("JSON");
        if message["type"] == kind {
            return message["data"].clone();
        }
    }
}

fn say(wire: &mut Wire, kind: &str, data: &str) {
    wire.send_frame(TEXT, format!(r#"{{"type":"{kind}","data":{data}}}"#).as_bytes());
}

fn joined(server: &Server, name: &str) -> (Wire, Value) {
    let mut wire = Wire::connect(server.address()).upgrade("/v3/ws");
    let data =
        format!(r#"{{"game_name":"reef","room_code":"TIDE22","player_name":"{name}","supports_authority":true}}"#);
    say(&mut wire, "JoinRoom", &data);
    let room = until(&mut wire, "RoomJoined");
    (wire, room)
}

/// What was decided in a room, about whom, once the last of it is there.
fn decided(server: &Server, room: &str, last: &str) -> Vec<(String, String)> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let seen = look(server, &format!("/admin/api/rooms/{room}"));
        let text = |decided: &Value, key: &str| decided[key].as_str().expect("text").to_owned();
        let all = seen["decisions"].as_array().expect("a list").iter();
        let all: Vec<_> = all
            .map(|decided| (text(decided, "player"), text(decided, "what")))
            .collect();
        if all.last().is_some_and(|(_, what)| what == last) {
            return all;
        }
        assert!(Instant::now() < deadline, "{last}: {all:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_room_tells_its_story() {
    let server = server(2);
    let (mut mira, room) = joined(&server, "Mira");
    let (mut otto, own) = joined(&server, "Otto");
    let (room, otto_id) = (text(&room["room_id"]), text(&own["player_id"]));
    let mut wanda = Wire::upgraded(&server);
    say(
        &mut wanda,
        "JoinAsSpectator",
        r#"{"game_name":"reef","room_code":"TIDE22","spectator_name":"Wanda"}"#,
    );
    until(&mut wanda, "SpectatorJoined");
    for _ in 0..3 {
        say(&mut otto, "StartGame", "null");
        until(&mut otto, "Error");
    }
    say(&mut wanda, "LeaveSpectator", "null");
    until(&mut wanda, "SpectatorLeft");
    let kick = format!(r#"{{"id":"{otto_id}"}}"#);
    assert_eq!(
        act(&server, &format!("/admin/api/rooms/{room}/kick"), &kick).status,
        204
    );
    until(&mut mira, "PlayerLeft");
    let story = decided(&server, &room, "left");
    let of_otto: Vec<_> = story
        .iter()
        .filter(|(who, _)| *who == otto_id)
        .map(|(_, what)| what.as_str())
        .collect();
    assert_eq!(of_otto[0], "joined");
    assert!(
        of_otto[1].starts_with("refused ") && of_otto[1].ends_with(" 3 times"),
        "{of_otto:?}"
    );
    assert!(
        of_otto.contains(&"removed") && of_otto.contains(&"closed 4007 kicked"),
        "{of_otto:?}"
    );
    let all: Vec<_> = story.iter().map(|(_, what)| what.as_str()).collect();
    for what in ["leads", "watches", "watches no more"] {
        assert!(all.contains(&what), "{what}: {all:?}");
    }
}

#[test]
fn who_loses_a_seat_and_comes_back_is_told_apart_from_who_leaves() {
    let server = server(1);
    let (_mira, room) = joined(&server, "Mira");
    let (otto, _) = joined(&server, "Otto");
    let room = text(&room["room_id"]);
    drop(otto);
    decided(&server, &room, "lost, seat kept");
    let (mut wanda, _) = joined(&server, "Wanda");
    say(&mut wanda, "LeaveRoom", "null");
    until(&mut wanda, "RoomLeft");
    decided(&server, &room, "left");
}

#[test]
fn a_server_that_does_not_want_it_keeps_nothing() {
    let server = Server::with(1, |config| {
        config.control.admin_token = Some(signal_fish_relay::config::Secret::new(TOKEN));
        config.control.flight_recorder = false;
    });
    let (_mira, room) = joined(&server, "Mira");
    let seen = look(&server, &format!("/admin/api/rooms/{}", text(&room["room_id"])));
    assert_eq!(seen["decisions"].as_array().map(Vec::len), Some(0));
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}
