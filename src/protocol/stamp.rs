//! The stamp that v3 puts on everything a sender says.

use serde::Serialize;

/// Where a message stands in its sender's history: the sender's term in the seat, and its place in that term. Both
/// start at 1. Stamps of one sender are ordered as it sent them.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
pub struct Stamp {
    /// Grows with each reconnection of the sender.
    pub epoch: u32,
    /// Grows by one with each message.
    pub seq: u64,
}
