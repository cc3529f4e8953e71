//! What a connection was sent, what it missed, and what it was told of that; only readers on version 3 are told.

use crate::protocol::delivery::{DeliveryCounts, Gap, Losses};
use crate::protocol::{DeliveryClass, ServerMessage};
use crate::shard::outbox::FrameOrigin;

/// The books of one connection, since it was opened. They follow it from shard to shard and room to room.
#[derive(Debug, Clone, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(in crate::shard) struct DeliveryAccount {
    /// Game data queued and not taken back, by class.
    queued: [u64; DeliveryClass::ALL.len()],
    /// Control messages queued.
    control: u64,
    /// What it was told that it missed.
    told: Losses,
    /// What it missed, told or not.
    missed: u64,
    /// How often its socket was full.
    waits: u64,
    /// Whether it was told in words of undeliverable data since the last report: once per report is enough, and published
    /// clients take a second time for a mistake.
    is_advised: bool,
}

impl DeliveryAccount {
    /// Notes that a message was queued.
    pub(in crate::shard) fn note_queued(&mut self, origin: Option<&FrameOrigin>) {
        match origin {
            Some(origin) => self.queued[origin.class as usize] += 1,
            None => self.control += 1,
        }
    }

    /// Notes that a message will not come; it had been queued if `was_queued`.
    pub(in crate::shard) fn note_missed(&mut self, class: DeliveryClass, was_queued: bool) {
        self.missed += 1;
        if was_queued {
            self.queued[class as usize] -= 1;
        }
    }

    /// Notes that the socket was full.
    pub(in crate::shard) const fn note_wait(&mut self) {
        self.waits += 1;
    }

    /// Whether to tell the receiver in words of undeliverable data; notes that it is told.
    pub(in crate::shard) const fn may_advise(&mut self) -> bool {
        !std::mem::replace(&mut self.is_advised, true)
    }

    /// Notes that the receiver is told of gaps.
    pub(in crate::shard) fn tell(&mut self, gaps: &[Gap]) {
        gaps.iter().for_each(|gap| self.told.add(gap));
        self.is_advised = false;
    }

    /// Messages missed, told or not.
    pub(in crate::shard) const fn missed(&self) -> u64 {
        self.missed
    }

    /// How often the socket was full.
    pub(in crate::shard) const fn waits(&self) -> u64 {
        self.waits
    }

    /// What became of everything that comes before a report, when so much of each class comes behind it.
    pub(in crate::shard) fn counts(&self, behind: [u64; DeliveryClass::ALL.len()]) -> DeliveryCounts {
        DeliveryCounts {
            delivered: std::array::from_fn(|class| self.queued[class] - behind[class]),
            losses: self.told,
        }
    }

    /// Messages queued and not taken back, since the connection was opened.
    pub(in crate::shard) fn queued_in_all(&self) -> u64 {
        self.queued.iter().sum::<u64>() + self.control
    }

    /// The figures of `RelayStats`.
    pub(in crate::shard) fn stats(&self, interval_ms: u64) -> ServerMessage<'static> {
        ServerMessage::RelayStats {
            interval_ms,
            sent_to_you: self.queued_in_all(),
            dropped_for_you: self.missed,
            backpressure_events: self.waits,
        }
    }
}
