//! What operators see of rooms that are played in, and what becomes of those whom they act on.

use std::time::{Duration, Instant};

use serde_json::Value;
use signal_fish_relay::config::Secret;

use crate::support::DEADLINE;
use crate::support::admin::{TOKEN, act, bearer, get, host, look, server, sign_in};
use crate::support::server::Server;
use crate::support::wire::{CLOSE, TEXT, UPGRADE, Wire};

fn said(kind: &str, data: &str) -> String {
    format!(r#"{{"type":"{kind}","data":{data}}}"#)
}

/// Reads messages until one of a type.
fn until(wire: &mut Wire, kind: &str) -> Value {
    loop {
        let frame = wire.frame();
        let message: Value = serde_json::from_str(frame.text()).expect("JSON");
        if message["type"] == kind {
            return message["data"].clone();
        }
    }
}

/// Whatever came before was served, and the connection is open.
fn expect_served(wire: &mut Wire) {
    wire.send_frame(TEXT, br#"{"type":"Ping"}"#);
    until(wire, "Pong");
}

/// Joins the room `TIDE22` of a game.
fn joined(server: &Server, game: &str, name: &str) -> (Wire, Value) {
    let mut wire = Wire::upgraded(server);
    let data = serde_json::json!({"game_name": game, "room_code": "TIDE22", "player_name": name, "max_players": 4});
    wire.send_frame(TEXT, said("JoinRoom", &data.to_string()).as_bytes());
    let room = until(&mut wire, "RoomJoined");
    (wire, room)
}

/// Watches the same room.
fn watching(server: &Server, game: &str, name: &str) -> Wire {
    let mut wire = Wire::upgraded(server);
    let data = serde_json::json!({"game_name": game, "room_code": "TIDE22", "spectator_name": name});
    wire.send_frame(TEXT, said("JoinAsSpectator", &data.to_string()).as_bytes());
    until(&mut wire, "SpectatorJoined");
    wire
}

/// Looks until something holds: what was seen a moment ago is told again for a second.
fn look_until(server: &Server, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let seen = look(server, path);
        if holds(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "{path}: {seen:#}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_room_and_everybody_in_it_are_seen() {
    let server = server(2);
    let (mut mira, room) = joined(&server, "reef", "Mira");
    let (mut otto, _) = joined(&server, "reef", "Otto");
    let _watcher = watching(&server, "reef", "Wanda");
    for number in 0..20 {
        let data = format!(r#"{{"data":{{"n":{number}}}}}"#);
        mira.send_frame(TEXT, said("GameData", &data).as_bytes());
        until(&mut otto, "GameData");
    }
    let list = look_until(&server, "/admin/api/rooms?search=EE", |seen| seen["matching"] == 1);
    let row = &list["rooms"][0];
    assert_eq!((&row["code"], &row["game_name"]), (&"TIDE22".into(), &"reef".into()));
    assert_eq!(
        (&row["players"], &row["max_players"], &row["spectators"]),
        (&2.into(), &4.into(), &1.into())
    );
    assert_eq!(look(&server, "/admin/api/rooms?search=nowhere")["matching"], 0);
    assert_eq!(look(&server, "/admin/api/rooms?code=tide22")["matching"], 1);

    let path = format!("/admin/api/rooms/{}", room["room_id"].as_str().expect("an id"));
    let seen = look_until(&server, &path, |seen| seen["messages"] == 20);
    let names: Vec<_> = seen["members"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|m| &m["name"])
        .collect();
    assert_eq!(names, ["Mira", "Otto"]);
    let mira_seen = &seen["members"][0];
    assert_eq!(mira_seen["sent_messages"], 20);
    let connection = &mira_seen["connection"];
    assert_eq!(connection["address"], "127.0.0.1");
    assert_eq!(
        (&connection["version"], &connection["encoding"]),
        (&2.into(), &"json".into())
    );
    assert_eq!(connection["queue"]["frames"], 0);
    let round_trip_us = connection["round_trip_us"]
        .as_u64()
        .expect("it has acknowledged something");
    assert!((1..1_000_000).contains(&round_trip_us), "{round_trip_us}");
    assert_eq!(seen["watching"]["shown"][0]["name"], "Wanda");
    let again = look_until(&server, &path, |seen| !seen["messages_per_s"].is_null());
    assert_eq!(again["messages_per_s"], 0.0, "nothing since");
}

#[test]
fn what_players_send_is_seen_where_the_operator_allows_it_and_nowhere_else() {
    for is_allowed in [false, true] {
        let server = Server::with(1, |config| {
            config.control.admin_token = Some(signal_fish_relay::config::Secret::new(TOKEN));
            config.control.allow_payload_preview = is_allowed;
        });
        let (mut mira, room) = joined(&server, "reef", "Mira");
        let (mut otto, _) = joined(&server, "reef", "Otto");
        let path = format!("/admin/api/rooms/{}", room["room_id"].as_str().expect("an id"));
        // Nothing is kept of what was sent before somebody looked.
        let mut say = |payload: &str| {
            mira.send_frame(TEXT, said("GameData", &format!(r#"{{"data":{payload}}}"#)).as_bytes());
            until(&mut otto, "GameData");
        };
        say(r#"{"early":1}"#);
        look(&server, &path);
        say(r#"{"late":"<b>2</b>"}"#);
        let seen = look_until(&server, &path, |seen| seen["messages"] == 2);
        if is_allowed {
            let frames = seen["frames"].as_array().expect("a list");
            assert_eq!(frames.len(), 1, "{frames:?}");
            assert_eq!(frames[0]["preview"], r#"{"late":"<b>2</b>"}"#);
            assert_eq!(
                (&frames[0]["class"], &frames[0]["encoding"]),
                (&"reliable".into(), &"json".into())
            );
        } else {
            assert!(seen["frames"].is_null() && !seen.to_string().contains("late"), "{seen}");
        }
    }
}

#[test]
fn no_secret_of_a_room_is_shown() {
    let server = server(1);
    let mut wire = Wire::connect(server.address()).upgrade("/v3/ws");
    let data = r#"{"game_name":"reef","room_code":"TIDE22","player_name":"Mira","password":"open-sesame-77"}"#;
    wire.send_frame(TEXT, said("JoinRoom", data).as_bytes());
    let room = until(&mut wire, "RoomJoined");
    let token = room["reconnection_token"]
        .as_str()
        .unwrap_or("no token on this version")
        .to_owned();
    let path = format!("/admin/api/rooms/{}", room["room_id"].as_str().expect("an id"));
    let seen = look(&server, &path);
    assert_eq!(seen["has_password"], true);
    let all = [seen.to_string(), look(&server, "/admin/api/rooms").to_string()].concat();
    for secret in ["open-sesame-77", token.as_str()] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[test]
fn who_is_kicked_is_closed_with_4007_and_its_room_is_told() {
    let server = server(2);
    let (mut mira, room) = joined(&server, "reef", "Mira");
    let (mut otto, own) = joined(&server, "reef", "Otto");
    let id = own["player_id"].as_str().expect("an id");
    let path = format!("/admin/api/rooms/{}/kick", room["room_id"].as_str().expect("an id"));
    let body = format!(r#"{{"id":"{id}"}}"#);
    assert_eq!(act(&server, &path, &body).status, 204);
    let error = until(&mut otto, "Error");
    assert_eq!(error["error_code"], "KICKED");
    otto.expect_close(4007);
    assert_eq!(until(&mut mira, "PlayerLeft")["player_id"], id);
    assert_eq!(act(&server, &path, &body).status, 404, "it is gone");
    expect_served(&mut mira);
    for wrong in ["{}", r#"{"id":"x"}"#, "[]"] {
        assert_eq!(act(&server, &path, wrong).status, 400, "{wrong}");
    }
}

#[test]
fn a_spectator_who_is_kicked_stays_connected_and_watches_no_more() {
    let server = server(1);
    let (_mira, room) = joined(&server, "reef", "Mira");
    let mut wanda = watching(&server, "reef", "Wanda");
    let room = room["room_id"].as_str().expect("an id").to_owned();
    let seen = look(&server, &format!("/admin/api/rooms/{room}"));
    let id = seen["watching"]["shown"][0]["id"].as_str().expect("an id");
    let answer = act(
        &server,
        &format!("/admin/api/rooms/{room}/kick"),
        &format!(r#"{{"id":"{id}"}}"#),
    );
    assert_eq!(answer.status, 204);
    assert_eq!(until(&mut wanda, "SpectatorLeft")["reason"], "removed");
    expect_served(&mut wanda);
}

#[test]
fn a_room_that_is_closed_is_gone_and_its_players_are_closed_with_4005() {
    let server = server(2);
    let (mut mira, room) = joined(&server, "reef", "Mira");
    let (mut otto, _) = joined(&server, "reef", "Otto");
    let mut wanda = watching(&server, "reef", "Wanda");
    let path = format!("/admin/api/rooms/{}", room["room_id"].as_str().expect("an id"));
    assert_eq!(act(&server, &format!("{path}/close"), "").status, 204);
    for wire in [&mut mira, &mut otto] {
        assert_eq!(until(wire, "Error")["error_code"], "ROOM_NOT_FOUND");
        wire.expect_close(4005);
    }
    assert_eq!(until(&mut wanda, "SpectatorLeft")["reason"], "room_closed");
    assert_eq!(get(&server, &path, &bearer()).status, 404);
    assert_eq!(act(&server, &format!("{path}/close"), "").status, 404);
    let records = get(&server, "/metrics/sessions", "").json();
    assert!(records.to_string().contains("\"closed\""), "{records}");
    joined(&server, "reef", "Mira");
}

#[test]
fn a_server_that_drains_takes_nobody_new_in_until_it_does_again() {
    let server = server(1);
    let (mut mira, _) = joined(&server, "reef", "Mira");
    assert_eq!(act(&server, "/admin/api/drain", "").status, 204);
    assert_eq!(act(&server, "/admin/api/drain", "").status, 204, "twice is once");
    assert_eq!(get(&server, "/readyz", "").status, 503);
    assert_eq!(look(&server, "/admin/api/overview")["state"], "draining");
    let mut late = Wire::connect(server.address());
    late.send(UPGRADE.as_bytes());
    assert!(late.head().starts_with("HTTP/1.1 503 "));
    expect_served(&mut mira);
    assert_eq!(act(&server, "/admin/api/undrain", "").status, 204);
    assert_eq!(get(&server, "/readyz", "").status, 200);
    assert_eq!(look(&server, "/admin/api/overview")["state"], "serving");
    joined(&server, "reef", "Otto");
    expect_served(&mut mira);
}

#[test]
fn what_is_seen_is_kept_up_to_date_until_one_may_no_longer_look() {
    let server = server(2);
    let (_mira, room) = joined(&server, "reef", "Mira");
    let id = room["room_id"].as_str().expect("an id");
    let mut wire = Wire::connect(server.address());
    let head = format!(
        "GET /admin/api/live?room={id}&search=reef HTTP/1.1\r\nHost: {}{}",
        host(&server),
        bearer()
    );
    wire.send(format!("{head}\r\n\r\n").as_bytes());
    let head = wire.head();
    assert!(head.contains("text/event-stream"), "{head}");
    let mut seen = String::new();
    let mut expect = |text: &str| {
        while !seen.contains(text) {
            seen.push_str(&String::from_utf8_lossy(&wire.take(1)));
        }
        seen.clear();
    };
    expect("event: overview\ndata: {");
    expect("event: rooms\ndata: {");
    expect("event: room\ndata: {");
    let (_otto, _) = joined(&server, "reef", "Otto");
    expect("\"name\":\"Otto\"");
    assert_eq!(act(&server, &format!("/admin/api/rooms/{id}/close"), "").status, 204);
    expect("event: gone");
}

#[test]
fn so_many_pages_are_kept_up_to_date_and_no_more_and_one_that_is_not_read_harms_nobody() {
    let server = server(1);
    let (mut mira, _) = joined(&server, "reef", "Mira");
    let open = || {
        let mut wire = Wire::connect(server.address());
        wire.send(format!("GET /admin/api/live HTTP/1.1\r\nHost: localhost{}\r\n\r\n", bearer()).as_bytes());
        let is_open = wire.head().starts_with("HTTP/1.1 200 ");
        (wire, is_open)
    };
    // None of them reads on.
    let mut pages: Vec<_> = (0..16).map(|_| open()).collect();
    assert!(pages.iter().all(|(_, is_open)| *is_open));
    assert!(!open().1, "the seventeenth");
    expect_served(&mut mira);
    assert_eq!(get(&server, "/health", "").status, 200);
    pages.pop();
    let deadline = Instant::now() + DEADLINE;
    while !open().1 {
        assert!(Instant::now() < deadline, "the place of one that is gone is free again");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A page that is kept up to date for somebody who shows the token.
fn live_page(server: &Server) -> Wire {
    let mut wire = Wire::connect(server.address());
    let head = format!(
        "GET /admin/api/live?without_rooms=true HTTP/1.1\r\nHost: {}{}",
        host(server),
        bearer()
    );
    wire.send(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes());
    assert!(wire.head().starts_with("HTTP/1.1 200 "));
    wire
}

fn see(page: &mut Wire, events: usize) {
    for _ in 0..events {
        let mut seen = String::new();
        while !seen.contains("event: overview\n") {
            seen.push_str(&String::from_utf8_lossy(&page.take(1)));
        }
    }
}

#[test]
fn what_others_guess_does_not_end_what_is_seen() {
    let server = server(1);
    let mut page = live_page(&server);
    for number in 0..6 {
        sign_in(&server, &format!("guess-{number}"));
    }
    assert_eq!(
        sign_in(&server, TOKEN).status,
        429,
        "nobody there is listened to any more"
    );
    see(&mut page, 3);
}

#[test]
fn a_token_that_was_one_ends_what_is_seen_and_is_no_guess() {
    let server = server(1);
    let pages: Vec<_> = (0..8).map(|_| live_page(&server)).collect();
    let another = "another-token-of-operators";
    let changed = server.reload(|config| config.control.admin_token = Some(Secret::new(another)));
    changed.expect("reloaded");
    for mut page in pages {
        page.rest();
    }
    assert_eq!(
        sign_in(&server, another).status,
        200,
        "of eight pages none has tried anything"
    );
}

#[test]
fn a_player_is_not_closed_twice() {
    let server = server(1);
    let (mut mira, room) = joined(&server, "reef", "Mira");
    let room_path = format!("/admin/api/rooms/{}", room["room_id"].as_str().expect("an id"));
    let body = format!(r#"{{"id":"{}"}}"#, room["player_id"].as_str().expect("an id"));
    assert_eq!(act(&server, &format!("{room_path}/kick"), &body).status, 204);
    assert_eq!(act(&server, &format!("{room_path}/close"), "").status, 204);
    until(&mut mira, "Error");
    let frame = mira.frame();
    assert_eq!((frame.first, frame.close_code()), (CLOSE, Some(4007)));
}
