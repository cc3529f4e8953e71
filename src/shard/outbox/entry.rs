//! The index of an outbox: what is kept of each frame.

use crate::protocol::DeliveryClass;
use crate::shard::outbox::{FrameMark, Lane};

/// What a frame is to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) enum Kind {
    /// Leaves before all data.
    Report,
    /// A message of the server's own: what comes behind it may mean nothing before it.
    Fence,
    /// Game data that may not be left out.
    Reliable,
    /// Game data that a newer value of its key replaces.
    Latest,
    /// Game data that may be left out.
    Volatile,
}

impl Kind {
    pub(super) const COUNT: usize = Self::Volatile as usize + 1;

    pub(super) fn of(mark: &FrameMark) -> Self {
        match (mark.origin.map(|origin| origin.class), mark.lane) {
            (None, Lane::Control) => Self::Report,
            (None, Lane::Data) => Self::Fence,
            (Some(DeliveryClass::Reliable), _) => Self::Reliable,
            (Some(DeliveryClass::Latest), _) => Self::Latest,
            (Some(DeliveryClass::Volatile), _) => Self::Volatile,
        }
    }

    /// The class of what may be taken back.
    pub(super) const fn droppable(self) -> Option<DeliveryClass> {
        match self {
            Self::Latest => Some(DeliveryClass::Latest),
            Self::Volatile => Some(DeliveryClass::Volatile),
            Self::Report | Self::Fence | Self::Reliable => None,
        }
    }
}

/// A frame in the index. Many frames are a few bytes long, so it is kept small: whose it is, is remembered of those alone
/// that may be taken back, see [`droppables`](super::droppables).
#[derive(Debug, Clone, Copy, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Entry {
    pub(super) queued_at_ms: u64,
    length_bytes: u32,
    pub(super) kind: Kind,
    /// Whether it was taken back.
    pub(super) is_dead: bool,
}

impl Entry {
    pub(super) fn of(mark: &FrameMark, frame: &[u8]) -> Self {
        Self {
            queued_at_ms: mark.queued_at_ms,
            length_bytes: u32::try_from(frame.len()).expect("the largest frame has 64 MiB"),
            kind: Kind::of(mark),
            is_dead: false,
        }
    }

    pub(super) const fn length(&self) -> usize {
        self.length_bytes as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Entry>(), 16);
    }
}
