//! Section `metrics`.

use serde::{Deserialize, Serialize};

/// The snapshot behind the metrics endpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct MetricsConfig {
    /// Seconds between two refreshes. Default 5; 0 counts as 1.
    pub dashboard_cache_refresh_interval_secs: u64,
    /// Age in seconds at which a snapshot counts as stale. Default 30; at least the refresh interval.
    pub dashboard_cache_ttl_secs: u64,
    /// Seconds of history kept, 720 samples at most. Default 300.
    pub dashboard_cache_history_window_secs: u64,
    /// Which parts a history sample carries. Default all four.
    pub dashboard_cache_history_fields: Vec<HistoryField>,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            dashboard_cache_refresh_interval_secs: 5,
            dashboard_cache_ttl_secs: 30,
            dashboard_cache_history_window_secs: 300,
            dashboard_cache_history_fields: vec![
                HistoryField::ActiveRooms,
                HistoryField::RoomsByGame,
                HistoryField::PlayerPercentiles,
                HistoryField::GamePercentiles,
            ],
        }
    }
}

/// A part of a history sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum HistoryField {
    ActiveRooms,
    RoomsByGame,
    PlayerPercentiles,
    GamePercentiles,
}
