//! What is missing in a queue, and where.
//!
//! A receiver must be told of a hole before it is sent anything later of the same sender, but not before it has been sent
//! the server's own messages in front of the hole: those may be what tells it of the sender. So a hole's place is told by the
//! server's messages, the *fences*: it comes after so many of them and before the next one. Anywhere between these two is
//! as good, so all holes between the same fences are told of at once, in front of what waits there.

use crate::protocol::delivery::{Gap, GapReason};
use crate::shard::outbox::FrameOrigin;
use crate::shard::outbox::entry::Kind;

/// A gap, and how many fences had been queued before it.
#[derive(Debug, Clone, Copy, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Hole {
    fences_before: u64,
    gap: Gap,
}

/// The holes of one queue.
#[derive(Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Holes {
    /// In the order in which they have to be told, as far as fences decide it.
    holes: Vec<Hole>,
    /// Fences queued since the queue was last empty.
    fences: u64,
}

impl Holes {
    pub(super) const fn is_empty(&self) -> bool {
        self.holes.is_empty()
    }

    pub(super) const fn held_bytes(&self) -> usize {
        self.holes.capacity() * size_of::<Hole>()
    }

    pub(super) const fn count(&self) -> usize {
        self.holes.len()
    }

    pub(super) fn reset(&mut self) {
        self.holes.clear();
        self.fences = 0;
    }

    /// Notes that a frame was queued.
    pub(super) fn note_queued(&mut self, kind: Kind) {
        self.fences += u64::from(kind == Kind::Fence);
    }

    /// A frame that was not queued is missing behind all fences.
    pub(super) fn add_last(&mut self, origin: &FrameOrigin, reason: GapReason) {
        self.add(self.fences, origin, reason);
    }

    /// Fences queued since the queue was last empty.
    pub(super) const fn fences(&self) -> u64 {
        self.fences
    }

    /// A frame is missing that had so many fences before it.
    pub(super) fn add(&mut self, fences_before: u64, origin: &FrameOrigin, reason: GapReason) {
        let seq = origin.seq;
        let begin = self.holes.partition_point(|hole| hole.fences_before < fences_before);
        let end = self.holes.partition_point(|hole| hole.fences_before <= fences_before);
        let of_stream = |gap: &Gap| gap.epoch == origin.epoch && gap.reason == reason && gap.sender == origin.sender;
        let mut joined: Option<usize> = None;
        let mut index = begin;
        while index < end.min(self.holes.len()) {
            let gap = self.holes[index].gap;
            if (gap.to_seq + 1 == seq || seq + 1 == gap.from_seq) && of_stream(&gap) {
                match joined {
                    None => {
                        let gap = &mut self.holes[index].gap;
                        gap.from_seq = gap.from_seq.min(seq);
                        gap.to_seq = gap.to_seq.max(seq);
                        joined = Some(index);
                    }
                    // The number between two gaps makes them one.
                    Some(first) => {
                        let first = &mut self.holes[first].gap;
                        first.from_seq = first.from_seq.min(gap.from_seq);
                        first.to_seq = first.to_seq.max(gap.to_seq);
                        self.holes.remove(index);
                        return;
                    }
                }
            }
            index += 1;
        }
        if joined.is_none() {
            let gap = Gap {
                sender: origin.sender,
                epoch: origin.epoch,
                from_seq: seq,
                to_seq: seq,
                reason,
            };
            self.holes.insert(end, Hole { fences_before, gap });
        }
    }

    /// Takes out up to `limit` gaps that come before every fence that is still waiting.
    pub(super) fn take_due(&mut self, fences_waiting: u64, limit: usize) -> Vec<Gap> {
        let fences_gone = self.fences - fences_waiting;
        let due = self.holes.partition_point(|hole| hole.fences_before <= fences_gone);
        self.holes.drain(..due.min(limit)).map(|hole| hole.gap).collect()
    }

    /// How many fences come behind the first hole; `None` when there is none.
    pub(super) fn fences_behind_first(&self) -> Option<usize> {
        self.holes
            .first()
            .map(|hole| (self.fences - hole.fences_before) as usize)
    }

    /// Whether what came out of an archive fits a queue in which so many fences are left.
    pub(super) fn is_coherent(&self, fences_left: u64) -> bool {
        fences_left <= self.fences
            && self.holes.is_sorted_by_key(|hole| hole.fences_before)
            && self.holes.iter().all(|hole| {
                hole.fences_before <= self.fences && hole.gap.from_seq <= hole.gap.to_seq && hole.gap.from_seq > 0
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{DeliveryClass, PlayerId};

    fn origin(sender: u8, seq: u64) -> FrameOrigin {
        FrameOrigin {
            sender: PlayerId::from_bytes([sender; 16]),
            epoch: 1,
            seq,
            class: DeliveryClass::Volatile,
            key: 0,
        }
    }

    fn ranges(gaps: &[Gap]) -> Vec<(u8, u64, u64)> {
        gaps.iter()
            .map(|gap| (gap.sender.as_bytes()[0], gap.from_seq, gap.to_seq))
            .collect()
    }

    #[test]
    fn neighbours_of_one_sender_and_reason_become_one_range() {
        let mut holes = Holes::default();
        for seq in [3, 5, 4, 9] {
            holes.add_last(&origin(1, seq), GapReason::VolatileDropped);
        }
        holes.add_last(&origin(2, 6), GapReason::VolatileDropped);
        holes.add_last(&origin(1, 6), GapReason::LatestSuperseded);
        let gaps = holes.take_due(0, 9);
        assert_eq!(ranges(&gaps), [(1, 3, 5), (1, 9, 9), (2, 6, 6), (1, 6, 6)]);
        assert!(holes.is_empty());
    }

    #[test]
    fn a_hole_is_not_told_before_the_fences_in_front_of_it() {
        let mut holes = Holes::default();
        holes.add_last(&origin(1, 1), GapReason::VolatileDropped);
        holes.note_queued(Kind::Fence);
        holes.add_last(&origin(2, 1), GapReason::VolatileDropped);
        holes.add(0, &origin(1, 2), GapReason::VolatileDropped);
        assert_eq!(holes.fences_behind_first(), Some(1));
        assert_eq!(ranges(&holes.take_due(1, 9)), [(1, 1, 2)]);
        assert_eq!(holes.fences_behind_first(), Some(0));
        assert!(holes.take_due(1, 9).is_empty(), "the fence still waits");
        assert_eq!(ranges(&holes.take_due(0, 9)), [(2, 1, 1)]);
    }

    #[test]
    fn a_report_takes_no_more_than_it_can_hold() {
        let mut holes = Holes::default();
        for seq in [1, 3, 5] {
            holes.add_last(&origin(1, seq), GapReason::VolatileDropped);
        }
        assert_eq!(holes.take_due(0, 2).len(), 2);
        assert_eq!(ranges(&holes.take_due(0, 2)), [(1, 5, 5)]);
    }
}
