//! When players with the same rate send, beside each other.

use clap::ValueEnum;
use serde::Deserialize;

/// When the players of an open-loop run send within a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Each player at its own random moment
    Random,
    /// Everybody at once: the worst burst
    Aligned,
}
