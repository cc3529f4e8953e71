//! Rooms that are alike, and who is in them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::delivery::Mixture;
use crate::encoding::Encoding;
use crate::payload;
use crate::version::Version;

/// Room operations of one room.
const MAX_OPERATIONS_PER_SECOND: f64 = 1000.0;

/// Rooms that are alike.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) encoding: Encoding,
    pub(crate) rooms: u32,
    /// Players who stay; they send and receive.
    pub(crate) players: u32,
    /// Players who send and receive, and close their connection and come back every now and then.
    pub(crate) returning: u32,
    pub(crate) return_every: Duration,
    /// Players who never send, and read slowly.
    pub(crate) slow: u32,
    pub(crate) slow_bytes_per_second: u32,
    pub(crate) spectators: u32,
    pub(crate) version: Version,
    /// Classes of the messages; version 3 only.
    pub(crate) mixture: Mixture,
    /// In each room; version 3 only.
    pub(crate) room_operations_per_second: f64,
}

/// How many connections these make, if they make sense.
pub(crate) fn check(groups: &[Group]) -> Result<u32> {
    let mut connections = 0u32;
    for group in groups {
        group.check().with_context(|| format!("group {:?}", group.name))?;
        connections = group
            .rooms
            .checked_mul(group.members())
            .and_then(|members| connections.checked_add(members))
            .filter(|&connections| connections <= payload::MAX_PLAYERS)
            .with_context(|| format!("at most {} players can be told apart", payload::MAX_PLAYERS))?;
    }
    Ok(connections)
}

impl Group {
    /// Rooms of players and nobody else.
    pub(crate) fn plain(encoding: Encoding, rooms: u32, players: u32) -> Self {
        Self {
            name: "all".to_owned(),
            encoding,
            rooms,
            players,
            returning: 0,
            return_every: Duration::ZERO,
            slow: 0,
            slow_bytes_per_second: 0,
            spectators: 0,
            version: Version::V2,
            mixture: Mixture::default(),
            room_operations_per_second: 0.0,
        }
    }

    /// Members who send.
    pub(crate) fn senders(&self) -> u32 {
        self.players + self.returning
    }

    /// Members with a seat.
    pub(crate) fn seats(&self) -> u32 {
        self.senders() + self.slow
    }

    /// Everybody in a room.
    pub(crate) fn members(&self) -> u32 {
        self.seats() + self.spectators
    }

    /// Whether its players perform room operations.
    pub(crate) fn operates(&self) -> bool {
        self.room_operations_per_second > 0.0
    }

    fn check(&self) -> Result<()> {
        if self.version == Version::V2 {
            ensure!(
                !self.mixture.has_classes() && !self.operates(),
                "delivery classes and room operations need \"version\": 3"
            );
        }
        ensure!(
            !self.mixture.has_classes() || self.encoding == Encoding::Json,
            "delivery classes need JSON game data: binary frames are always reliable"
        );
        ensure!(
            (0.0..=MAX_OPERATIONS_PER_SECOND).contains(&self.room_operations_per_second),
            "room_operations_per_second must be 0 to {MAX_OPERATIONS_PER_SECOND}"
        );
        ensure!(self.rooms >= 1, "at least one room is needed");
        ensure!(
            self.senders() >= 1 && self.members() >= 2,
            "a room needs somebody who sends and somebody else"
        );
        // A seat more, because a returning player may be back before the server has cleared its old one.
        let seats = self.seats() + u32::from(self.returning > 0);
        ensure!(
            (2..=100).contains(&seats),
            "a room needs 2 to 100 players: the protocol's rooms hold no more"
        );
        ensure!(self.players >= 1, "at least one player of a room must stay in it");
        ensure!(
            self.returning == 0 || self.return_every >= Duration::from_millis(100),
            "players may return every 0.1 s at most"
        );
        ensure!(
            self.slow == 0 || self.slow_bytes_per_second >= 100,
            "slow players must read at least 100 bytes a second"
        );
        Ok(())
    }
}
