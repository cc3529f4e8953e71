//! A server that stops lets everybody go over a span of time: a room at a time, nobody after the span, and nobody is told
//! twice that it is coming.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use signal_fish_relay::protocol::ProtocolVersion;

use crate::harness::{Client, Frame, Game, Seat, Setup, in_every_schedule};

const SPAN_MS: u64 = 5_000;
const STEP_MS: u64 = 50;

fn enter_v3(game: &Game, name: &str, shard: Option<u16>) -> Client {
    let client = game.connect_by(name, shard, ProtocolVersion::V3);
    client.authenticate("reef-racer");
    client
}

fn join(seat: &Seat, name: &str) -> Value {
    let data = json!({"game_name": "tide-pool", "player_name": name, "room_code": seat.room_code});
    json!({"type": "JoinRoom", "data": data})
}

fn tags(frames: &[Frame]) -> Vec<String> {
    let tag = |frame: &Frame| match frame {
        Frame::Text(message) => message["type"].as_str().expect("a tag").to_owned(),
        Frame::Close(code, _) => format!("close {}", code.unwrap_or_default()),
        other => panic!("not expected: {other:?}"),
    };
    frames.iter().map(tag).collect()
}

#[test]
fn members_of_a_room_go_together_and_rooms_do_not() {
    in_every_schedule(Setup::default, |game| {
        let rooms: Vec<[Client; 2]> = (0..20)
            .map(|number| {
                let one = game.enter(&format!("one{number}"));
                let seat = one.create_room("tide-pool", "One");
                let other = enter_v3(game, &format!("other{number}"), None);
                other.sends(join(&seat, "Other"));
                assert_eq!(tags(&other.takes_all()), ["RoomJoined"]);
                one.takes_all();
                [one, other]
            })
            .collect();
        let alone: Vec<Client> = (0..20).map(|number| game.enter(&format!("alone{number}"))).collect();
        game.machine().drain(1_000);
        game.advance_ms(1_000);
        for [one, other] in &rooms {
            assert_eq!(tags(&other.takes_all()), ["GoingAway"]);
            one.expects_nothing();
        }
        game.machine().dismiss_within(SPAN_MS);

        let mut moments = BTreeSet::new();
        let mut gone = 0;
        for moment in 0..=SPAN_MS / STEP_MS {
            for [one, other] in &rooms {
                let (one, other) = (tags(&one.takes_all()), tags(&other.takes_all()));
                assert_eq!(one, other, "room mates go at one moment and are told nothing else");
                if !one.is_empty() {
                    assert_eq!(one, ["close 4000"]);
                    moments.insert(moment);
                    gone += 2;
                }
            }
            for client in &alone {
                let told = tags(&client.takes_all());
                if !told.is_empty() {
                    assert_eq!(told, ["close 4000"]);
                    moments.insert(moment);
                    gone += 1;
                }
            }
            game.advance_ms(STEP_MS);
        }
        assert_eq!(
            (gone, game.machine().connections()),
            (60, 0),
            "nobody is left when the span is over"
        );
        // Forty draws among a hundred moments: fewer than fifteen distinct ones have no chance worth naming.
        assert!(moments.len() >= 15, "the closes are spread: {moments:?}");
    });
}

#[test]
fn who_moves_while_everybody_is_let_go_is_told_once_and_goes_in_time() {
    for seed in 0..20 {
        let game = Game::new(Setup {
            seed,
            shards: 3,
            ..Setup::default()
        });
        let host = game.enter("host");
        let seat = host.create_room("tide-pool", "Host");
        let home = game.machine().shard_of(host.id).expect("the host is at home");
        let guests = [1, 2].map(|away| enter_v3(&game, &format!("guest{away}"), Some((home + away) % 3)));
        // One is between two shards when the stop is announced, the other moves when the closing has begun.
        game.machine().holds_transfers = true;
        guests[0].sends(join(&seat, "Guest"));
        game.settle();
        assert_eq!(game.machine().in_flight(), 1);
        game.machine().drain(1_000);
        game.settle();
        game.machine().holds_transfers = false;
        game.settle();
        assert_eq!(tags(&guests[0].takes_all()), ["GoingAway", "RoomJoined"]);
        game.machine().dismiss_within(SPAN_MS);
        guests[1].sends(join(&seat, "Late"));
        game.settle();
        let told = tags(&guests[1].takes_all());
        assert_eq!(told[..2], ["GoingAway", "RoomJoined"], "{told:?}");
        game.advance_ms(SPAN_MS);
        for client in [&host, &guests[0], &guests[1]] {
            let told = tags(&client.takes_all());
            assert_eq!(told.last().map(String::as_str), Some("close 4000"), "{told:?}");
            assert!(
                told.iter().all(|tag| tag == "PlayerJoined" || tag == "close 4000"),
                "{told:?}"
            );
        }
        assert_eq!(game.machine().connections(), 0);
    }
}
