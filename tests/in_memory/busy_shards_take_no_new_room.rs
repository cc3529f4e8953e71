//! A shard that is busier than the operator wants takes no new room, and goes on with those that it has.

use serde_json::Value;
use signal_fish_relay::config::Config;
use signal_fish_relay::net::websocket::Inbound;
use signal_fish_relay::protocol::ProtocolVersion;
use signal_fish_relay::shard::{Now, Shard};

use crate::bare_shard::{self, at_ms};
use crate::harness::{Opcode, client_frame};

struct Rig {
    shard: Shard<Inbound>,
    now_ms: u64,
}

impl Rig {
    fn with(refuse_above: u8) -> Self {
        let mut config = Config::default();
        config.server.refuse_rooms_above_busy = refuse_above;
        Self {
            shard: bare_shard::shard(&bare_shard::world(&config, 1), 0),
            now_ms: 1_000,
        }
    }

    const fn now(&self) -> Now {
        at_ms(self.now_ms)
    }

    /// Five seconds of turns of 10 ms, each of which takes so many milliseconds.
    fn works(&mut self, took_ms: u64) {
        for _ in 0..500 {
            self.shard.begin_turn();
            self.now_ms += 10;
            self.shard.end_turn(took_ms * 1_000, 0, self.now());
        }
    }

    /// What somebody who comes for a room of that code is told.
    fn join(&mut self, code: &str) -> String {
        let now = self.now();
        let player = bare_shard::connect(&mut self.shard, Inbound::default(), ProtocolVersion::V2, now);
        let message = format!(
            r#"{{"type":"JoinRoom","data":{{"game_name":"reef","player_name":"p{}","room_code":"{code}"}}}}"#,
            self.now_ms
        );
        self.now_ms += 1;
        let _ = bare_shard::feed(
            &mut self.shard,
            player,
            &client_frame(Opcode::Text, true, message.as_bytes(), [1, 2, 3, 4]),
            now,
        );
        let told = bare_shard::take_unsent(&mut self.shard, player, now);
        let start = told.windows(2).position(|pair| pair == b"{\"").expect("an answer");
        let mut messages = serde_json::Deserializer::from_slice(&told[start..]).into_iter::<Value>();
        let first = messages.next().expect("an answer").expect("JSON");
        let code = first["data"]["error_code"].as_str();
        code.unwrap_or_else(|| first["type"].as_str().expect("a type"))
            .to_owned()
    }
}

#[test]
fn a_busy_shard_refuses_new_rooms_and_admits_to_those_it_has() {
    let mut rig = Rig::with(80);
    assert_eq!(rig.join("AAAA22"), "RoomJoined");
    rig.works(9);
    assert_eq!(rig.join("BBBB22"), "SERVICE_UNAVAILABLE");
    assert_eq!(rig.join("AAAA22"), "RoomJoined", "players find their room");
    rig.works(7);
    assert_eq!(rig.join("BBBB22"), "RoomJoined", "it is less busy now");
}

#[test]
fn unless_it_was_asked_for_no_shard_is_too_busy() {
    let mut rig = Rig::with(0);
    rig.works(10);
    assert_eq!(rig.join("AAAA22"), "RoomJoined");
    assert!(rig.shard.counters().busy_permille.get() > 980);
}
