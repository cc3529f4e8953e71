//! The memory of an outbox: the bytes of its frames, one behind the other, and the index of them.
//!
//! Both are rings: what has left is room at once for what comes, nothing is moved for it. A frame that is taken back is only
//! marked: its bytes go when the next ones are sent, when as much is dead as is alive, or when there would be no room
//! otherwise, so that taking back moves no bytes. What can be taken back at all is listed apart, and only that is
//! searched. Nobody outside ever sees a dead frame.

use std::collections::VecDeque;
use std::fmt;

use crate::clock::{ClockChange, Moments};
use crate::shard::outbox::droppables::Droppables;
use crate::shard::outbox::entry::{Entry, Kind};
use crate::shard::outbox::holes::Holes;
use crate::shard::outbox::told::Told;

/// The number of the first frame of a queue. Frames that overtake it take smaller ones.
pub(super) const FIRST_NUMBER: u64 = 1 << 32;

/// The memory of an outbox that has something to say.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Storage {
    /// What is not yet on the wire of all frames, one behind the other.
    pub(super) bytes: VecDeque<u8>,
    /// Frames in the order in which they leave; of the first, some bytes may be on the wire.
    pub(super) entries: VecDeque<Entry>,
    /// How many bytes of the first frame are on the wire.
    pub(super) cut_bytes: usize,
    /// The number of the first frame; each has one more than the one in front of it.
    pub(super) first_number: u64,
    /// The living frames that may be taken back.
    pub(super) droppables: Droppables,
    /// Living frames by kind.
    pub(super) living: [u32; Kind::COUNT],
    /// Bytes and frames that were taken back and are still there.
    pub(super) dead_bytes: usize,
    pub(super) dead_frames: usize,
    pub(super) holes: Holes,
    pub(super) told: Told,
    /// Bytes that were handed out and have not been taken by the socket.
    #[rkyv(with = rkyv::with::Skip)]
    pub(super) offered_bytes: usize,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            bytes: VecDeque::new(),
            entries: VecDeque::new(),
            cut_bytes: 0,
            first_number: FIRST_NUMBER,
            droppables: Droppables::default(),
            living: [0; Kind::COUNT],
            dead_bytes: 0,
            dead_frames: 0,
            holes: Holes::default(),
            told: Told::default(),
            offered_bytes: 0,
        }
    }
}

impl Storage {
    /// Forgets all frames.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.droppables.clear();
        self.told.note_gone(u64::MAX);
        self.living = [0; Kind::COUNT];
        (self.cut_bytes, self.first_number, self.offered_bytes) = (0, FIRST_NUMBER, 0);
        (self.dead_bytes, self.dead_frames) = (0, 0);
    }

    pub(super) fn is_drained(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn unsent_bytes(&self) -> usize {
        self.bytes.len() - self.dead_bytes
    }

    pub(super) fn unsent_frames(&self) -> usize {
        self.entries.len() - self.dead_frames
    }

    /// Lets go of what was taken back.
    #[inline]
    pub(super) fn squeeze(&mut self) {
        if self.dead_frames > 0 {
            self.squeeze_out();
        }
    }

    #[cold]
    fn squeeze_out(&mut self) {
        let bytes = self.bytes.make_contiguous();
        let (mut from, mut to) = (0, 0);
        let mut dead = Vec::with_capacity(self.dead_frames);
        for (number, entry) in (self.first_number..).zip(&self.entries) {
            // The head may be partly on the wire, and then it lives.
            let on_the_wire = if from == 0 { self.cut_bytes } else { 0 };
            let length = entry.length() - on_the_wire;
            if entry.is_dead {
                dead.push(number);
            } else {
                if to < from {
                    bytes.copy_within(from..from + length, to);
                }
                to += length;
            }
            from += length;
        }
        self.bytes.truncate(to);
        self.entries.retain(|entry| !entry.is_dead);
        let new = |number: u64| number - dead.partition_point(|gone| *gone < number) as u64;
        self.droppables.renumber(new);
        self.told.renumber(new);
        (self.dead_bytes, self.dead_frames) = (0, 0);
    }

    /// How many bytes of some frames, the first among them, are not yet on the wire.
    pub(super) fn length_of(&self, frames: std::ops::Range<usize>) -> usize {
        let length: usize = self.entries.range(frames).map(Entry::length).sum();
        length.saturating_sub(self.cut_bytes)
    }
}

impl Moments for Storage {
    fn change_clock(&mut self, change: ClockChange) {
        let Self {
            bytes: _,
            entries,
            cut_bytes: _,
            first_number: _,
            droppables: _,
            living: _,
            dead_bytes: _,
            dead_frames: _,
            holes: _,
            told: _,
            offered_bytes: _,
        } = self;
        for entry in entries {
            let Entry { queued_at_ms, .. } = entry;
            change.apply(queued_at_ms);
        }
    }
}

/// Frames may hold tokens and credentials: only their measure is shown.
impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage")
            .field("unsent_bytes", &self.unsent_bytes())
            .field("unsent_frames", &self.unsent_frames())
            .field("holes", &self.holes)
            .finish_non_exhaustive()
    }
}
