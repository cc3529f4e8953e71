//! What has left outboxes, wholly, since somebody looked: how many frames of each class, and since when they had waited.

use std::collections::VecDeque;

use crate::protocol::DeliveryClass;
use crate::shard::outbox::entry::{Entry, Kind};

/// Frames that were taken by sockets.
#[derive(Debug, Default)]
pub struct Departed {
    by_kind: [u32; Kind::COUNT],
    /// Frames that were queued in one millisecond, and in which.
    groups: Vec<(u64, u32)>,
}

impl Departed {
    /// Notes that all that was queued has left; nothing of it was taken back.
    #[inline]
    pub(super) fn note_all(&mut self, living: &[u32; Kind::COUNT], entries: &VecDeque<Entry>) {
        for (count, more) in self.by_kind.iter_mut().zip(living) {
            *count += more;
        }
        let (Some(first), Some(last)) = (entries.front(), entries.back()) else {
            return;
        };
        // Almost always: what was queued in this turn leaves in it. Reports overtake, so not all is in order.
        if first.queued_at_ms == last.queued_at_ms && living[Kind::Report as usize] == 0 {
            self.groups.push((first.queued_at_ms, entries.len() as u32));
        } else {
            entries.iter().for_each(|entry| self.note_age(entry));
        }
    }

    /// Notes that a frame has left.
    pub(super) fn note(&mut self, entry: &Entry) {
        self.by_kind[entry.kind as usize] += 1;
        self.note_age(entry);
    }

    fn note_age(&mut self, entry: &Entry) {
        match self.groups.last_mut() {
            Some((queued_at_ms, frames)) if *queued_at_ms == entry.queued_at_ms => *frames += 1,
            _ => self.groups.push((entry.queued_at_ms, 1)),
        }
    }

    /// How much game data has left, by the class's place in the protocol's order.
    #[must_use]
    pub const fn by_class(&self) -> [u64; DeliveryClass::ALL.len()] {
        by_class(&self.by_kind)
    }

    /// Forgets what was noted. Returns frames with the millisecond in which they had been queued.
    pub fn drain(&mut self) -> impl Iterator<Item = (u64, u32)> {
        self.by_kind = [0; Kind::COUNT];
        self.groups.drain(..)
    }
}

/// Game data among frames, by the class's place in the protocol's order.
pub(super) const fn by_class(by_kind: &[u32; Kind::COUNT]) -> [u64; DeliveryClass::ALL.len()] {
    let mut counts = [0; DeliveryClass::ALL.len()];
    counts[DeliveryClass::Reliable as usize] = by_kind[Kind::Reliable as usize] as u64;
    counts[DeliveryClass::Latest as usize] = by_kind[Kind::Latest as usize] as u64;
    counts[DeliveryClass::Volatile as usize] = by_kind[Kind::Volatile as usize] as u64;
    counts
}

#[cfg(test)]
mod tests {
    use crate::shard::outbox::{FrameMark, Outbox, OutboxPool};

    #[test]
    fn what_leaves_is_told_with_its_age_and_what_is_taken_back_is_not() {
        let (mut outbox, mut pool) = (Outbox::default(), OutboxPool::default());
        for (at_ms, frame) in [(5, b"one"), (5, b"two"), (6, b"six"), (9, b"end")] {
            outbox.push(&mut pool, &FrameMark::in_order(at_ms), frame);
        }
        outbox.advance(&mut pool, 8);
        assert_eq!(pool.departed().drain().collect::<Vec<_>>(), [(5, 2)]);
        outbox.advance(&mut pool, 4);
        assert_eq!(pool.departed().drain().collect::<Vec<_>>(), [(6, 1), (9, 1)]);
        assert!(outbox.is_empty());
        outbox.push(&mut pool, &FrameMark::in_order(11), b"all");
        outbox.push(&mut pool, &FrameMark::in_order(11), b"at once");
        outbox.advance(&mut pool, 10);
        assert_eq!(pool.departed().by_class(), [0; 3], "words of the server");
        assert_eq!(pool.departed().drain().collect::<Vec<_>>(), [(11, 2)]);
        assert_eq!(pool.departed().drain().count(), 0);
    }
}
