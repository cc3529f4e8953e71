//! Section `server`: rooms, their lives and the drain.

use serde::{Deserialize, Serialize};

/// Rooms, their lives and the drain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct ServerConfig {
    /// Capacity, in players, of a room created without one. Default 8; 1 … `protocol.max_players_limit`.
    pub default_max_players: u8,
    /// Seconds without any recorded activity after which a client is disconnected (4003). Default 30; 0 = off.
    pub ping_timeout: u64,
    /// Seconds between two maintenance sweeps. Default 60; at least 1.
    pub room_cleanup_interval: u64,
    /// Seconds between the shutdown notice and the closes. Default 30.
    pub drain_grace_secs: u64,
    /// Live rooms per game name in the whole process, all apps together. Default 1000; at least 1.
    pub max_rooms_per_game: usize,
    /// Live rooms in the whole process. Default 10000; at least 1.
    pub max_rooms: usize,
    /// Per cent of its time that a shard may spend in turns before it refuses new rooms (`SERVICE_UNAVAILABLE`); those that
    /// it has go on taking players. Default 0 (never refused); 0 … 100.
    pub refuse_rooms_above_busy: u8,
    /// Seconds after which a room without players is deleted. Default 300.
    pub empty_room_timeout: u64,
    /// Seconds without activity after which a room with players is deleted and its members closed (4005).
    /// Default 3600; at least 1.
    pub inactive_room_timeout: u64,
    /// Seconds a reconnection token lives after the disconnect. Default 300; at least 1.
    pub reconnection_window: u64,
    /// Events kept per room for replay after a reconnection, and at most 64 KiB. Default 100; 0 (no replay) … 65536.
    pub event_buffer_size: usize,
    /// Whether disconnected players may come back. Default true.
    pub enable_reconnection: bool,
    /// Label stored with rooms, shown in session records and look-ups, never on the wire. Default `default`.
    pub region_id: String,
    /// What every generated room code starts with: ASCII letters and digits, shorter than the code. Default null.
    pub room_code_prefix: Option<String>,
    /// Spectators per room. Default null (twice the players); 0 = no limit.
    pub default_max_spectators: Option<u8>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            default_max_players: 8,
            ping_timeout: 30,
            room_cleanup_interval: 60,
            drain_grace_secs: 30,
            max_rooms_per_game: 1000,
            max_rooms: 10_000,
            refuse_rooms_above_busy: 0,
            empty_room_timeout: 300,
            inactive_room_timeout: 3600,
            reconnection_window: 300,
            event_buffer_size: 100,
            enable_reconnection: true,
            region_id: "default".to_owned(),
            room_code_prefix: None,
            default_max_spectators: None,
        }
    }
}
