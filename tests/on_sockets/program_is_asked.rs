//! A program that a server is a part of says itself who may play.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use signal_fish_relay::config::Config;
use signal_fish_relay::control::{AccessAnswer, AccessCheck, CheckFault, CheckFuture};
use signal_fish_relay::server::{Server, ServerHandle};
use signal_fish_relay::session::{AccessQuestion, Grant, Verdict, Wish};

use crate::support::player::Player;

#[path = "../../examples/access_check.rs"]
#[allow(dead_code, reason = "an example has a main of its own")]
mod example;

fn hello(server: &ServerHandle, token: &str) -> (Player, Value) {
    let mut player = Player::connect_to(server.addresses().players);
    let answer = player.shows(token);
    (player, answer)
}

#[test]
fn the_example_says_who_may_play() {
    let server = example::start(0).expect("it starts");
    let (_, told) = hello(&server, "forged");
    assert_eq!(
        told["data"],
        json!({"error": "buy a ticket", "error_code": "UNAUTHORIZED"})
    );
    let (mut mira, told) = hello(&server, "ticket-7");
    assert_eq!(told["type"], "Authenticated");
    mira.expect("ProtocolInfo");
    let wants = |mira: &mut Player, players: u8| {
        mira.send(&json!({"type": "JoinRoom", "data":
            {"game_name": "tide-pool", "player_name": "Nobody", "max_players": players}}));
    };
    wants(&mut mira, 5);
    assert_eq!(mira.expect("RoomJoinFailed")["error_code"], "INVALID_MAX_PLAYERS");
    wants(&mut mira, 4);
    assert_eq!(mira.expect("RoomJoined")["current_players"][0]["name"], "Mira");
}

/// Does as the token says.
#[derive(Debug)]
struct Moody;

impl AccessCheck for Moody {
    fn check<'a>(&'a self, question: &'a AccessQuestion) -> CheckFuture<'a> {
        Box::pin(async move {
            let Wish::Handshake { connect_token, .. } = &question.wish else {
                panic!("nothing else was to be asked")
            };
            let verdict = match connect_token.as_ref().map(|token| token.expose()) {
                Some("sleeps") => std::future::pending().await,
                Some("panics") => panic!("as it was told to"),
                Some("fails") => return Err(CheckFault::Unreachable("the database is gone".to_owned())),
                Some("lies") => Verdict::Allowed(Grant {
                    display_name: Some("".into()),
                    ..Grant::default()
                }),
                _ => Verdict::Allowed(Grant::default()),
            };
            Ok(AccessAnswer {
                verdict,
                valid_for: Duration::ZERO,
            })
        })
    }
}

#[test]
fn whatever_the_program_does_the_server_answers() {
    let mut config = Config {
        port: 0,
        ..Config::default()
    };
    // Writing down where one has panicked takes its time, too.
    config.access_check.timeout_ms = 2_000;
    let server = Server::builder().config(config).access_check(Arc::new(Moody));
    let server = server.start().expect("it starts");
    for mood in ["sleeps", "panics", "fails", "lies"] {
        let (_, told) = hello(&server, mood);
        assert_eq!(told["data"]["error_code"], "SERVICE_UNAVAILABLE", "{mood}");
        assert_eq!(
            hello(&server, "well").1["type"],
            "Authenticated",
            "after one that {mood}"
        );
    }
}
