//! What an outbox is told of a frame.

use crate::protocol::{DeliveryClass, PlayerId};

/// In which order a frame leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Leaves before everything in the data lane that is not yet on the wire: reports of holes.
    Control,
    /// Leaves in the order in which it was queued: everything else.
    Data,
}

/// What the outbox is told of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameMark {
    /// When it was queued, in milliseconds of the shard's monotonic clock.
    pub queued_at_ms: u64,
    /// In which order it leaves.
    pub lane: Lane,
    /// Whose game data it is; `None` for control messages.
    pub origin: Option<FrameOrigin>,
}

/// Whose game data a frame carries, so that its loss can be named exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct FrameOrigin {
    /// The player who sent it.
    pub sender: PlayerId,
    /// The sender's epoch.
    pub epoch: u32,
    /// The sender's sequence number.
    pub seq: u64,
    /// What may happen to it when the receiver is slow.
    pub class: DeliveryClass,
    /// Which newer value replaces it, for [`DeliveryClass::Latest`].
    pub key: u32,
}

impl FrameMark {
    /// A report, which overtakes what it reports on.
    #[must_use]
    pub const fn ahead(queued_at_ms: u64) -> Self {
        Self {
            queued_at_ms,
            lane: Lane::Control,
            origin: None,
        }
    }

    /// A control message that keeps its place among everything else.
    #[must_use]
    pub const fn in_order(queued_at_ms: u64) -> Self {
        Self {
            queued_at_ms,
            lane: Lane::Data,
            origin: None,
        }
    }
}
