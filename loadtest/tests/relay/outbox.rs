//! What one reader on version 3 is sent, and what it is told that it missed.
//!
//! Now and then, by count and not by clock, the outbox behaves as if its reader had fallen behind: what follows queues in a
//! short queue, from which the delivery classes leave things out. All that was left out is reported before anything later.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::fault::{Culprit, Fault};
use super::wire::{self, Class, Delivery, Version};

/// A reader falls behind at every so manyth delivery …
const BEHIND_EVERY: u64 = 16;
/// … for so many more …
const BEHIND_FOR: u64 = 9;
/// … of which so many find room.
const CAPACITY: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    LatestSuperseded,
    LatestDroppedFull,
    VolatileDropped,
}

impl Reason {
    const ALL: [Self; 3] = [Self::LatestSuperseded, Self::LatestDroppedFull, Self::VolatileDropped];

    fn word(self) -> &'static str {
        match self {
            Self::LatestSuperseded => "latest_superseded",
            Self::LatestDroppedFull => "latest_dropped_full",
            Self::VolatileDropped => "volatile_dropped",
        }
    }
}

#[derive(Debug, Clone)]
struct Gap {
    from: String,
    epoch: u64,
    from_seq: u64,
    to_seq: u64,
    reason: Reason,
}

impl Gap {
    fn of(delivery: &Delivery, reason: Reason) -> Self {
        Self {
            from: delivery.from.clone(),
            epoch: delivery.epoch,
            from_seq: delivery.seq,
            to_seq: delivery.seq,
            reason,
        }
    }

    fn continues(&self, earlier: &Self) -> bool {
        (&self.from, self.epoch, self.reason, self.from_seq)
            == (&earlier.from, earlier.epoch, earlier.reason, earlier.to_seq + 1)
    }
}

/// The stream of one connection.
pub(super) struct Outbox {
    culprit: Culprit,
    offered: u64,
    behind_until: u64,
    queue: VecDeque<Delivery>,
    gaps: Vec<Gap>,
    delivered: [u64; 3],
    left_out: [u64; Reason::ALL.len()],
}

impl Outbox {
    pub(super) fn new(culprit: Culprit) -> Self {
        Self {
            culprit,
            offered: 0,
            behind_until: 0,
            queue: VecDeque::new(),
            gaps: Vec::new(),
            delivered: [0; 3],
            left_out: [0; 3],
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.gaps.is_empty()
    }

    /// What is to be written now that another delivery has come.
    pub(super) fn offer(&mut self, delivery: Delivery) -> Vec<u8> {
        self.offered += 1;
        if self.offered.is_multiple_of(BEHIND_EVERY) {
            self.behind_until = self.offered + BEHIND_FOR;
        }
        if self.offered <= self.behind_until {
            return self.hold(delivery);
        }
        let mut bytes = self.release();
        let (mut gap, mut after) = (None, false);
        match delivery.class {
            Some(Class::Volatile) if self.culprit.makes(Fault::UnreportedDrop) => return bytes,
            Some(Class::Volatile) if self.culprit.makes(Fault::ReportOfDelivered) => {
                (gap, after) = (Some(Reason::VolatileDropped), true);
            }
            Some(Class::Latest { .. }) if self.culprit.makes(Fault::SupersededByNothing) => {
                gap = Some(Reason::LatestSuperseded);
            }
            _ => {}
        }
        if gap.is_none() || after {
            bytes.extend(self.write(delivery.clone()));
        }
        if let Some(reason) = gap {
            self.miss(&delivery, reason);
            bytes.extend(self.report());
        }
        bytes
    }

    fn hold(&mut self, delivery: Delivery) -> Vec<u8> {
        let superseded = self.queue.iter().position(|queued| {
            matches!(delivery.class, Some(Class::Latest { .. }))
                && (&queued.from, queued.epoch, queued.class) == (&delivery.from, delivery.epoch, delivery.class)
        });
        if let Some(at) = superseded {
            if self.culprit.makes(Fault::SupersededYetDelivered) {
                let kept = self.queue[at].clone();
                self.miss(&kept, Reason::LatestSuperseded);
            } else {
                let old = self.queue.remove(at).expect("just found");
                self.miss(&old, Reason::LatestSuperseded);
            }
        } else if self.queue.len() == CAPACITY {
            let oldest = self
                .queue
                .iter()
                .position(|queued| queued.class == Some(Class::Volatile));
            match (delivery.class, oldest) {
                (None | Some(Class::Reliable), _) => {
                    // It may not be left out: the reader catches up.
                    self.behind_until = 0;
                    let mut bytes = self.release();
                    bytes.extend(self.write(delivery));
                    return bytes;
                }
                (_, Some(at)) => {
                    let old = self.queue.remove(at).expect("just found");
                    self.miss(&old, Reason::VolatileDropped);
                }
                (Some(Class::Volatile), None) => {
                    self.miss(&delivery, Reason::VolatileDropped);
                    return Vec::new();
                }
                (Some(Class::Latest { .. }), None) => {
                    self.miss(&delivery, Reason::LatestDroppedFull);
                    return Vec::new();
                }
            }
        }
        self.queue.push_back(delivery);
        Vec::new()
    }

    /// What waits: first what is missing, then the rest.
    pub(super) fn release(&mut self) -> Vec<u8> {
        let late = self.gaps_pass() && self.culprit.makes(Fault::ReportTooLate);
        let mut bytes = if late { Vec::new() } else { self.report() };
        while let Some(delivery) = self.queue.pop_front() {
            bytes.extend(self.write(delivery));
        }
        bytes.extend(self.report());
        bytes
    }

    /// One message is missing, and a later one of its sender waits.
    fn gaps_pass(&self) -> bool {
        let [gap] = &self.gaps[..] else { return false };
        let mut waiting = self.queue.iter();
        gap.from_seq == gap.to_seq && waiting.any(|queued| queued.from == gap.from && queued.seq > gap.to_seq)
    }

    fn miss(&mut self, delivery: &Delivery, reason: Reason) {
        let gap = Gap::of(delivery, reason);
        match self.gaps.last_mut() {
            Some(last) if gap.continues(last) => last.to_seq = gap.to_seq,
            _ => self.gaps.push(gap),
        }
    }

    fn write(&mut self, mut delivery: Delivery) -> Vec<u8> {
        self.delivered[match delivery.class {
            None | Some(Class::Reliable) => 0,
            Some(Class::Latest { .. }) => 1,
            Some(Class::Volatile) => 2,
        }] += 1;
        if delivery.epoch > 1 && self.culprit.makes(Fault::EpochBack) {
            delivery.epoch -= 1;
        }
        if self.culprit.makes(Fault::SeqSkips) {
            delivery.seq += 1;
        }
        if let Some(Class::Latest { key }) = &mut delivery.class
            && self.culprit.makes(Fault::WrongKey)
        {
            *key += 1;
        }
        if delivery.class == Some(Class::Volatile) && self.culprit.makes(Fault::WrongClass) {
            delivery.class = Some(Class::Reliable);
        }
        delivery.frame(Version::Three)
    }

    fn report(&mut self) -> Vec<u8> {
        let mut gaps = std::mem::take(&mut self.gaps);
        if gaps.is_empty() {
            return Vec::new();
        }
        let single = gaps.iter_mut().find(|gap| gap.from_seq == gap.to_seq);
        let mut again = None;
        if let Some(gap) = single {
            if gap.reason == Reason::VolatileDropped && self.culprit.makes(Fault::WrongReason) {
                gap.reason = Reason::LatestSuperseded;
            }
            if self.culprit.makes(Fault::ReportTwice) {
                again = Some(gap.clone());
            }
        }
        let before = self.left_out;
        self.count(&gaps);
        if self.culprit.makes(Fault::CountersStandStill) {
            self.left_out = before;
        }
        let at_falling = (0..before.len()).find(|&at| before[at] > 0);
        if let Some(at) = at_falling
            && self.culprit.makes(Fault::CountersFall)
        {
            self.left_out = before;
            self.left_out[at] -= 1;
        }
        let mut bytes = self.report_of(&gaps);
        if let Some(gap) = again {
            self.count(std::slice::from_ref(&gap));
            bytes.extend(self.report_of(&[gap]));
        }
        bytes
    }

    fn count(&mut self, gaps: &[Gap]) {
        for gap in gaps {
            self.left_out[gap.reason as usize] += gap.to_seq - gap.from_seq + 1;
        }
    }

    fn report_of(&self, gaps: &[Gap]) -> Vec<u8> {
        let ([reliable, latest, volatile], [superseded, dropped_full, dropped]) = (self.delivered, self.left_out);
        let gaps: Vec<Value> = gaps
            .iter()
            .map(|gap| {
                json!({"from_player": gap.from, "epoch": gap.epoch, "from_seq": gap.from_seq, "to_seq": gap.to_seq,
                    "reason": gap.reason.word()})
            })
            .collect();
        let report = json!({"type": "DeliveryReport", "data": {"per_class": {
            "reliable": {"delivered": reliable, "abandoned": 0, "unsupported_format": 0},
            "latest": {"delivered": latest, "superseded": superseded, "dropped_full": dropped_full, "abandoned": 0,
                "unsupported_format": 0},
            "volatile": {"delivered": volatile, "dropped": dropped, "abandoned": 0, "unsupported_format": 0},
        }, "gaps": gaps}});
        wire::message(&report)
    }
}
