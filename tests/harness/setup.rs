//! What a run is made of.

use std::collections::BTreeMap;

use signal_fish_relay::budget::BudgetLimits;
use signal_fish_relay::protocol::{GameDataFormat, NameRules};
use signal_fish_relay::session::{AppPolicy, HandshakePolicy, SdkTable};
use signal_fish_relay::shard::admission::AdmissionLimits;
use signal_fish_relay::shard::{
    InboxLimits, LivenessRules, MessageLimits, OutboxLimits, ReconnectionRules, RoomRules, Settings,
};

/// What a run is made of. Every field may be changed before the run.
#[derive(Debug, Clone)]
pub struct Setup {
    pub seed: u64,
    pub shards: u16,
    pub settings: Settings,
    pub limits: AdmissionLimits,
    pub inbox: InboxLimits,
    /// Buffer of each pipe towards its client.
    pub pipe_bytes: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            seed: 1,
            shards: 2,
            settings: settings(),
            limits: AdmissionLimits {
                connections: 1_000,
                connections_per_address: 1_000,
                exempt_loopback: true,
                rooms: 1_000,
                rooms_per_game: 1_000,
            },
            inbox: InboxLimits { bulk: 64, reserve: 8 },
            pipe_bytes: 64 * 1024,
        }
    }
}

impl Setup {
    /// The same with changed settings.
    pub fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }
}

/// The published defaults, with an open door.
pub fn settings() -> Settings {
    let versions = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(platform, version)| ((*platform).to_owned(), (*version).to_owned()))
            .collect()
    };
    let capabilities = ["reconnection", "spectator-mode", "rate-limits-v2"]
        .map(str::to_owned)
        .to_vec();
    Settings {
        handshake: HandshakePolicy {
            apps: AppPolicy::Open,
            formats: vec![GameDataFormat::Json, GameDataFormat::MessagePack],
            name_rules: NameRules::default(),
            sdk: SdkTable {
                enforce: false,
                minimum_versions: versions(&[("unity", "1.10.0"), ("godot", "0.9.0")]),
                recommended_versions: versions(&[("unity", "1.12.0")]),
                capabilities: BTreeMap::from([("_default".to_owned(), capabilities)]),
                notes: BTreeMap::new(),
            },
            timeout_ms: 10_000,
        },
        budgets: BudgetLimits {
            window_ms: 60_000,
            room_creations: 5,
            joins: 20,
            relay_bytes: 1 << 28,
            room_relay_bytes: 1 << 30,
            error_replies: 3_000,
        },
        rooms: RoomRules {
            code_length: 6,
            code_prefix: None,
            max_game_name_bytes: 64,
            max_players: 100,
            default_players: 8,
            default_spectators: Some(10),
            empty_timeout_ms: 300_000,
            inactive_timeout_ms: 3_600_000,
            sweep_interval_ms: 60_000,
            relay_type: "matchbox".to_owned(),
            relay_types_by_game: BTreeMap::new(),
        },
        messages: MessageLimits {
            max_inbound_bytes: 65_536,
            max_outbound_bytes: 8 << 20,
            max_fragments: 1_024,
            max_connection_info_bytes: 8_192,
            max_game_data_bytes: Vec::new(),
        },
        outbox: OutboxLimits {
            max_bytes: 1 << 20,
            max_age_ms: 15_000,
            stall_timeout_ms: 5_000,
        },
        reconnection: ReconnectionRules {
            is_enabled: true,
            window_ms: 300_000,
            event_limit: 100,
        },
        liveness: LivenessRules {
            idle_timeout_ms: Some(300_000),
            ping_interval_ms: None,
            pong_timeout_ms: 5_000,
            activity_timeout_ms: None,
        },
        close_timeout_ms: 4_000,
    }
}
