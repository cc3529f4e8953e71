//! What a run is made of.

use std::time::Duration;

use signal_fish_relay::config::Config;
use signal_fish_relay::server::shard_settings;
use signal_fish_relay::session::AppPolicy;
use signal_fish_relay::shard::admission::AdmissionLimits;
use signal_fish_relay::shard::{InboxLimits, Settings, SourceRule};

/// What a run is made of. Every field may be changed before the run.
#[derive(Debug, Clone)]
pub struct Setup {
    pub seed: u64,
    pub shards: u16,
    pub settings: Settings,
    pub limits: AdmissionLimits,
    pub inbox: InboxLimits,
    /// From which gap between two turns on a shard is taken to have stood still.
    pub standstill: Duration,
    /// Whether every other client speaks TLS.
    pub speaks_tls: bool,
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
                sources: SourceRule::DEFAULT,
                failed_joins: Some(120),
                failed_joins_window_ms: 60_000,
                rooms: 1_000,
                rooms_per_game: 1_000,
            },
            inbox: InboxLimits { bulk: 64, reserve: 8 },
            // Virtual time jumps from deadline to deadline.
            standstill: Duration::MAX,
            speaks_tls: false,
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

/// The published defaults, with an open door and clients that may be silent.
pub fn settings() -> Settings {
    let mut settings = shard_settings(&Config::default()).expect("a valid configuration");
    settings.access.apps = AppPolicy::Open;
    settings.rooms.default_spectators = Some(10);
    settings.outbox.max_bytes = 1 << 20;
    settings.liveness.ping_interval_ms = None;
    settings.liveness.activity_timeout_ms = None;
    settings
}
