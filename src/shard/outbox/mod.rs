//! What waits to be sent to one connection: bytes, and an index of the frames in them.
//!
//! Owns the order of frames and knows which of them may still be taken back: an unsent frame can be superseded, evicted
//! or preceded by another, a head frame that is partly on the wire cannot. What was taken back, or never queued, leaves a
//! hole, and nothing that comes after a hole is handed out before the hole has been told of, see [`holes`]. Taking one back
//! moves no bytes and searches only what may be taken back, see [`storage`]: a sender pays for it, and readers decide how much
//! waits. Everything that it makes the process hold is in its [weight](Outbox::weight_bytes), and what has left is let go of,
//! see [`growth`]. An outbox with nothing to say owns no memory; its storage comes from the shard's [`OutboxPool`] and goes
//! back there the moment it has drained.
//!
//! Must never decide policy: caps, ages and what happens when they are passed belong to the shard.

pub(super) mod account;
mod coherence;
mod departed;
mod droppables;
mod entry;
mod growth;
mod holes;
mod mark;
mod memory;
mod queue;
mod storage;
mod told;

pub use departed::Departed;
pub use mark::{FrameMark, FrameOrigin, Lane};

use crate::clock::{ClockChange, Moments};
use crate::protocol::DeliveryClass;
use crate::protocol::delivery::{Gap, GapReason};
use crate::shard::outbox::storage::Storage;

/// The queue of frames towards one connection.
#[derive(Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Outbox {
    storage: Option<Box<Storage>>,
}

/// What the outboxes of a shard share: storage that drained ones gave back, bounded in size, each and together, so that a
/// burst does not stay resident; and the account of what has left them.
#[derive(Debug)]
pub struct OutboxPool {
    /// Each with what it holds, so that it need not be looked at before it is used.
    spare: Vec<(Box<Storage>, usize)>,
    spare_bytes: usize,
    /// Beyond this weight no outbox grows by more than it needs.
    limit_bytes: usize,
    departed: Departed,
}

/// A pool for outboxes without a cap.
impl Default for OutboxPool {
    fn default() -> Self {
        Self::capped(usize::MAX)
    }
}

impl OutboxPool {
    /// What all together may hold: a turn of the busiest shard, some thousand connections with a kilobyte each.
    const MAX_SPARE_BYTES: usize = 4 * 1024 * 1024;
    /// The largest storage worth keeping: a hundred small frames. With half of it 12 rooms of 16 at saturation, with 58 frames a
    /// send, allocated anew every turn: 0.22 µs per delivery instead of 0.19.
    const MAX_BYTES_OF_ONE: usize = 32 * 1024;

    /// A pool for outboxes that weigh at most so much.
    #[must_use]
    pub fn capped(limit_bytes: usize) -> Self {
        Self {
            spare: Vec::new(),
            spare_bytes: 0,
            limit_bytes,
            departed: Departed::default(),
        }
    }

    /// What has left outboxes since somebody looked.
    pub const fn departed(&mut self) -> &mut Departed {
        &mut self.departed
    }

    #[inline]
    fn take(&mut self) -> Box<Storage> {
        let Some((storage, held_bytes)) = self.spare.pop() else {
            return Box::default();
        };
        self.spare_bytes -= held_bytes;
        storage
    }

    /// Takes storage without frames.
    fn give_back(&mut self, mut storage: Box<Storage>) {
        let bytes = storage.held_bytes();
        // What is spare weighs on whoever takes it next.
        let most = Self::MAX_BYTES_OF_ONE.min(self.limit_bytes / 8);
        if bytes <= most && self.spare_bytes + bytes <= Self::MAX_SPARE_BYTES {
            storage.holes.reset();
            storage.told.reset();
            self.spare_bytes += bytes;
            self.spare.push((storage, bytes));
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
        self.storage.as_ref().map_or(0, |storage| storage.unsent_bytes())
    }

    /// Everything that the outbox makes the process hold, at its true size: bytes and index, used or not, holes, gaps that the
    /// receiver remembers.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        self.storage.as_ref().map_or(0, |storage| storage.held_bytes())
    }

    /// The least that it would weigh with one more frame of so many bytes, but for the mark of one that may be taken back.
    #[must_use]
    pub fn weight_bytes_with(&self, frame_bytes: usize) -> usize {
        self.storage
            .as_ref()
            .map_or(frame_bytes, |storage| storage.held_bytes_with(frame_bytes))
    }

    /// The bytes to send next, in order: as many as lie in one piece before the next hole that has to be told of first. When
    /// all of them were taken and there [is more](Self::has_more_at_once), ask again.
    #[must_use]
    pub fn unsent(&mut self) -> &[u8] {
        self.storage.as_mut().map_or(&[], |storage| storage.sendable())
    }

    /// Frames that are not yet wholly on the wire.
    #[must_use]
    pub fn unsent_frames(&self) -> usize {
        self.storage.as_ref().map_or(0, |storage| storage.unsent_frames())
    }

    /// When the oldest frame that is not yet wholly on the wire was queued. For a receiver that may be spared frames, those
    /// do not count.
    #[must_use]
    pub fn oldest_queued_at_ms(&self, may_be_spared: bool) -> Option<u64> {
        self.storage.as_ref()?.oldest_queued_at_ms(may_be_spared)
    }

    /// Queues a frame in its lane.
    #[inline]
    pub fn push(&mut self, pool: &mut OutboxPool, mark: &FrameMark, frame: &[u8]) {
        let storage = self.storage.get_or_insert_with(|| pool.take());
        match mark.lane {
            Lane::Data => storage.append(mark, frame, pool.limit_bytes),
            Lane::Control => storage.insert_report(mark, frame, pool.limit_bytes),
        }
    }

    /// Notes that the socket took the first `count` unsent bytes.
    ///
    /// # Panics
    ///
    /// When `count` is more than [`unsent_bytes`](Self::unsent_bytes): the caller's socket lied.
    #[inline]
    pub fn advance(&mut self, pool: &mut OutboxPool, count: usize) {
        let Some(storage) = self.storage.as_mut() else {
            assert_eq!(count, 0, "nothing was queued, so nothing can have been sent");
            return;
        };
        storage.advance(count, &mut pool.departed);
        self.let_go_if_drained(pool);
    }

    fn let_go_if_drained(&mut self, pool: &mut OutboxPool) {
        let is_drained = |storage: &&mut Box<Storage>| storage.is_drained() && storage.holes.is_empty();
        if self.storage.as_mut().filter(is_drained).is_some() {
            pool.give_back(self.storage.take().expect("checked above"));
        }
    }

    /// Takes back the unsent `latest` value that `newer` replaces; says whether there was one. It leaves a hole.
    pub fn supersede(&mut self, newer: &FrameOrigin) -> bool {
        self.storage
            .as_mut()
            .is_some_and(|storage| storage.take_back_older(newer))
    }

    /// Takes back the oldest unsent `volatile` frame; says whether there was one. It leaves a hole.
    pub fn evict_oldest_volatile(&mut self) -> bool {
        self.evict_oldest(DeliveryClass::Volatile, GapReason::VolatileDropped)
    }

    /// Takes back the oldest unsent `volatile` frame or, when there is none, the oldest unsent `latest` value; says which, and
    /// as what it is reported. It leaves a hole.
    pub fn evict_oldest_droppable(&mut self) -> Option<(DeliveryClass, GapReason)> {
        [
            (DeliveryClass::Volatile, GapReason::VolatileDropped),
            (DeliveryClass::Latest, GapReason::LatestDroppedFull),
        ]
        .into_iter()
        .find(|(class, reason)| self.evict_oldest(*class, *reason))
    }

    fn evict_oldest(&mut self, class: DeliveryClass, reason: GapReason) -> bool {
        self.storage
            .as_mut()
            .is_some_and(|storage| storage.take_back_oldest(class, reason))
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

    /// Whether all that was last handed out has been taken, and more waits: the rest in another piece, or behind a report.
    #[must_use]
    pub fn has_more_at_once(&self) -> bool {
        self.storage.as_ref().is_some_and(|storage| storage.has_more_at_once())
    }

    /// How many ranges the receiver has yet to be told, and was told and remembers, because nothing later of that sender has
    /// left since.
    #[must_use]
    pub fn gaps_outstanding(&self) -> usize {
        self.storage
            .as_ref()
            .map_or(0, |storage| storage.holes.count() + storage.told.count())
    }

    /// Takes out up to `limit` gaps that the receiver must be told of before anything else. The report of them must be
    /// [pushed](Self::push) into the control lane.
    pub fn take_due_gaps(&mut self, limit: usize) -> Vec<Gap> {
        self.storage
            .as_mut()
            .map_or_else(Vec::new, |storage| storage.take_due_gaps(limit))
    }

    /// How many frames of each class a report that is queued now will overtake, by the class's place in the protocol's order.
    #[must_use]
    pub fn untouched_by_class(&self) -> [u64; DeliveryClass::ALL.len()] {
        self.storage
            .as_ref()
            .map_or([0; DeliveryClass::ALL.len()], |storage| storage.untouched_by_class())
    }

    /// How much game data is not yet wholly on the wire, by the class's place in the protocol's order.
    #[must_use]
    pub fn unsent_by_class(&self) -> [u64; DeliveryClass::ALL.len()] {
        self.storage.as_ref().map_or([0; DeliveryClass::ALL.len()], |storage| {
            departed::by_class(&storage.living)
        })
    }

    /// Drops every frame that is not yet on the wire, except a head frame that is partly there: cutting it would make
    /// everything after it unreadable. Returns how many frames were dropped.
    pub fn discard_unsent(&mut self, pool: &mut OutboxPool) -> usize {
        let Some(storage) = self.storage.as_mut() else { return 0 };
        let dropped = storage.discard_untouched();
        storage.holes.reset();
        storage.told.reset();
        self.let_go_if_drained(pool);
        dropped
    }

    /// Whether the parts of an outbox that came out of an archive fit together.
    #[must_use]
    pub fn is_coherent(&self) -> bool {
        self.storage.as_ref().is_none_or(|storage| storage.is_coherent())
    }
}

impl Moments for Outbox {
    fn change_clock(&mut self, change: ClockChange) {
        if let Some(storage) = &mut self.storage {
            storage.change_clock(change);
        }
    }
}

#[cfg(test)]
mod tests;
