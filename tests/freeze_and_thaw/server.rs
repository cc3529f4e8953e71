//! What the server of the scripts allows.

use signal_fish_relay::budget::BudgetLimits;
use signal_fish_relay::protocol::{GameDataFormat, NameRules};
use signal_fish_relay::session::{AppPolicy, HandshakePolicy, SdkTable};
use signal_fish_relay::shard::admission::AdmissionLimits;
use signal_fish_relay::shard::{LivenessRules, MessageLimits, OutboxLimits, ReconnectionRules, RoomRules, Settings};

/// An open server with room for everything.
pub fn settings() -> Settings {
    Settings {
        handshake: HandshakePolicy {
            apps: AppPolicy::Open,
            formats: vec![GameDataFormat::Json, GameDataFormat::MessagePack],
            name_rules: NameRules::default(),
            sdk: SdkTable::default(),
            timeout_ms: 2_000,
        },
        budgets: BudgetLimits {
            window_ms: 60_000,
            room_creations: 100,
            joins: 100,
            relay_bytes: 100_000,
            room_relay_bytes: 100_000,
            error_replies: 100,
        },
        rooms: RoomRules {
            code_length: 6,
            code_prefix: None,
            max_game_name_bytes: 64,
            max_players: 8,
            default_players: 4,
            default_spectators: None,
            empty_timeout_ms: 1_000,
            inactive_timeout_ms: 60_000,
            sweep_interval_ms: 300,
            relay_type: "relay".into(),
            relay_types_by_game: std::collections::BTreeMap::new(),
        },
        messages: MessageLimits {
            max_inbound_bytes: 2048,
            max_outbound_bytes: 8192,
            max_fragments: 16,
            max_connection_info_bytes: 512,
            max_game_data_bytes: Vec::new(),
        },
        outbox: OutboxLimits {
            max_bytes: 65_536,
            max_age_ms: 1_500,
            stall_timeout_ms: 700,
        },
        reconnection: ReconnectionRules {
            is_enabled: true,
            window_ms: 500,
            event_limit: 10,
        },
        liveness: LivenessRules {
            idle_timeout_ms: None,
            activity_timeout_ms: None,
            ping_interval_ms: None,
            pong_timeout_ms: 500,
        },
        close_timeout_ms: 500,
    }
}

pub fn limits() -> AdmissionLimits {
    AdmissionLimits {
        connections: 100,
        connections_per_address: 3,
        exempt_loopback: false,
        rooms: 100,
        rooms_per_game: 100,
    }
}
