//! The frames of an outbox that may be taken back, by class, in the order in which they were queued.
//!
//! Only those are listed of which no byte is on the wire and that were not taken back. A frame is named by its number; what
//! leaves in front of it changes no numbers.

use std::collections::VecDeque;

use crate::protocol::DeliveryClass;
use crate::shard::outbox::{FrameOrigin, growth};

/// A frame that may be taken back.
#[derive(Debug, Clone, Copy, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Droppable {
    pub(super) number: u64,
    /// How many fences had been queued before it.
    pub(super) fences_before: u64,
    pub(super) origin: FrameOrigin,
}

/// All of them.
#[derive(Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Droppables {
    latest: VecDeque<Droppable>,
    volatile: VecDeque<Droppable>,
}

impl Droppables {
    pub(super) fn held_bytes(&self) -> usize {
        growth::held_bytes(&self.latest) + growth::held_bytes(&self.volatile)
    }

    pub(super) fn clear(&mut self) {
        // Mostly there are none, and this is on the way of every send.
        if self.latest.is_empty() && self.volatile.is_empty() {
            return;
        }
        self.latest.clear();
        self.volatile.clear();
    }

    pub(super) fn count(&self, class: DeliveryClass) -> usize {
        match class {
            DeliveryClass::Reliable => 0,
            DeliveryClass::Latest => self.latest.len(),
            DeliveryClass::Volatile => self.volatile.len(),
        }
    }

    pub(super) fn push(&mut self, droppable: Droppable, spare_bytes: usize) {
        if let Some(list) = self.list(droppable.origin.class) {
            growth::make_room(list, 1, spare_bytes);
            list.push_back(droppable);
        }
    }

    /// Takes the oldest of a class from the list.
    pub(super) fn pop_oldest(&mut self, class: DeliveryClass) -> Option<Droppable> {
        let list = self.list(class)?;
        let oldest = list.pop_front();
        growth::let_go(list);
        oldest
    }

    /// Takes the oldest value that `newer` replaces from the list. A search, as long as `latest` values wait: senders choose
    /// keys, and how many values wait for a slow reader is bounded.
    pub(super) fn pop_older(&mut self, newer: &FrameOrigin) -> Option<Droppable> {
        let place = self.latest.iter().position(|known| {
            let origin = &known.origin;
            origin.key == newer.key && origin.epoch == newer.epoch && origin.sender == newer.sender
        })?;
        self.latest.remove(place)
    }

    /// Changes every number.
    pub(super) fn renumber(&mut self, new: impl Fn(u64) -> u64) {
        for droppable in self.latest.iter_mut().chain(&mut self.volatile) {
            droppable.number = new(droppable.number);
        }
    }

    /// All of them, each class in order.
    pub(super) fn lists(&self) -> [&VecDeque<Droppable>; 2] {
        [&self.latest, &self.volatile]
    }

    const fn list(&mut self, class: DeliveryClass) -> Option<&mut VecDeque<Droppable>> {
        match class {
            DeliveryClass::Reliable => None,
            DeliveryClass::Latest => Some(&mut self.latest),
            DeliveryClass::Volatile => Some(&mut self.volatile),
        }
    }
}
