//! Section `runtime`: shards, inboxes and outboxes of this server. No key of it is part of the protocol.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Shards, inboxes and outboxes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct RuntimeConfig {
    /// Number of shards. Default 0: one per CPU that the process may use; at most 1024.
    pub shards: usize,
    /// Milliseconds between two looks at the deadlines. Default 10; 1 … 100.
    pub tick_ms: u64,
    /// The most, in microseconds, that a shard lets messages gather before it serves and sends them together, where that
    /// saves a quarter of its CPU. Default 1000; 0 … 10000; 0 = never.
    pub turn_window_us: u64,
    /// The same for a shard that is busy for more than half of the time, where it saves anything; at most `turn_window_us`.
    /// Default 250; 0 … 10000; 0 = never.
    pub busy_turn_window_us: u64,
    /// Microseconds that a shard may hold its CPU at a stretch while another thread wants it; the shorter, the sooner it
    /// gets it back after a sleep. Default 500; 0, or 100 … 100000; 0 = as the system does it.
    pub cpu_slice_us: u64,
    /// Connections, questions and bulletins that may be on their way to one shard. Default 4096; 16 … 1048576.
    pub inbox_capacity: usize,
    /// Further places in a shard's inbox, kept for control messages. Default 1024; 16 … 1048576.
    pub inbox_reserve: usize,
    /// Players and spectators that a room has on its own shard before further spectators are served by the shards that
    /// accepted them. Default 256; 0 … 1048576; 0 = never.
    pub outpost_members: usize,
    /// Connections that the kernel holds per listener until they are accepted. Default 1024; at least 1.
    pub listen_backlog: u32,
    /// Milliseconds all shards have to come up. Default 5000; 100 … 600000.
    pub start_timeout_ms: u64,
    /// The most milliseconds over which a stop spreads its closes, so that players do not all look for another server in
    /// one instant; a server with few players takes a millisecond for each of them. Default 5000; 0 … 600000; 0 = at once.
    pub drain_spread_ms: u64,
    /// Milliseconds a stop may spend on sending what is queued. Default 5000; 0 … 600000.
    pub flush_timeout_ms: u64,
    /// The most bytes one connection's outbox may hold. Default null: `websocket.send_queue_capacity` × 4096; at least
    /// `security.max_message_size` + 256.
    pub outbox_max_bytes: Option<usize>,
    /// Fragments of one WebSocket message. Default 1024; at least 1.
    pub max_fragments: usize,
}

impl RuntimeConfig {
    /// Bytes of outbox that one place of `websocket.send_queue_capacity` stands for.
    pub const OUTBOX_BYTES_PER_SLOT: usize = 4096;

    /// The longest that messages may gather in a turn: beyond that, ticks would come late.
    pub const LONGEST_TURN_WINDOW: Duration = Duration::from_millis(10);
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            shards: 0,
            tick_ms: 10,
            turn_window_us: 1000,
            busy_turn_window_us: 250,
            cpu_slice_us: 500,
            inbox_capacity: 4096,
            inbox_reserve: 1024,
            outpost_members: 256,
            listen_backlog: 1024,
            start_timeout_ms: 5000,
            drain_spread_ms: 5000,
            flush_timeout_ms: 5000,
            outbox_max_bytes: None,
            max_fragments: 1024,
        }
    }
}
