//! How frames go through an outbox: queued, taken back, handed out, sent.

use crate::protocol::DeliveryClass;
use crate::protocol::delivery::{Gap, GapReason};
use crate::shard::outbox::departed::Departed;
use crate::shard::outbox::droppables::Droppable;
use crate::shard::outbox::entry::{Entry, Kind};
use crate::shard::outbox::mark::{FrameMark, FrameOrigin};
use crate::shard::outbox::storage::Storage;

impl Storage {
    /// Whether all that was handed out has been taken, and more waits.
    pub(super) fn has_more_at_once(&self) -> bool {
        self.offered_bytes == 0 && !(self.bytes.is_empty() && self.holes.is_empty())
    }

    pub(super) fn oldest_queued_at_ms(&self, may_be_spared: bool) -> Option<u64> {
        let must_arrive = [Kind::Report, Kind::Fence, Kind::Reliable];
        if may_be_spared && must_arrive.iter().all(|kind| self.living[*kind as usize] == 0) {
            return None;
        }
        let mut oldest: Option<u64> = None;
        for (place, entry) in self.entries.iter().enumerate() {
            if entry.is_dead || (may_be_spared && entry.kind.droppable().is_some()) {
                continue;
            }
            oldest = Some(oldest.map_or(entry.queued_at_ms, |oldest| oldest.min(entry.queued_at_ms)));
            // Reports overtake all but the head; behind the first data after that everything is younger.
            if place > 0 && entry.kind != Kind::Report {
                break;
            }
        }
        oldest
    }

    /// How many frames of each class wait untouched, by the class's place in the protocol's order.
    pub(super) fn untouched_by_class(&self) -> [u64; DeliveryClass::ALL.len()] {
        let mut counts = [0; DeliveryClass::ALL.len()];
        counts[DeliveryClass::Reliable as usize] = self.untouched(Kind::Reliable);
        for class in [DeliveryClass::Latest, DeliveryClass::Volatile] {
            counts[class as usize] = self.droppables.count(class) as u64;
        }
        counts
    }

    /// Fences of which no byte is on the wire.
    pub(super) fn fences_waiting(&self) -> u64 {
        self.untouched(Kind::Fence)
    }

    /// Living frames of a kind of which no byte is on the wire.
    fn untouched(&self, kind: Kind) -> u64 {
        let is_cut = self.cut_bytes > 0 && self.entries[0].kind == kind;
        u64::from(self.living[kind as usize]) - u64::from(is_cut)
    }

    /// Appends a frame; `limit_bytes` is what may be held, as far as that is up to growth.
    #[inline]
    pub(super) fn append(&mut self, mark: &FrameMark, frame: &[u8], limit_bytes: usize) {
        self.make_room(frame.len(), limit_bytes);
        let entry = Entry::of(mark, frame);
        if let Some(origin) = &mark.origin
            && (entry.kind != Kind::Reliable || self.told.awaits_data())
        {
            self.note_origin(origin, limit_bytes);
        }
        self.holes.note_queued(entry.kind);
        self.living[entry.kind as usize] += 1;
        self.bytes.extend(frame);
        self.entries.push_back(entry);
    }

    /// Notes whose the next frame is. Not inlined: nobody is told of gaps on the relay path, and most of it may not be left out.
    #[inline(never)]
    fn note_origin(&mut self, origin: &FrameOrigin, limit_bytes: usize) {
        let number = self.first_number + self.entries.len() as u64;
        self.told.note_queued(origin, number);
        if origin.class != DeliveryClass::Reliable {
            let droppable = Droppable {
                number,
                fences_before: self.holes.fences(),
                origin: *origin,
            };
            let spare_bytes = limit_bytes.saturating_sub(self.held_bytes());
            self.droppables.push(droppable, spare_bytes);
        }
    }

    /// Queues a report behind the head frame that is partly sent and behind earlier reports.
    #[inline(never)]
    pub(super) fn insert_report(&mut self, mark: &FrameMark, frame: &[u8], limit_bytes: usize) {
        self.make_room(frame.len(), limit_bytes);
        let untouched = usize::from(self.cut_bytes > 0);
        let reports = self.entries.iter().skip(untouched);
        let ahead = untouched + reports.take_while(|entry| entry.kind == Kind::Report).count();
        let ahead_bytes = self.length_of(0..ahead);
        // What is ahead goes behind everything, the report behind that, and both to the front: little is moved.
        self.bytes.rotate_left(ahead_bytes);
        self.bytes.extend(frame);
        self.bytes.rotate_right(ahead_bytes + frame.len());
        self.entries.insert(ahead, Entry::of(mark, frame));
        self.living[Kind::Report as usize] += 1;
        self.first_number -= 1;
    }

    /// Takes back the oldest frame of a class; says whether there was one. It leaves a hole.
    pub(super) fn take_back_oldest(&mut self, class: DeliveryClass, reason: GapReason) -> bool {
        let oldest = self.droppables.pop_oldest(class);
        oldest.map(|droppable| self.take_back(&droppable, reason)).is_some()
    }

    /// Takes back the value that `newer` replaces; says whether there was one. It leaves a hole.
    pub(super) fn take_back_older(&mut self, newer: &FrameOrigin) -> bool {
        let older = self.droppables.pop_older(newer);
        older
            .map(|droppable| self.take_back(&droppable, GapReason::LatestSuperseded))
            .is_some()
    }

    fn take_back(&mut self, droppable: &Droppable, reason: GapReason) {
        let Droppable {
            number,
            fences_before,
            origin,
        } = droppable;
        self.holes.add(*fences_before, origin, reason);
        self.told.note_taken_back(origin, *number);
        let entry = &mut self.entries[(number - self.first_number) as usize];
        entry.is_dead = true;
        self.living[entry.kind as usize] -= 1;
        self.dead_bytes += entry.length();
        self.dead_frames += 1;
        if self.unsent_bytes() == 0 {
            self.clear();
        } else if self.dead_bytes >= self.unsent_bytes() {
            self.squeeze();
            self.let_go();
        }
    }

    /// Drops every frame of which no byte is on the wire; returns how many there were.
    pub(super) fn discard_untouched(&mut self) -> usize {
        let kept = usize::from(self.cut_bytes > 0);
        let dropped = self.unsent_frames() - kept;
        if kept == 0 {
            self.clear();
            return dropped;
        }
        self.bytes.truncate(self.length_of(0..kept));
        self.entries.truncate(kept);
        self.droppables.clear();
        self.living = [0; Kind::COUNT];
        for entry in &self.entries {
            self.living[entry.kind as usize] += 1;
        }
        (self.dead_bytes, self.dead_frames) = (0, 0);
        self.let_go();
        dropped
    }

    /// The bytes to send next: what lies in one piece, up to the next hole that has not been told of.
    pub(super) fn sendable(&mut self) -> &[u8] {
        self.squeeze();
        let barrier = self.barrier();
        let (piece, _) = self.bytes.as_slices();
        let piece = &piece[..piece.len().min(barrier)];
        self.offered_bytes = piece.len();
        piece
    }

    /// Where to stop sending: behind the fence before the first hole that has not been told of.
    fn barrier(&self) -> usize {
        let Some(fences_behind) = self.holes.fences_behind_first() else {
            return self.bytes.len();
        };
        // The fence that the hole comes after is followed by so many; none is left when all that are here come behind it.
        let mut fences = self.living[Kind::Fence as usize] as usize;
        if fences <= fences_behind {
            return 0;
        }
        let through_fence = self.entries.iter().position(|entry| {
            if entry.kind == Kind::Fence {
                fences -= 1;
            }
            fences == fences_behind
        });
        through_fence.map_or(0, |fence| self.length_of(0..fence + 1))
    }

    /// Takes out up to `limit` gaps that the receiver must be told of now.
    pub(super) fn take_due_gaps(&mut self, limit: usize) -> Vec<Gap> {
        let gaps = self.holes.take_due(self.fences_waiting(), limit);
        self.told.tell(&gaps);
        gaps
    }

    pub(super) fn advance(&mut self, count: usize, departed: &mut Departed) {
        self.squeeze();
        assert!(
            count <= self.bytes.len(),
            "the socket cannot take more than it was given"
        );
        if count == self.bytes.len() {
            departed.note_all(&self.living, &self.entries);
            return self.clear();
        }
        self.offered_bytes = self.offered_bytes.saturating_sub(count);
        self.bytes.drain(..count);
        let mut sent = self.cut_bytes + count;
        while let Some(entry) = self.entries.front().copied()
            && sent > 0
        {
            if self.cut_bytes == 0
                && let Some(class) = entry.kind.droppable()
            {
                self.droppables.pop_oldest(class);
            }
            if sent < entry.length() {
                break;
            }
            sent -= entry.length();
            self.cut_bytes = 0;
            self.living[entry.kind as usize] -= 1;
            departed.note(&entry);
            self.told.note_gone(self.first_number);
            self.first_number += 1;
            self.entries.pop_front();
        }
        self.cut_bytes = sent;
        self.let_go();
    }
}
