//! The two forms of game data.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Form of the game data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Encoding {
    /// `GameData` messages in text frames
    Json,
    /// MessagePack payloads in binary frames
    MessagePack,
}

impl Encoding {
    /// The protocol's name of the format.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "message_pack",
        }
    }
}
