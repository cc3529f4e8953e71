//! What time does holds up nobody: however many rooms have to be deleted and however many connections have fallen silent, a
//! tick takes only so many, and the next ones go on where it stopped.

use signal_fish_relay::config::Config;
use signal_fish_relay::net::websocket::Inbound;
use signal_fish_relay::protocol::ProtocolVersion;
use signal_fish_relay::room::ConnectionKey;
use signal_fish_relay::shard::{CounterSet, Now, Shard};

use crate::bare_shard::{self, NOW, at_ms};
use crate::harness::{MASK, Opcode, client_frame};

/// The most places for rooms that a tick may look at.
const PLACES_PER_TICK: u64 = 512;
/// The most connections whose deadlines a tick may look at.
const LOOKS_PER_TICK: usize = 128;
/// The most members that a tick may evict, and those of the room in which it reached the bound.
const EVICTIONS_PER_TICK: u64 = 64 + 3;

struct Rig {
    shard: Shard<Inbound>,
    now: Now,
}

impl Rig {
    fn new() -> Self {
        let mut config = Config::default();
        config.rate_limit.max_room_creations = 1_000_000;
        config.rate_limit.max_join_attempts = 1_000_000;
        config.server.max_rooms_per_game = 10_000;
        config.server.enable_reconnection = false;
        config.server.inactive_room_timeout = 40;
        config.server.ping_timeout = 0;
        config.websocket.server_ping_interval_secs = 0;
        Self {
            shard: bare_shard::shard(&bare_shard::world(&config, 1), 0),
            now: NOW,
        }
    }

    fn connect(&mut self) -> ConnectionKey {
        bare_shard::connect(&mut self.shard, Inbound::default(), ProtocolVersion::V2, self.now)
    }

    fn send(&mut self, from: ConnectionKey, message: &str) {
        let frame = client_frame(Opcode::Text, true, message.as_bytes(), MASK);
        let _ = bare_shard::feed(&mut self.shard, from, &frame, self.now);
        drop(bare_shard::take_unsent(&mut self.shard, from, self.now));
    }

    fn creates_a_room(&mut self, by: ConnectionKey) {
        self.send(
            by,
            r#"{"type":"JoinRoom","data":{"game_name":"tide","player_name":"A","max_players":2}}"#,
        );
    }

    fn count(&self, of: fn(&CounterSet) -> u64) -> u64 {
        of(self.shard.counters())
    }

    fn passes(&mut self, ms: u64) {
        self.now = at_ms(self.now.mono_ms + ms);
    }

    /// What one tick adds to a count.
    fn tick_adds(&mut self, of: fn(&CounterSet) -> u64) -> u64 {
        self.passes(10);
        let before = self.count(of);
        self.shard.tick(&(), self.now);
        self.count(of) - before
    }
}

#[test]
fn empty_rooms_are_deleted_a_stretch_at_a_time() {
    const ROOMS: u64 = 3 * PLACES_PER_TICK + 100;
    let mut rig = Rig::new();
    let founder = rig.connect();
    for _ in 0..ROOMS {
        rig.creates_a_room(founder);
        rig.send(founder, r#"{"type":"LeaveRoom"}"#);
    }
    assert_eq!(rig.count(|shown| shown.rooms_created.get()), ROOMS);
    rig.passes(400_000); // empty for longer than they may be
    let deleted: Vec<_> = (0..4)
        .map(|_| rig.tick_adds(|shown| shown.rooms_deleted.get()))
        .collect();
    assert_eq!(
        deleted,
        [PLACES_PER_TICK, PLACES_PER_TICK, PLACES_PER_TICK, 100],
        "each tick its stretch, and none forgotten"
    );
    assert!(rig.shard.next_deadline_ms() > rig.now.mono_ms, "the sweep is over");
}

#[test]
fn the_members_of_rooms_in_which_nothing_happens_are_closed_a_few_at_a_time() {
    const ROOMS: u64 = 200;
    let mut rig = Rig::new();
    for _ in 0..ROOMS {
        let founder = rig.connect();
        rig.creates_a_room(founder);
    }
    assert_eq!(rig.count(|shown| shown.rooms_created.get()), ROOMS);
    rig.passes(62_000);
    let mut ticks = 0;
    while rig.count(|shown| shown.rooms_deleted.get()) < ROOMS {
        let deleted = rig.tick_adds(|shown| shown.rooms_deleted.get());
        assert!(
            deleted <= EVICTIONS_PER_TICK,
            "{deleted} rooms with one member each in one tick"
        );
        ticks += 1;
        assert!(ticks < 100, "the sweep does not end");
    }
}

#[test]
fn silent_connections_are_looked_at_a_few_at_a_time() {
    let mut rig = Rig::new();
    for _ in 0..3 * LOOKS_PER_TICK {
        rig.connect();
    }
    rig.passes(10_000_000); // nobody has shown the least sign of life
    let mut closed = Vec::new();
    for _ in 0..3 {
        rig.passes(10);
        rig.shard.tick(&(), rig.now);
        let mut dirty = Vec::new();
        rig.shard.take_dirty(&mut dirty);
        closed.push(dirty.len());
    }
    assert_eq!(closed, [LOOKS_PER_TICK; 3], "each tick its few, and none forgotten");
}
