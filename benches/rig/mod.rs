//! Shards without sockets, for the benches of single steps.

#![allow(dead_code, reason = "each bench uses its own part")]

#[path = "../../tests/fixtures/bare_shard.rs"]
mod bare_shard;

use std::net::Ipv4Addr;
use std::sync::Arc;

use signal_fish_relay::config::Config;
use signal_fish_relay::protocol::ProtocolVersion;
use signal_fish_relay::room::ConnectionKey;
use signal_fish_relay::session::{Arrival, ClientAddress};
use signal_fish_relay::shard::{Flow, SendOutcome, Shard, World};

pub use self::bare_shard::NOW;

/// A world of so many shards in which nothing runs out.
pub fn world(shards: u16) -> Arc<World> {
    let mut config = Config::default();
    config.server.max_rooms_per_game = 1 << 20;
    config.rate_limit.max_join_attempts = u32::MAX;
    config.rate_limit.max_room_creations = u32::MAX;
    config.rate_limit.max_relay_bytes = 1 << 53;
    config.rate_limit.max_room_relay_bytes = 1 << 53;
    bare_shard::world(&config, shards)
}

pub fn shard(world: &Arc<World>, number: u16) -> Shard<()> {
    bare_shard::shard(world, number)
}

/// A connection on the path of a version, not yet in a room.
pub fn connect(shard: &mut Shard<()>, endpoint: ProtocolVersion) -> ConnectionKey {
    let arrival = Arrival {
        request_id: uuid::Uuid::nil(),
        address: ClientAddress::own(Ipv4Addr::LOCALHOST.into()),
        endpoint,
        binding: None,
        certificate: None,
    };
    shard.admit((), arrival, None, NOW)
}

pub fn join_request(player: usize, code: &str) -> String {
    format!(
        r#"{{"type":"JoinRoom","data":{{"game_name":"bench","player_name":"Player{player}","room_code":"{code}","max_players":100}}}}"#
    )
}

/// A room of so many, each on its version; everything that they were told is sent.
pub fn room_of(shard: &mut Shard<()>, members: usize, endpoint: ProtocolVersion) -> Vec<ConnectionKey> {
    let seats = (0..members)
        .map(|number| {
            let at = connect(shard, endpoint);
            assert_eq!(
                shard.on_text(at, &join_request(number, "BENCH2"), NOW),
                Flow::Continue,
                "one shard, no hop"
            );
            at
        })
        .collect();
    flush(shard);
    seats
}

/// Sends what is queued, to sockets that take everything. Returns how many bytes that were.
pub fn flush(shard: &mut Shard<()>) -> usize {
    let mut dirty = Vec::new();
    let mut sent = 0;
    shard.take_dirty(&mut dirty);
    for at in dirty {
        if let Some((_, bytes)) = shard.unsent(at, NOW) {
            let count = bytes.len();
            sent += count;
            shard.sent(at, SendOutcome::Sent(count), NOW);
        }
    }
    sent
}
