//! What a closed connection held is free in the next turn: its session, its queue, the start of a message that never
//! came to its end, its room. Counted by the allocator, on a shard without sockets.

use signal_fish_relay::config::Config;
use signal_fish_relay::net::websocket::Inbound;
use signal_fish_relay::protocol::ProtocolVersion;
use signal_fish_relay::room::ConnectionKey;
use signal_fish_relay::shard::{Flow, Now, Shard};

use crate::bare_shard::{self, NOW, at_ms};
use crate::harness::{MASK, Opcode, client_frame, live_bytes};

const PAIRS: usize = 300;

/// What is kept of a room that is over, for those who look at sessions; of 1,024 rooms at most.
const RECORD_BYTES: isize = 256;

struct Rig {
    shard: Shard<Inbound>,
    now: Now,
}

impl Rig {
    fn new() -> Self {
        let mut config = Config::default();
        config.server.enable_reconnection = false;
        config.server.empty_room_timeout = 0;
        config.server.room_cleanup_interval = 1;
        let mut rig = Self {
            shard: bare_shard::shard(&bare_shard::world(&config, 1), 0),
            now: NOW,
        };
        rig.play();
        rig
    }

    fn connect(&mut self) -> ConnectionKey {
        bare_shard::connect(&mut self.shard, Inbound::default(), ProtocolVersion::V2, self.now)
    }

    fn send(&mut self, from: ConnectionKey, frame: &[u8]) {
        let flow = bare_shard::feed(&mut self.shard, from, frame, self.now);
        assert_eq!(flow, Flow::Continue);
    }

    fn join(&mut self, name: &str, code: usize) -> ConnectionKey {
        let at = self.connect();
        let join = format!(
            r#"{{"type":"JoinRoom","data":{{"game_name":"tide","player_name":"{name}","room_code":"{code:06}"}}}}"#
        );
        self.send(at, &text(&join));
        at
    }

    /// Pairs of players fill rooms, each other's queues and their own beginnings, and are gone a turn later.
    fn play(&mut self) -> isize {
        let large = format!(r#"{{"type":"GameData","data":{{"data":"{}"}}}}"#, "x".repeat(60_000));
        let mut players = Vec::new();
        for code in 0..PAIRS {
            let (mira, otto) = (self.join("Mira", code), self.join("Otto", code));
            self.send(mira, &text(&large));
            self.send(otto, &text(&large)[..50_000]);
            players.extend([mira, otto]);
        }
        assert_eq!((self.shard.connections(), self.shard.rooms()), (2 * PAIRS, PAIRS));
        let held = live_bytes();
        for at in players {
            drop(self.shard.remove(at, self.now));
        }
        self.shard.take_dirty(&mut Vec::new());
        self.now = at_ms(self.now.mono_ms + 1_000);
        self.shard.tick(&(), self.now);
        assert_eq!((self.shard.connections(), self.shard.rooms()), (0, 0));
        held
    }
}

fn text(message: &str) -> Vec<u8> {
    client_frame(Opcode::Text, true, message.as_bytes(), MASK)
}

#[test]
fn what_closed_connections_held_is_free_in_the_next_turn() {
    // The first play, inside, lets tables and pools grow to their size.
    let mut rig = Rig::new();
    let before = live_bytes();
    let held = rig.play() - before;
    let kept = live_bytes() - before;
    assert!(
        held > 25_000_000,
        "the players held {held} bytes, so there was something to give back"
    );
    let most = 65_536 + PAIRS as isize * RECORD_BYTES;
    assert!(kept < most, "{kept} of {held} bytes were not given back");
}
