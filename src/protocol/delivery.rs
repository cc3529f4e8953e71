//! What a receiver on version 3 is told of messages that it does not get.

use serde::Serialize;

use super::PlayerId;

/// Why a message is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// A newer value under the same key took its place.
    LatestSuperseded,
    /// The receiver's queue was full and had no older value of the key.
    LatestDroppedFull,
    /// The receiver's queue was full.
    VolatileDropped,
    /// The payload has no form that the receiver reads.
    UnsupportedFormat,
}

/// Messages of one sender that a receiver does not get: neighbours, missing for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Gap {
    /// Whose.
    #[serde(rename = "from_player")]
    pub sender: PlayerId,
    /// In which epoch of the sender.
    pub epoch: u32,
    /// The first that is missing.
    pub from_seq: u64,
    /// The last.
    pub to_seq: u64,
    /// Why.
    pub reason: GapReason,
}

impl Gap {
    /// The most gaps that one report may hold, by the protocol's rule.
    pub const MAX_IN_REPORT: usize = 256;

    /// How many messages are missing.
    #[must_use]
    pub const fn messages(&self) -> u64 {
        self.to_seq - self.from_seq + 1
    }
}

/// What became of the game data for one connection, of each class, since it was opened.
///
/// Nothing is ever abandoned on a connection that goes on: the protocol's counts of that are always 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// Put on the wire, by the class's place in the protocol's order.
    pub delivered: [u64; 3],
    /// Messages missing, and told of.
    pub losses: Losses,
}

/// Messages that a connection did not get, and was told of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Losses {
    /// `latest` values that newer ones took the place of.
    pub superseded: u64,
    /// `latest` values that found the queue full.
    pub dropped_full: u64,
    /// `volatile` messages that found the queue full, or made room in it.
    pub volatile_dropped: u64,
    /// Payloads of other formats; all of them are `reliable`, because binary messages are.
    pub unsupported_format: u64,
}

impl Losses {
    /// Counts a gap.
    pub const fn add(&mut self, gap: &Gap) {
        let count = match gap.reason {
            GapReason::LatestSuperseded => &mut self.superseded,
            GapReason::LatestDroppedFull => &mut self.dropped_full,
            GapReason::VolatileDropped => &mut self.volatile_dropped,
            GapReason::UnsupportedFormat => &mut self.unsupported_format,
        };
        *count += gap.messages();
    }
}
