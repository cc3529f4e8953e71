//! Gaps that a receiver was told of and has to remember.
//!
//! It remembers a gap until later data of its sender arrives, which the gap explains. So a gap counts until the next frame of
//! its stream that was queued after the report has left; if that one is taken back, until the next.

use std::collections::VecDeque;

use crate::protocol::PlayerId;
use crate::protocol::delivery::Gap;
use crate::shard::outbox::{FrameOrigin, growth};

/// Gaps of a stream behind which nothing of it was queued yet.
#[derive(Debug, Clone, Copy, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Open {
    stream: (PlayerId, u32),
    gaps: u32,
}

/// Gaps that are explained once a frame has left.
#[derive(Debug, Clone, Copy, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Explained {
    by: u64,
    gaps: u32,
}

/// The gaps that the receiver of one queue remembers.
#[derive(Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Told {
    /// By stream.
    open: Vec<Open>,
    /// In the order of the frames.
    explained: VecDeque<Explained>,
    count: usize,
}

impl Told {
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.open.capacity() * size_of::<Open>() + growth::held_bytes(&self.explained)
    }

    pub(super) fn reset(&mut self) {
        self.open.clear();
        self.explained.clear();
        self.count = 0;
    }

    /// Whether there are gaps behind which no later data was queued.
    pub(super) const fn awaits_data(&self) -> bool {
        !self.open.is_empty()
    }

    /// Notes that the receiver is told of gaps.
    pub(super) fn tell(&mut self, gaps: &[Gap]) {
        self.count += gaps.len();
        for gap in gaps {
            self.add_open((gap.sender, gap.epoch), 1);
        }
    }

    /// Notes that a frame was queued under a number above all others.
    pub(super) fn note_queued(&mut self, origin: &FrameOrigin, number: u64) {
        if let Ok(place) = self.place_of((origin.sender, origin.epoch)) {
            let gaps = self.open.remove(place).gaps;
            self.explained.push_back(Explained { by: number, gaps });
        }
    }

    /// Notes that a frame will not arrive.
    pub(super) fn note_taken_back(&mut self, origin: &FrameOrigin, number: u64) {
        if let Ok(place) = self.explained.binary_search_by_key(&number, |known| known.by)
            && let Some(Explained { gaps, .. }) = self.explained.remove(place)
        {
            self.add_open((origin.sender, origin.epoch), gaps);
        }
    }

    /// Notes that every frame up to this number has left.
    pub(super) fn note_gone(&mut self, number: u64) {
        while let Some(Explained { by, gaps }) = self.explained.front().copied()
            && by <= number
        {
            self.explained.pop_front();
            self.count -= gaps as usize;
        }
    }

    /// Changes every number, and no order.
    pub(super) fn renumber(&mut self, new: impl Fn(u64) -> u64) {
        for explained in &mut self.explained {
            explained.by = new(explained.by);
        }
    }

    pub(super) fn is_coherent(&self, end: u64) -> bool {
        let gaps = self.open.iter().map(|open| open.gaps);
        let sum: usize = gaps
            .chain(self.explained.iter().map(|known| known.gaps))
            .map(|gaps| gaps as usize)
            .sum();
        sum == self.count
            && self.open.is_sorted_by(|one, next| one.stream < next.stream)
            && self.explained.iter().is_sorted_by(|one, next| one.by < next.by)
            && self.explained.back().is_none_or(|last| last.by < end)
    }

    fn add_open(&mut self, stream: (PlayerId, u32), gaps: u32) {
        match self.place_of(stream) {
            Ok(place) => self.open[place].gaps += gaps,
            Err(place) => self.open.insert(place, Open { stream, gaps }),
        }
    }

    fn place_of(&self, stream: (PlayerId, u32)) -> Result<usize, usize> {
        self.open.binary_search_by_key(&stream, |open| open.stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::DeliveryClass;
    use crate::protocol::delivery::GapReason;

    const fn origin(sender: u8) -> FrameOrigin {
        FrameOrigin {
            sender: PlayerId::from_bytes([sender; 16]),
            epoch: 1,
            seq: 9,
            class: DeliveryClass::Volatile,
            key: 0,
        }
    }

    const fn gap(sender: u8) -> Gap {
        Gap {
            sender: PlayerId::from_bytes([sender; 16]),
            epoch: 1,
            from_seq: 1,
            to_seq: 2,
            reason: GapReason::VolatileDropped,
        }
    }

    #[test]
    fn a_told_gap_counts_until_later_data_of_its_sender_has_left() {
        let mut told = Told::default();
        told.tell(&[gap(1), gap(2), gap(1)]);
        told.note_queued(&origin(3), 4);
        told.note_queued(&origin(1), 5);
        told.note_queued(&origin(1), 6);
        told.note_gone(4);
        assert_eq!(told.count(), 3, "another sender's data explains nothing");
        told.note_gone(5);
        assert_eq!((told.count(), told.is_coherent(7)), (1, true));
        told.note_queued(&origin(2), 7);
        told.note_gone(7);
        assert_eq!((told.count(), told.is_coherent(8)), (0, true));
    }

    #[test]
    fn data_that_was_taken_back_explains_nothing() {
        let mut told = Told::default();
        told.tell(&[gap(1)]);
        told.note_queued(&origin(1), 5);
        told.note_taken_back(&origin(1), 5);
        told.note_taken_back(&origin(1), 6);
        told.note_gone(8);
        assert_eq!((told.count(), told.is_coherent(9)), (1, true));
        told.note_queued(&origin(1), 9);
        told.note_gone(9);
        assert_eq!(told.count(), 0);
    }
}
