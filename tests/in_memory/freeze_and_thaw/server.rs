//! What the server of the scripts allows.

use signal_fish_relay::config::Config;
use signal_fish_relay::server::shard_settings;
use signal_fish_relay::session::AppPolicy;
use signal_fish_relay::shard::admission::AdmissionLimits;
use signal_fish_relay::shard::{Settings, SourceRule};

/// An open server with room for everything, and short times.
pub fn settings() -> Settings {
    let mut settings = shard_settings(&Config::default()).expect("a valid configuration");
    settings.access.apps = AppPolicy::Open;
    settings.handshake.timeout_ms = 2_000;
    settings.budgets.room_creations = 100;
    settings.budgets.joins = 100;
    settings.budgets.relay_bytes = 100_000;
    settings.budgets.room_relay_bytes = 100_000;
    settings.budgets.error_replies = 100;
    settings.rooms.max_players = 8;
    settings.rooms.default_players = 4;
    settings.rooms.empty_timeout_ms = 1_000;
    settings.rooms.inactive_timeout_ms = 60_000;
    settings.rooms.sweep_interval_ms = 300;
    settings.messages.max_inbound_bytes = 2048;
    settings.messages.max_outbound_bytes = 8192;
    settings.messages.max_fragments = 16;
    settings.messages.max_connection_info_bytes = 512;
    settings.outbox.max_bytes = 65_536;
    settings.outbox.max_age_ms = 1_500;
    settings.outbox.stall_timeout_ms = 700;
    settings.reconnection.window_ms = 500;
    settings.reconnection.event_limit = 10;
    settings.liveness.idle_timeout_ms = None;
    settings.liveness.activity_timeout_ms = None;
    settings.liveness.ping_interval_ms = None;
    settings.liveness.pong_timeout_ms = 500;
    settings.close_timeout_ms = 500;
    settings
}

pub fn limits() -> AdmissionLimits {
    AdmissionLimits {
        connections: 100,
        connections_per_address: 3,
        sources: SourceRule {
            ipv6_prefix_bits: 64,
            exempt_loopback: false,
        },
        failed_joins: None,
        failed_joins_window_ms: 60_000,
        rooms: 100,
        rooms_per_game: 100,
    }
}
