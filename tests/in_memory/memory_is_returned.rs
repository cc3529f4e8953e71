//! What a closed connection held is free in the next turn: its session, its queue, the start of a message that never
//! came to its end, its room. Counted by the allocator, on a shard without sockets.

use std::net::{IpAddr, Ipv4Addr};

use signal_fish_relay::config::Config;
use signal_fish_relay::net::conversation::{self, inbound_limits};
use signal_fish_relay::net::websocket::Inbound;
use signal_fish_relay::protocol::{ProtocolVersion, WallTime};
use signal_fish_relay::room::MemberRef;
use signal_fish_relay::server::{admission_limits, shard_settings};
use signal_fish_relay::session::Arrival;
use signal_fish_relay::shard::{Flow, Now, Shard, ShardId, SlotKey, World};

use crate::harness::live_bytes;

const PAIRS: usize = 300;

struct Rig {
    shard: Shard<Inbound>,
    now_ms: u64,
}

impl Rig {
    fn new() -> Self {
        let mut config = Config::default();
        config.server.enable_reconnection = false;
        config.server.empty_room_timeout = 0;
        config.server.room_cleanup_interval = 1;
        let world = World::new(
            shard_settings(&config).expect("a valid configuration"),
            admission_limits(&config),
            1,
            SlotKey::new([7; 16]),
        );
        let mut rig = Self {
            shard: Shard::new(ShardId(0), world, [1; 32], moment(0)),
            now_ms: 0,
        };
        rig.play();
        rig
    }

    fn now(&self) -> Now {
        moment(self.now_ms)
    }

    fn connect(&mut self) -> MemberRef {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let permit = self
            .shard
            .world()
            .ledger
            .admit_connection(address)
            .expect("below the limits");
        let now = self.now();
        let arrival = Arrival {
            address,
            endpoint: ProtocolVersion::V2,
            binding: None,
        };
        self.shard.admit(Inbound::default(), arrival, Some(permit), now)
    }

    fn send(&mut self, from: MemberRef, frame: &[u8]) {
        let limits = inbound_limits(&self.shard.world().settings);
        let now = self.now();
        let flow = conversation::feed(&mut self.shard, from, &mut frame.to_vec(), limits, now);
        assert_eq!(flow, Flow::Continue);
    }

    fn join(&mut self, name: &str, code: usize) -> MemberRef {
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
        let now = self.now();
        for at in players {
            drop(self.shard.remove(at, now));
        }
        self.shard.take_dirty(&mut Vec::new());
        self.now_ms += 1_000;
        let now = self.now();
        self.shard.tick(&(), now);
        assert_eq!((self.shard.connections(), self.shard.rooms()), (0, 0));
        held
    }
}

const fn moment(now_ms: u64) -> Now {
    Now {
        mono_ms: now_ms,
        wall: WallTime { unix_nanos: 0 },
    }
}

/// A masked text frame; the mask is zero, which is a legal one.
fn text(payload: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(payload.len()) {
        Ok(bytes @ ..126) => frame.push(0x80 | bytes),
        _ => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(payload.len()).expect("a short message").to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload.as_bytes());
    frame
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
    assert!(kept < 65_536, "{kept} of {held} bytes were not given back");
}
