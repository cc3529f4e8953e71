//! Section `rate_limit`: fixed windows per player, room, connection and address.

use serde::{Deserialize, Serialize};

/// Budgets per window of `time_window` seconds; per player unless the key says otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct RateLimitConfig {
    /// Length of every window here, in seconds. Default 60; at least 1.
    pub time_window: u64,
    /// Rooms created. Default 5; at least 1.
    pub max_room_creations: u32,
    /// Creations, joins and spectator joins together. Default 20; at least 1.
    pub max_join_attempts: u32,
    /// Joins by code from one address (IPv6: from one /64) that may lead to no room, make one under the code, or have a
    /// wrong password; beyond them joins by code from there are refused. Default 120; 0 = no limit.
    pub max_failed_joins_per_address: u32,
    /// `Signal` and `TransportStatus` messages together. Default 600; at least 1.
    pub max_signals: u32,
    /// Detailed refusals of signals before the generic one. Default 60.
    pub max_signal_errors: u32,
    /// Polite refusals and `Pong`s per connection; the next one closes it (4006). Default 3000; at least 1.
    pub max_inbound_error_replies: u32,
    /// Game-data payload bytes per sender. Default 268435456 (256 MiB); at least 1.
    pub max_relay_bytes: u64,
    /// Game-data payload bytes per room. Default 1073741824 (1 GiB); at least 1.
    pub max_room_relay_bytes: u64,
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self {
            time_window: 60,
            max_room_creations: 5,
            max_join_attempts: 20,
            max_failed_joins_per_address: 120,
            max_signals: 600,
            max_signal_errors: 60,
            max_inbound_error_replies: 3000,
            max_relay_bytes: 256 << 20,
            max_room_relay_bytes: 1 << 30,
        }
    }
}
