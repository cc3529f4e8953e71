//! What waits to be sent to one connection: bytes, and an index of the frames in them.
//!
//! Owns the order of frames and knows which of them may still be taken back: an unsent frame can be superseded, evicted
//! or preceded by another, a head frame that is partly on the wire cannot. What was taken back, or never queued, leaves a
//! hole, and nothing that comes after a hole is handed out before the hole has been told of, see [`holes`]. An outbox with
//! nothing to say owns no memory; its storage comes from the shard's [`OutboxPool`] and goes back there the moment it has
//! drained.
//!
//! Must never decide policy: caps, ages and what happens when they are passed belong to the shard.

mod holes;

use self::holes::Holes;
use crate::clock::{ClockChange, Moments};
use crate::protocol::delivery::{Gap, GapReason};
use crate::protocol::{DeliveryClass, PlayerId};

/// In which order a frame leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub enum Lane {
    /// Leaves before everything in the data lane that is not yet on the wire: reports of holes.
    Control,
    /// Leaves in the order in which it was queued: everything else.
    Data,
}

/// What the outbox remembers of a queued frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
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

    /// Whether the frame may not be left out.
    fn must_arrive(&self) -> bool {
        self.origin.is_none_or(|origin| origin.class == DeliveryClass::Reliable)
    }

    /// Whether the frame is a message of the server's own: what comes behind it may mean nothing before it.
    const fn is_fence(&self) -> bool {
        self.origin.is_none() && matches!(self.lane, Lane::Data)
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

/// A frame in the index: where it ends, and what it is. It begins where the one before it ends.
#[derive(Debug, Clone, Copy, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Entry {
    end: usize,
    mark: FrameMark,
}

/// The memory of an outbox that has something to say.
#[derive(Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Storage {
    /// Frames one behind the other; the first `sent` bytes are already on the wire.
    bytes: Vec<u8>,
    sent: usize,
    /// Frames in the order in which they leave; the first `gone` of them are already on the wire.
    entries: Vec<Entry>,
    gone: usize,
    holes: Holes,
}

/// The queue of frames towards one connection.
#[derive(Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Outbox {
    storage: Option<Box<Storage>>,
}

/// Storage that drained outboxes gave back. Bounded in number and in size, so that a burst does not stay resident.
#[derive(Debug, Default)]
pub struct OutboxPool {
    #[expect(clippy::vec_box, reason = "the box itself is what is handed to and fro")]
    spare: Vec<Box<Storage>>,
}

impl OutboxPool {
    /// Storages kept for reuse.
    const MAX_SPARE: usize = 256;
    /// The largest storage worth keeping: a few turns of small frames.
    const MAX_SPARE_BYTES: usize = 16 * 1024;

    fn take(&mut self) -> Box<Storage> {
        self.spare.pop().unwrap_or_default()
    }

    fn give_back(&mut self, mut storage: Box<Storage>) {
        if self.spare.len() < Self::MAX_SPARE && storage.bytes.capacity() <= Self::MAX_SPARE_BYTES {
            storage.bytes.clear();
            storage.entries.clear();
            storage.sent = 0;
            storage.gone = 0;
            storage.holes.reset();
            self.spare.push(storage);
        }
    }
}

impl Outbox {
    /// Whether there is nothing to send.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.storage.is_none()
    }

    /// Bytes that are not yet on the wire.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        self.storage
            .as_ref()
            .map_or(0, |storage| storage.bytes.len() - storage.sent)
    }

    /// The bytes to send next, in order: all of them, or those before the next hole that has to be told of first.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        self.storage
            .as_ref()
            .map_or(&[], |storage| &storage.bytes[storage.sent..storage.barrier()])
    }

    /// Frames that are not yet wholly on the wire.
    #[must_use]
    pub fn unsent_frames(&self) -> usize {
        self.storage
            .as_ref()
            .map_or(0, |storage| storage.entries.len() - storage.gone)
    }

    /// When the oldest frame that is not yet wholly on the wire was queued. For a receiver that may be spared frames, those
    /// do not count.
    #[must_use]
    pub fn oldest_queued_at_ms(&self, may_be_spared: bool) -> Option<u64> {
        let storage = self.storage.as_ref()?;
        // Reports overtake, so the head is not always the oldest.
        storage.entries[storage.gone..]
            .iter()
            .filter(|entry| !may_be_spared || entry.mark.must_arrive())
            .map(|entry| entry.mark.queued_at_ms)
            .min()
    }

    /// Queues a frame in its lane.
    pub fn push(&mut self, pool: &mut OutboxPool, mark: FrameMark, frame: &[u8]) {
        let storage = self.storage.get_or_insert_with(|| pool.take());
        match mark.lane {
            Lane::Data => {
                storage.holes.note_queued(&mark);
                storage.append(mark, frame);
            }
            Lane::Control => storage.insert_after_control(mark, frame),
        }
    }

    /// Notes that the socket took the first `count` unsent bytes.
    ///
    /// # Panics
    ///
    /// When `count` is more than [`unsent_bytes`](Self::unsent_bytes): the caller's socket lied.
    pub fn advance(&mut self, pool: &mut OutboxPool, count: usize) {
        let Some(storage) = self.storage.as_mut() else {
            assert_eq!(count, 0, "nothing was queued, so nothing can have been sent");
            return;
        };
        storage.advance(count);
        self.let_go_if_drained(pool);
    }

    fn let_go_if_drained(&mut self, pool: &mut OutboxPool) {
        let Some(storage) = self.storage.as_mut() else { return };
        storage.forget_what_is_gone();
        if storage.bytes.is_empty() && storage.holes.is_empty() {
            pool.give_back(self.storage.take().expect("checked above"));
        }
    }

    /// Takes back the unsent `latest` value that `newer` replaces; says whether there was one. It leaves a hole.
    pub fn supersede(&mut self, newer: &FrameOrigin) -> bool {
        self.take_back(GapReason::LatestSuperseded, |origin| {
            origin.class == DeliveryClass::Latest
                && origin.key == newer.key
                && origin.epoch == newer.epoch
                && origin.sender == newer.sender
        })
    }

    /// Takes back the oldest unsent `volatile` frame; says whether there was one. It leaves a hole.
    pub fn evict_oldest_volatile(&mut self) -> bool {
        self.take_back(GapReason::VolatileDropped, |origin| {
            origin.class == DeliveryClass::Volatile
        })
    }

    /// Notes a hole at the end of the queue: a frame that was not queued.
    pub fn miss(&mut self, pool: &mut OutboxPool, origin: &FrameOrigin, reason: GapReason) {
        let storage = self.storage.get_or_insert_with(|| pool.take());
        storage.holes.add_last(origin, reason);
    }

    /// Whether something is missing of which the receiver has not been told.
    #[must_use]
    pub fn has_holes(&self) -> bool {
        self.storage.as_ref().is_some_and(|storage| !storage.holes.is_empty())
    }

    /// Whether all that may be sent before the next report has been sent.
    #[must_use]
    pub fn awaits_report(&self) -> bool {
        self.has_holes() && self.unsent().is_empty()
    }

    /// How many ranges the receiver was told, and has yet to be told, since the queue was last empty.
    #[must_use]
    pub fn gaps_outstanding(&self) -> usize {
        self.storage.as_ref().map_or(0, |storage| storage.holes.outstanding())
    }

    /// Takes out up to `limit` gaps that the receiver must be told of before anything else. The report of them must be
    /// [pushed](Self::push) into the control lane.
    pub fn take_due_gaps(&mut self, limit: usize) -> Vec<Gap> {
        let Some(storage) = self.storage.as_mut() else {
            return Vec::new();
        };
        let waiting = storage.entries[storage.first_untouched()..].iter();
        let fences_waiting = waiting.filter(|entry| entry.mark.is_fence()).count() as u64;
        storage.holes.take_due(fences_waiting, limit)
    }

    /// How many frames of each class a report that is queued now will overtake, by the class's place in the protocol's order.
    #[must_use]
    pub fn untouched_by_class(&self) -> [u64; DeliveryClass::ALL.len()] {
        let mut counts = [0; DeliveryClass::ALL.len()];
        if let Some(storage) = &self.storage {
            let origins = storage.entries[storage.first_untouched()..]
                .iter()
                .filter_map(|entry| entry.mark.origin);
            for origin in origins {
                counts[origin.class as usize] += 1;
            }
        }
        counts
    }

    /// Drops every frame that is not yet on the wire, except a head frame that is partly there: cutting it would make
    /// everything after it unreadable. Returns how many frames were dropped.
    pub fn discard_unsent(&mut self, pool: &mut OutboxPool) -> usize {
        let Some(storage) = self.storage.as_mut() else { return 0 };
        let kept = storage.first_untouched();
        let dropped = storage.entries.len() - kept;
        storage.entries.truncate(kept);
        storage
            .bytes
            .truncate(storage.entries.last().map_or(storage.sent, |entry| entry.end));
        storage.holes.reset();
        self.let_go_if_drained(pool);
        dropped
    }

    /// Whether the parts of an outbox that came out of an archive fit together.
    #[must_use]
    pub fn is_coherent(&self) -> bool {
        let Some(storage) = &self.storage else { return true };
        let Storage {
            bytes,
            sent,
            entries,
            gone,
            holes,
        } = &**storage;
        let fences = entries.iter().filter(|entry| entry.mark.is_fence()).count() as u64;
        if !holes.is_coherent(fences) {
            return false;
        }
        if bytes.is_empty() {
            return *sent == 0 && *gone == 0 && entries.is_empty() && !holes.is_empty();
        }
        *sent < bytes.len()
            && *gone < entries.len()
            && entries.is_sorted_by(|one, next| one.end < next.end)
            && entries.last().is_some_and(|last| last.end == bytes.len())
            && entries[*gone].end > *sent
            && storage.start_of(*gone) <= *sent
    }

    fn take_back(&mut self, reason: GapReason, wanted: impl Fn(&FrameOrigin) -> bool) -> bool {
        let Some(storage) = self.storage.as_mut() else {
            return false;
        };
        let untouched = storage.first_untouched();
        let found = storage.entries[untouched..]
            .iter()
            .position(|entry| entry.mark.origin.as_ref().is_some_and(&wanted));
        let Some(index) = found.map(|offset| untouched + offset) else {
            return false;
        };
        let fences_behind = storage.entries[index..]
            .iter()
            .filter(|entry| entry.mark.is_fence())
            .count() as u64;
        let removed = storage.remove(index);
        if let Some(origin) = &removed.origin {
            storage.holes.add_before(fences_behind, origin, reason);
        }
        storage.forget_what_is_gone();
        true
    }
}

impl Moments for Outbox {
    fn change_clock(&mut self, change: ClockChange) {
        let Some(storage) = &mut self.storage else { return };
        let Storage {
            bytes: _,
            sent: _,
            entries,
            gone: _,
            holes: _,
        } = &mut **storage;
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

impl Storage {
    fn append(&mut self, mark: FrameMark, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.entries.push(Entry {
            end: self.bytes.len(),
            mark,
        });
    }

    /// Queues a control frame behind the head frame that is partly sent and behind earlier control frames.
    fn insert_after_control(&mut self, mark: FrameMark, frame: &[u8]) {
        let untouched = self.first_untouched();
        let ahead = self.entries[untouched..]
            .iter()
            .take_while(|entry| entry.mark.lane == Lane::Control)
            .count()
            + untouched;
        if ahead == self.entries.len() {
            return self.append(mark, frame);
        }
        let at = self.start_of(ahead);
        self.bytes.splice(at..at, frame.iter().copied());
        for entry in &mut self.entries[ahead..] {
            entry.end += frame.len();
        }
        self.entries.insert(
            ahead,
            Entry {
                end: at + frame.len(),
                mark,
            },
        );
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

    fn start_of(&self, index: usize) -> usize {
        if index == 0 { 0 } else { self.entries[index - 1].end }
    }

    fn remove(&mut self, index: usize) -> FrameMark {
        let start = self.start_of(index);
        let entry = self.entries.remove(index);
        self.bytes.drain(start..entry.end);
        for later in &mut self.entries[index..] {
            later.end -= entry.end - start;
        }
        entry.mark
    }

    /// Once nothing waits, what was sent need not be kept.
    fn forget_what_is_gone(&mut self) {
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.entries.clear();
            (self.sent, self.gone) = (0, 0);
        }
    }

    fn advance(&mut self, count: usize) {
        /// Sent bytes in front of unsent ones that are worth moving the rest for.
        const COMPACT_BYTES: usize = 64 * 1024;
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
            self.sent -= head;
            self.gone = 0;
        }
    }
}

#[cfg(test)]
mod tests;
