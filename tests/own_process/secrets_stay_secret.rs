//! What a server writes while secrets come to it, rightly and wrongly: no line of its log at the finest level and no page of
//! its holds one.

use std::fs;

use serde_json::{Value, json};

use crate::support::process::Program;
use crate::support::wire::{TEXT, Wire};

const MARK: &str = "M4rk3dS3cr3t";

fn say(wire: &mut Wire, message: &str) -> Value {
    wire.send_frame(TEXT, message.as_bytes());
    serde_json::from_str(wire.frame().text()).expect("JSON")
}

fn marked(what: &str) -> String {
    format!("{MARK}-{what}")
}

#[test]
fn no_line_and_no_page_holds_a_secret_that_came_to_the_server() {
    let token = marked("metrics-token");
    let config = json!({
        "logging": {"level": "trace", "enable_file_logging": true, "rotation": "never"},
        "security": {"metrics_auth_token": token},
        "turn": {"enabled": true, "urls": ["turn:turn.example"], "static_auth_secret": marked("turn")},
        "session": {"ice_servers": [{"urls": ["turn:turn.example"], "username": "u", "credential": marked("ice")}]},
    });
    let server = Program::new(&["--port", "0", "--shards", "2"])
        .variable("SIGNAL_FISH_CONFIG_JSON", &config.to_string())
        .serve();

    let mut player = Wire::connect(server.address()).upgrade("/v3/ws");
    let password = marked("password");
    for wrong in [
        format!("{{\"type\":\"JoinRoom\",\"data\":{{\"password\":\"{password}\""),
        json!({"type": "JoinRoom", "data": {"game_name": "tide", "player_name": "Mira", "password": [password]}})
            .to_string(),
        json!({"type": "Authenticate", "data": {"app_id": "reef", "connect_token": [marked("token")]}}).to_string(),
        json!({"type": "Reconnect", "data": {"player_id": "p", "room_id": "r", "auth_token": marked("seat")}})
            .to_string(),
        password.clone(),
    ] {
        let answer = say(&mut player, &wrong);
        assert!(!answer.to_string().contains(MARK), "{wrong}: {answer}");
    }
    let join = json!({"type": "JoinRoom", "data": {
        "game_name": "tide", "player_name": "Mira", "room_code": "REEF42", "password": password,
    }});
    player.send_frame(TEXT, join.to_string().as_bytes());
    let seat = loop {
        let message: Value = serde_json::from_str(player.frame().text()).expect("JSON");
        if message["type"] == "RoomJoined" {
            break message;
        }
    };
    let mut guessing = Wire::connect(server.address()).upgrade("/v3/ws");
    let guess = join
        .to_string()
        .replace(&password, &marked("guess"))
        .replace("Mira", "Nat");
    guessing.send_frame(TEXT, guess.as_bytes());
    guessing.frame();

    let mut pages = String::new();
    for (path, shown) in [
        ("/metrics/prom", token.as_str()),
        ("/metrics?includeSnapshot=true", &token),
        ("/metrics/sessions", &token),
        ("/metrics", &marked("wrong-token")),
        (&format!("/metrics?token={MARK}"), ""),
        ("/v3/client-config", ""),
    ] {
        let mut wire = Wire::connect(server.address());
        let fields = format!("Host: localhost\r\nAuthorization: Bearer {shown}\r\nConnection: close");
        wire.send(format!("GET {path} HTTP/1.1\r\n{fields}\r\n\r\n").as_bytes());
        pages.push_str(&String::from_utf8_lossy(&wire.rest()));
    }
    assert!(
        pages.contains("signal_fish_connections_total") && !pages.contains(MARK),
        "{pages}"
    );

    let log_file = server.directory().join("logs/server.log");
    server.signal(libc::SIGTERM);
    server.wait_for_log("stopping");
    let log = fs::read_to_string(log_file).expect("a log");
    assert!(
        log.contains("INVALID_PASSWORD") || log.contains("PASSWORD_REQUIRED"),
        "{log}"
    );
    assert!(!log.contains(MARK), "{log}");
    let seat_token = seat["data"]["reconnection_token"].as_str().expect("a seat has one");
    assert!(!log.contains(seat_token), "{log}");
}
