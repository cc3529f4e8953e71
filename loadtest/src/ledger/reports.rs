//! Delivery reports: what the server tells that it leaves out, held against what was sent and what came.

use crate::client::delivery_report::{Counters, DeliveryReport, ReportedGap};
use crate::delivery::Delivery;
use crate::ledger::gaps::Why;
use crate::ledger::{Ledger, Moved};

impl Ledger {
    /// Enters a report to `receiver`; `senders` are those of its gaps. Streams that moved by it go into `moved`.
    pub(crate) fn report(
        &mut self,
        receiver: u32,
        report: &DeliveryReport,
        senders: &[Option<u32>],
        moved: &mut Vec<Moved>,
    ) {
        let before = std::mem::replace(&mut self.counters[receiver as usize], report.counters);
        if let Some(fault) = report.counters.fault_after(&before, &report.gaps) {
            self.misreported(None, receiver, &fault);
        }
        for (gap, &sender) in report.gaps.iter().zip(senders) {
            match sender {
                Some(sender) if sender != receiver => self.reported_gap(sender, receiver, gap, moved),
                _ => self.misreported(None, receiver, "a gap of a player who sends nothing to it"),
            }
        }
    }

    /// The connection of `member` is a new one, whose counters begin at 0.
    pub(super) fn forget_counters(&mut self, member: u32) {
        self.counters[member as usize] = Counters::default();
    }

    fn reported_gap(&mut self, sender: u32, receiver: u32, gap: &ReportedGap, moved: &mut Vec<Moved>) {
        let words = || format!("a gap of {}–{} in epoch {}", gap.from_seq, gap.to_seq, gap.epoch);
        let Some(sequences) = self.epochs.sequences(sender, gap.epoch, self.sent[sender as usize]) else {
            return self.misreported(Some(sender), receiver, &format!("{}, which there never was", words()));
        };
        let first = gap.from_seq.checked_sub(1);
        let from = first.and_then(|before| self.epochs.after(sender, gap.epoch, before));
        let to = self.epochs.after(sender, gap.epoch, gap.to_seq);
        let (Some(from), Some(to)) = (from, to) else {
            return self.misreported(Some(sender), receiver, &format!("{}, which cannot be", words()));
        };
        let mut fault = (from >= to || to > sequences.end).then_some("which was not sent");
        let pair = self.pair(sender, receiver);
        let before = self.next[pair as usize];
        for sequence in from..to.min(sequences.end) {
            let known = self.gaps.why(pair, sequence).is_some();
            let passed = sequence < before;
            if known || (passed && !self.skipped.remove(&(pair, sequence))) {
                fault = fault.or(Some("of what was delivered or told before"));
                continue;
            }
            if passed {
                fault = fault.or(Some("after later messages had come"));
            }
            fault = fault.or(self.wrong_reason(sender, sequence, sequences.end, gap.why));
            self.gaps.add(pair, before, sequence, gap.why);
            let told = &mut self.totals.told;
            match gap.why {
                Why::Superseded => told.superseded += 1,
                Why::DroppedFull => told.reported.dropped_full += 1,
                Why::VolatileDropped => told.reported.volatile_dropped += 1,
                Why::UnsupportedFormat | Why::Unaccepted => told.reported.unsupported_format += 1,
            }
        }
        if let Some(fault) = fault {
            self.misreported(Some(sender), receiver, &format!("{}, {fault}", words()));
        }
        self.move_beyond_gaps(sender, receiver, moved);
    }

    /// Why the reason that was told cannot be that of this message; `end` is where its membership ends.
    fn wrong_reason(&self, sender: u32, sequence: u32, end: u32, why: Why) -> Option<&'static str> {
        let number = self.seating.first_member + sender;
        let mixture = self.seating.room_of(sender).mixture;
        let delivery = mixture.delivery(number, sequence);
        match (why, delivery) {
            (Why::Superseded, Delivery::Latest { .. }) => {
                let mut later = sequence + 1..end;
                let replaced = later.any(|later| mixture.delivery(number, later) == delivery);
                (!replaced).then_some("superseded by nothing: no later value of that key was sent")
            }
            (Why::DroppedFull, Delivery::Latest { .. }) | (Why::VolatileDropped, Delivery::Volatile) => None,
            (Why::UnsupportedFormat, _) => Some("unsupported by a receiver of the same format"),
            _ => Some("for a reason that does not fit its class"),
        }
    }
}
