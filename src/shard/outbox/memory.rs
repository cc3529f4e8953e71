//! What an outbox holds, and how room is made in it.
//!
//! Promises that room is made at a cost in proportion to the room, and that growth stops at the limit as long as what is
//! needed lies below it.

use crate::shard::outbox::entry::Entry;
use crate::shard::outbox::growth;
use crate::shard::outbox::storage::Storage;

/// Whether so much idle memory is worth moving the rest of what is held for, when there is no room otherwise.
const fn is_worthwhile(idle: usize, held: usize) -> bool {
    idle >= held / 16
}

impl Storage {
    /// Memory that is held, used or not.
    pub(super) fn held_bytes(&self) -> usize {
        size_of::<Self>()
            + growth::held_bytes(&self.bytes)
            + growth::held_bytes(&self.entries)
            + self.droppables.held_bytes()
            + self.holes.held_bytes()
            + self.told.held_bytes()
    }

    /// Memory that would be held with one more frame of so many bytes, after what is idle was put to use as far as that is
    /// worthwhile.
    pub(super) fn held_bytes_with(&self, frame_bytes: usize) -> usize {
        let (held, idle) = (self.held_bytes(), self.idle_bytes());
        if is_worthwhile(idle, held) {
            held - idle + frame_bytes + size_of::<Entry>()
        } else {
            held + self.lacking_bytes(frame_bytes)
        }
    }

    /// What is held of the rings and not used, with what was taken back if that is enough to move the rest for.
    fn idle_bytes(&self) -> usize {
        let unused = growth::unused_bytes(&self.bytes) + growth::unused_bytes(&self.entries);
        if self.is_squeeze_worthwhile() {
            unused + self.dead_bytes + self.dead_frames * size_of::<Entry>()
        } else {
            unused
        }
    }

    fn is_squeeze_worthwhile(&self) -> bool {
        self.dead_frames > 0
            && (is_worthwhile(self.dead_bytes, self.bytes.capacity())
                || is_worthwhile(self.dead_frames, self.entries.capacity()))
    }

    /// What the rings lack for one more frame of so many bytes.
    fn lacking_bytes(&self, frame_bytes: usize) -> usize {
        growth::lacking_bytes(&self.bytes, frame_bytes) + growth::lacking_bytes(&self.entries, 1)
    }

    /// Makes room for one more frame; `limit_bytes` is what may be held, as far as that is up to growth.
    #[inline]
    pub(super) fn make_room(&mut self, frame_bytes: usize, limit_bytes: usize) {
        if self.lacking_bytes(frame_bytes) > 0 {
            self.find_room(frame_bytes, limit_bytes);
        }
    }

    #[cold]
    fn find_room(&mut self, frame_bytes: usize, limit_bytes: usize) {
        if self.is_squeeze_worthwhile() {
            self.squeeze();
        }
        let held = self.held_bytes();
        if held + self.lacking_bytes(frame_bytes) > limit_bytes && is_worthwhile(self.idle_bytes(), held) {
            self.bytes.shrink_to(self.bytes.len() + frame_bytes);
            self.entries.shrink_to(self.entries.len() + 1);
        }
        let spare_bytes = limit_bytes.saturating_sub(self.held_bytes());
        growth::make_room(&mut self.bytes, frame_bytes, spare_bytes);
        let spare_bytes = limit_bytes.saturating_sub(self.held_bytes());
        growth::make_room(&mut self.entries, 1, spare_bytes);
    }

    /// Gives memory back that is not used any longer.
    pub(super) fn let_go(&mut self) {
        growth::let_go(&mut self.bytes);
        growth::let_go(&mut self.entries);
    }
}
