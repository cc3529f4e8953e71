//! Section `webhooks`: room events that are posted to somebody's server. No key of it is part of the protocol.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Secret;

/// Where room events are posted, and how; see `docs/events.md`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct WebhooksConfig {
    /// `https` or, for a server that is near, `http`. Default null: nothing is posted.
    pub url: Option<String>,
    /// What requests are signed with: `whsec_` and 24 to 64 random bytes in base64. Needed with `url`.
    pub secret: Option<Secret>,
    /// Another, with which they are signed as well while receivers change to `secret`. Default null.
    pub previous_secret: Option<Secret>,
    /// Which kinds of events. Default all.
    pub events: Vec<EventKind>,
    /// PEM file of the authorities that vouch for the receiver, in place of the system's. Default null.
    pub ca_path: Option<PathBuf>,
    /// Milliseconds for one request, its answer included. Default 5000; 100 … 60000.
    pub timeout_ms: u64,
    /// The most events of one request, of 150 to 250 bytes each. Default 500; 1 … 1000.
    pub batch_size: usize,
    /// Events that may wait, of 100 to 200 bytes each; more are dropped and counted. Default 10000; 100 … 1000000.
    pub queue_capacity: usize,
    /// Seconds for which a request is tried again before its events are given up. Default 600; 0 … 86400.
    pub give_up_secs: u64,
    /// File for requests that were given up, a line for each with its body. Default null: they are lost, and counted.
    pub dead_letter_path: Option<PathBuf>,
    /// The most bytes of that file. Default 16777216; 4096 … 1073741824.
    pub dead_letter_max_bytes: u64,
}

/// A kind of room event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub enum EventKind {
    #[serde(rename = "room.opened")]
    RoomOpened,
    #[serde(rename = "room.closed")]
    RoomClosed,
    #[serde(rename = "player.joined")]
    PlayerJoined,
    #[serde(rename = "player.left")]
    PlayerLeft,
    #[serde(rename = "player.returned")]
    PlayerReturned,
    #[serde(rename = "player.removed")]
    PlayerRemoved,
    #[serde(rename = "player.too_slow")]
    PlayerTooSlow,
    #[serde(rename = "authority.moved")]
    AuthorityMoved,
    #[serde(rename = "game.started")]
    GameStarted,
}

impl EventKind {
    /// All.
    pub const ALL: &'static [Self] = &[
        Self::RoomOpened,
        Self::RoomClosed,
        Self::PlayerJoined,
        Self::PlayerLeft,
        Self::PlayerReturned,
        Self::PlayerRemoved,
        Self::PlayerTooSlow,
        Self::AuthorityMoved,
        Self::GameStarted,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RoomOpened => "room.opened",
            Self::RoomClosed => "room.closed",
            Self::PlayerJoined => "player.joined",
            Self::PlayerLeft => "player.left",
            Self::PlayerReturned => "player.returned",
            Self::PlayerRemoved => "player.removed",
            Self::PlayerTooSlow => "player.too_slow",
            Self::AuthorityMoved => "authority.moved",
            Self::GameStarted => "game.started",
        }
    }
}

impl Default for WebhooksConfig {
    fn default() -> Self {
        Self {
            url: None,
            secret: None,
            previous_secret: None,
            events: EventKind::ALL.to_vec(),
            ca_path: None,
            timeout_ms: 5_000,
            batch_size: 500,
            queue_capacity: 10_000,
            give_up_secs: 600,
            dead_letter_path: None,
            dead_letter_max_bytes: 16 << 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_written_as_they_are_called() {
        for kind in EventKind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("a name"), kind.name());
        }
    }
}
