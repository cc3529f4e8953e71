//! The memory of an outbox: the bytes of its frames, one behind the other, and the index of them.
//!
//! A frame that is taken back is only marked: its bytes go when the next ones are sent, or when as much is dead as is alive,
//! so that taking back moves no bytes. What can be taken back at all is in a list of its own, and only that is searched. Nobody
//! outside ever sees a dead frame.

use std::collections::VecDeque;
use std::fmt;

use super::holes::Holes;
use super::{FrameMark, FrameOrigin, Lane};
use crate::clock::{ClockChange, Moments};
use crate::protocol::DeliveryClass;
use crate::protocol::delivery::GapReason;

/// A frame in the index: where it ends, and what it is. It begins where the one before it ends.
#[derive(Debug, Clone, Copy, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Entry {
    pub(super) end: usize,
    pub(super) mark: FrameMark,
    /// Whether it was taken back.
    is_dead: bool,
}

/// A frame that may be taken back.
#[derive(Debug, Clone, Copy, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Droppable {
    /// Its place among the entries.
    index: usize,
    /// How many fences had been queued before it.
    fences_before: u64,
}

/// The memory of an outbox that has something to say.
#[derive(Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Storage {
    /// Frames one behind the other; the first `sent` bytes are already on the wire.
    pub(super) bytes: Vec<u8>,
    pub(super) sent: usize,
    /// Frames in the order in which they leave; the first `gone` of them are already on the wire.
    pub(super) entries: Vec<Entry>,
    pub(super) gone: usize,
    /// The living frames that may be taken back, in order. Those in front may be on the wire already.
    droppable: VecDeque<Droppable>,
    /// Bytes and frames that were taken back and are still there.
    dead_bytes: usize,
    dead_frames: usize,
    pub(super) holes: Holes,
}

impl Storage {
    /// Memory that is held and can be used again.
    pub(super) fn capacity_bytes(&self) -> usize {
        size_of::<Self>()
            + self.bytes.capacity()
            + self.entries.capacity() * size_of::<Entry>()
            + self.droppable.capacity() * size_of::<Droppable>()
            + self.holes.capacity_bytes()
    }

    /// Forgets all frames.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.droppable.clear();
        (self.sent, self.gone) = (0, 0);
        (self.dead_bytes, self.dead_frames) = (0, 0);
    }

    pub(super) const fn is_drained(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) const fn unsent_bytes(&self) -> usize {
        self.bytes.len() - self.sent - self.dead_bytes
    }

    pub(super) const fn unsent_frames(&self) -> usize {
        self.entries.len() - self.gone - self.dead_frames
    }

    /// The living frames of which no byte is on the wire.
    fn untouched(&self) -> impl Iterator<Item = &FrameMark> {
        let untouched = self.entries[self.first_untouched()..].iter();
        untouched.filter(|entry| !entry.is_dead).map(|entry| &entry.mark)
    }

    pub(super) fn oldest_queued_at_ms(&self, may_be_spared: bool) -> Option<u64> {
        let mut oldest: Option<u64> = None;
        for (place, entry) in self.entries[self.gone..].iter().enumerate() {
            if entry.is_dead || (may_be_spared && !entry.mark.must_arrive()) {
                continue;
            }
            let queued_at_ms = entry.mark.queued_at_ms;
            oldest = Some(oldest.map_or(queued_at_ms, |oldest| oldest.min(queued_at_ms)));
            // Reports overtake all but the head; behind the first data after that everything is younger.
            if place > 0 && entry.mark.lane == Lane::Data {
                break;
            }
        }
        oldest
    }

    /// How many frames of each class wait untouched, by the class's place in the protocol's order.
    pub(super) fn untouched_by_class(&self) -> [u64; DeliveryClass::ALL.len()] {
        let mut counts = [0; DeliveryClass::ALL.len()];
        for origin in self.untouched().filter_map(|mark| mark.origin) {
            counts[origin.class as usize] += 1;
        }
        counts
    }

    /// Fences of which no byte is on the wire.
    pub(super) fn fences_waiting(&self) -> u64 {
        self.untouched().filter(|mark| mark.is_fence()).count() as u64
    }

    pub(super) fn append(&mut self, mark: FrameMark, frame: &[u8]) {
        if !mark.must_arrive() {
            self.droppable.push_back(Droppable {
                index: self.entries.len(),
                fences_before: self.holes.fences(),
            });
        }
        self.holes.note_queued(&mark);
        self.bytes.extend_from_slice(frame);
        self.entries.push(Entry {
            end: self.bytes.len(),
            mark,
            is_dead: false,
        });
    }

    /// Queues a control frame behind the head frame that is partly sent and behind earlier control frames.
    pub(super) fn insert_after_control(&mut self, mark: FrameMark, frame: &[u8]) {
        self.squeeze();
        let untouched = self.first_untouched();
        let ahead = self.entries[untouched..]
            .iter()
            .take_while(|entry| entry.mark.lane == Lane::Control)
            .count()
            + untouched;
        let at = self.start_of(ahead);
        self.bytes.splice(at..at, frame.iter().copied());
        for entry in &mut self.entries[ahead..] {
            entry.end += frame.len();
        }
        let end = at + frame.len();
        let entry = Entry {
            end,
            mark,
            is_dead: false,
        };
        self.entries.insert(ahead, entry);
        for droppable in self.droppable.iter_mut().filter(|droppable| droppable.index >= ahead) {
            droppable.index += 1;
        }
    }

    /// Takes back the first frame that is wanted and not on the wire; says whether there was one. It leaves a hole.
    pub(super) fn take_back(&mut self, reason: GapReason, wanted: impl Fn(&FrameOrigin) -> bool) -> bool {
        let untouched = self.first_untouched();
        while self.droppable.front().is_some_and(|front| front.index < untouched) {
            self.droppable.pop_front();
        }
        let origin_of = |droppable: &Droppable| self.entries[droppable.index].mark.origin;
        let found = self
            .droppable
            .iter()
            .position(|droppable| origin_of(droppable).as_ref().is_some_and(&wanted));
        let Some(Droppable { index, fences_before }) = found.and_then(|place| self.droppable.remove(place)) else {
            return false;
        };
        if let Some(origin) = &self.entries[index].mark.origin {
            self.holes.add(fences_before, origin, reason);
        }
        self.entries[index].is_dead = true;
        self.dead_bytes += self.entries[index].end - self.start_of(index);
        self.dead_frames += 1;
        if self.dead_bytes >= self.unsent_bytes() {
            self.squeeze();
        }
        self.forget_what_is_gone();
        true
    }

    /// Drops every frame of which no byte is on the wire; returns how many there were.
    pub(super) fn discard_untouched(&mut self) -> usize {
        self.squeeze();
        let kept = self.first_untouched();
        let dropped = self.entries.len() - kept;
        self.entries.truncate(kept);
        self.droppable.clear();
        let end = self.entries.last().map_or(self.sent, |entry| entry.end);
        self.bytes.truncate(end);
        dropped
    }

    /// Lets go of what was taken back.
    fn squeeze(&mut self) {
        if self.dead_frames == 0 {
            return;
        }
        // The head may be partly on the wire, and then it lives.
        let first_dead = self.entries[self.gone..].iter().position(|entry| entry.is_dead);
        let first = self.gone + first_dead.unwrap_or(0);
        let (mut from, mut to) = (self.start_of(first), self.start_of(first));
        let mut kept = first;
        let mut droppable = self.droppable.iter_mut().skip_while(|known| known.index < first);
        let mut next_droppable = droppable.next();
        for index in first..self.entries.len() {
            let mut entry = self.entries[index];
            let frame = from..entry.end;
            from = entry.end;
            if entry.is_dead {
                continue;
            }
            self.bytes.copy_within(frame.clone(), to);
            to += frame.len();
            entry.end = to;
            self.entries[kept] = entry;
            if let Some(known) = next_droppable.take_if(|known| known.index == index) {
                known.index = kept;
                next_droppable = droppable.next();
            }
            kept += 1;
        }
        self.entries.truncate(kept);
        self.bytes.truncate(to);
        (self.dead_bytes, self.dead_frames) = (0, 0);
    }

    /// The bytes to send next.
    pub(super) fn sendable(&mut self) -> &[u8] {
        self.squeeze();
        &self.bytes[self.sent..self.barrier()]
    }

    /// Where to stop sending: behind the fence before the first hole that has not been told of.
    fn barrier(&self) -> usize {
        let Some(fences_behind) = self.holes.fences_behind_first() else {
            return self.bytes.len();
        };
        // The fence that the hole comes after is followed by so many.
        let mut fences = self.entries[self.gone..]
            .iter()
            .rev()
            .filter(|entry| entry.mark.is_fence());
        fences.nth(fences_behind).map_or(self.sent, |entry| entry.end)
    }

    /// The first frame of which no byte is on the wire.
    fn first_untouched(&self) -> usize {
        let head_is_cut = self.gone < self.entries.len() && self.start_of(self.gone) < self.sent;
        self.gone + usize::from(head_is_cut)
    }

    pub(super) fn start_of(&self, index: usize) -> usize {
        if index == 0 { 0 } else { self.entries[index - 1].end }
    }

    /// Once nothing waits, what was sent need not be kept.
    pub(super) fn forget_what_is_gone(&mut self) {
        if self.unsent_bytes() == 0 {
            self.clear();
        }
    }

    pub(super) fn advance(&mut self, count: usize) {
        /// Sent bytes in front of unsent ones that are worth moving the rest for.
        const COMPACT_BYTES: usize = 64 * 1024;
        self.squeeze();
        self.sent += count;
        assert!(
            self.sent <= self.bytes.len(),
            "the socket cannot take more than it was given"
        );
        while self.gone < self.entries.len() && self.entries[self.gone].end <= self.sent {
            self.gone += 1;
        }
        let head = self.start_of(self.gone);
        if head >= COMPACT_BYTES && head * 2 >= self.bytes.len() && head < self.bytes.len() {
            self.bytes.drain(..head);
            self.entries.drain(..self.gone);
            for entry in &mut self.entries {
                entry.end -= head;
            }
            self.droppable.retain_mut(|droppable| {
                let waits = droppable.index >= self.gone;
                droppable.index = droppable.index.saturating_sub(self.gone);
                waits
            });
            self.sent -= head;
            self.gone = 0;
        }
    }

    /// Whether the parts fit together.
    pub(super) fn is_coherent(&self) -> bool {
        let fences = self.entries.iter().filter(|entry| entry.mark.is_fence()).count() as u64;
        if !self.holes.is_coherent(fences) {
            return false;
        }
        if self.bytes.is_empty() {
            let has_no_frames = self.entries.is_empty() && self.droppable.is_empty() && self.dead_frames == 0;
            return has_no_frames && self.sent == 0 && self.gone == 0 && self.dead_bytes == 0 && !self.holes.is_empty();
        }
        self.sent < self.bytes.len()
            && self.gone < self.entries.len()
            && self.entries.is_sorted_by(|one, next| one.end < next.end)
            && self.entries.last().is_some_and(|last| last.end == self.bytes.len())
            && self.entries[self.gone].end > self.sent
            && self.start_of(self.gone) <= self.sent
            && self.has_coherent_dead()
    }

    fn has_coherent_dead(&self) -> bool {
        let dead = || (0..self.entries.len()).filter(|index| self.entries[*index].is_dead);
        let dead_bytes: usize = dead().map(|index| self.entries[index].end - self.start_of(index)).sum();
        let untouched = self.first_untouched();
        self.dead_frames == dead().count()
            && self.dead_bytes == dead_bytes
            && dead_bytes < self.bytes.len() - self.sent
            && dead().all(|index| index >= untouched)
            && self.droppable.iter().is_sorted_by(|one, next| one.index < next.index)
            && self.droppable.iter().all(|droppable| {
                let entry = self.entries.get(droppable.index);
                entry.is_some_and(|entry| !entry.is_dead && !entry.mark.must_arrive())
                    && droppable.fences_before <= self.holes.fences()
            })
    }
}

impl Moments for Storage {
    fn change_clock(&mut self, change: ClockChange) {
        let Self {
            bytes: _,
            sent: _,
            entries,
            gone: _,
            droppable: _,
            dead_bytes: _,
            dead_frames: _,
            holes: _,
        } = self;
        for entry in entries {
            let FrameMark {
                queued_at_ms,
                lane: _,
                origin: _,
            } = &mut entry.mark;
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
