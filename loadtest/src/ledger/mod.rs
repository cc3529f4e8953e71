//! The exact account of every message: who sent it, who should get it, who got it, how often and in which order.
//!
//! One number per (sender, receiver) pair is enough while all goes well: the next sequence expected. Only what is skipped
//! is remembered one by one, so a late message can be told from a repeated one. Memory grows with faults, not with
//! traffic. Members are numbered from 0 within the ledger, room by room.
//!
//! A member may leave and come back by plan. What was on its way to it when its connection ended is owed no more: it is
//! excused. After it has come back it is owed everything that is sent from then on; of what was sent shortly before, the
//! server decides where the stream begins, but from its first message on nothing may be missing. On version 3 it says
//! where that is, and what of a sender whose connection broke it had accepted.
//!
//! Version 3 also tells what it leaves out. Such a gap counts as settled when it was told before its place was passed, for
//! a reason that fits the message, and once.

mod epochs;
mod gaps;
mod reports;
mod returns;
#[cfg(test)]
mod tests;
mod totals;

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use crate::client::delivery_report::Counters;
use crate::client::stamp::WireStamp;
use crate::ledger::epochs::Epochs;
use crate::ledger::gaps::Gaps;
pub(crate) use crate::ledger::gaps::Why;
pub(crate) use crate::ledger::totals::{Told, Totals};
use crate::seating::Seating;

/// Faults that are described in words; the rest is only counted.
const MAX_EXAMPLES: usize = 20;

/// What a delivery turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The first delivery of this message here; the pair's next sequence was `expected` before.
    Fresh { expected: u32 },
    /// The first delivery here, but after later ones.
    Late,
    /// A delivery that was already made, or of something never sent.
    Fault,
}

/// Why a delivery cannot be put to the account of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stray {
    /// It belongs to another room, or to its own sender.
    Misrouted,
    /// Content or envelope do not hold what was sent.
    Corrupted,
}

/// A stream that went on without a delivery: its next sequence at some receiver was `expected` before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) sender: u32,
    pub(crate) expected: u32,
}

/// A closed account.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    pub(crate) totals: Totals,
    /// Some faults in words.
    pub(crate) examples: Vec<String>,
    /// How many more there were.
    pub(crate) more_faults: u64,
}

/// The account of some rooms.
pub(crate) struct Ledger {
    seating: Seating,
    /// Messages sent, by member; also the next sequence of each.
    sent: Vec<u32>,
    /// Next sequence expected, by pair.
    next: Vec<u32>,
    /// Who is there, by member.
    present: Vec<bool>,
    /// How many are there, by room.
    audience: Vec<u32>,
    /// Pairs whose receiver has just come back, with the lowest sequence that may still come.
    opening: HashMap<u32, u32>,
    /// (pair, sequence) that were skipped and may still come.
    skipped: BTreeSet<(u32, u32)>,
    /// Places that the server told it leaves out.
    gaps: Gaps,
    epochs: Epochs,
    /// What each member was last told, by member.
    counters: Vec<Counters>,
    totals: Totals,
    examples: Vec<String>,
    /// Faults that are not described.
    more_faults: u64,
}

impl Ledger {
    /// An empty account with everybody there.
    pub(crate) fn new(seating: Seating) -> Self {
        let members = seating.members() as usize;
        Self {
            sent: vec![0; members],
            next: vec![0; seating.pairs as usize],
            present: vec![true; members],
            audience: seating.rooms.iter().map(|room| room.members).collect(),
            opening: HashMap::new(),
            skipped: BTreeSet::new(),
            gaps: Gaps::default(),
            epochs: Epochs::new(members),
            counters: vec![Counters::default(); members],
            totals: Totals::default(),
            examples: Vec::new(),
            more_faults: 0,
            seating,
        }
    }

    /// Enters a message of `sender`, who is there, and returns its sequence.
    pub(crate) fn send(&mut self, sender: u32) -> u32 {
        let sequence = self.sent[sender as usize];
        self.sent[sender as usize] += 1;
        self.totals.sent += 1;
        self.totals.expected += u64::from(self.audience[self.seating.room_index(sender)] - 1);
        sequence
    }

    /// The connection of `member` has ended by plan.
    pub(crate) fn depart(&mut self, member: u32) {
        if !std::mem::take(&mut self.present[member as usize]) {
            return;
        }
        self.audience[self.seating.room_index(member)] -= 1;
        let room = self.seating.room_of(member);
        for sender in room.speakers().filter(|&sender| sender != member) {
            let pair = room.pair(sender, member);
            self.opening.remove(&pair);
            let outstanding = self.outstanding(sender, pair);
            self.gaps.forget(pair, self.next[pair as usize]);
            self.totals.excused += outstanding;
            self.totals.expected -= outstanding;
        }
    }

    /// `member` is back in its room.
    pub(crate) fn arrive(&mut self, member: u32) {
        if std::mem::replace(&mut self.present[member as usize], true) {
            return;
        }
        self.audience[self.seating.room_index(member)] += 1;
        let room = self.seating.room_of(member);
        for sender in room.speakers().filter(|&sender| sender != member) {
            let pair = room.pair(sender, member);
            let lowest = std::mem::replace(&mut self.next[pair as usize], self.sent[sender as usize]);
            self.opening.insert(pair, lowest);
        }
    }

    /// The first delivery to somebody who has come back shows where its stream begins.
    fn open(&mut self, pair: u32, sequence: u32) {
        let Some(lowest) = self.opening.remove(&pair) else {
            return;
        };
        let next = self.next[pair as usize];
        if (lowest..next).contains(&sequence) {
            self.totals.expected += u64::from(next - sequence);
            self.next[pair as usize] = sequence;
        }
    }

    /// Enters a delivery between two players of one room.
    pub(crate) fn deliver(&mut self, sender: u32, receiver: u32, sequence: u32) -> Entry {
        let pair = self.pair(sender, receiver);
        if !self.opening.is_empty() {
            self.open(pair, sequence);
        }
        let expected = self.next[pair as usize];
        if sequence >= self.sent[sender as usize] {
            self.totals.corrupted += 1;
            self.describe(
                || format!("message {sequence}, which was never sent"),
                Some(sender),
                receiver,
            );
            return Entry::Fault;
        }
        if sequence >= expected {
            if self.gaps.none_ahead() {
                self.skipped.extend((expected..sequence).map(|missing| (pair, missing)));
                self.next[pair as usize] = sequence + 1;
            } else if let Some(why) = self.gaps.why(pair, sequence) {
                return self.contradicted(sender, receiver, sequence, why);
            } else {
                if sequence > expected {
                    let missing = self.gaps.pass(pair, expected, sequence).into_iter().flatten();
                    self.skipped.extend(missing.map(|missing| (pair, missing)));
                }
                self.next[pair as usize] = self.gaps.beyond(pair, sequence + 1);
            }
            self.totals.received += 1;
            return Entry::Fresh { expected };
        }
        if self.skipped.remove(&(pair, sequence)) {
            self.totals.received += 1;
            self.totals.reordered += 1;
            self.describe(
                || format!("message {sequence} after {}", expected - 1),
                Some(sender),
                receiver,
            );
            return Entry::Late;
        }
        if let Some(why) = self.gaps.why(pair, sequence) {
            return self.contradicted(sender, receiver, sequence, why);
        }
        self.totals.duplicated += 1;
        self.describe(|| format!("message {sequence} again"), Some(sender), receiver);
        Entry::Fault
    }

    /// Holds the stamp of a delivery on version 3 against what this message must carry.
    pub(crate) fn check_stamp(&mut self, sender: u32, receiver: u32, sequence: u32, stamp: Option<WireStamp>) {
        let Some(stamp) = stamp else {
            return self.misstamped(Some(sender), receiver, &format!("message {sequence} without a stamp"));
        };
        let number = self.seating.first_member + sender;
        let delivery = self.seating.room_of(sender).mixture.delivery(number, sequence);
        let due = self.epochs.stamp(sender, sequence);
        if due == Some((stamp.epoch, stamp.seq)) && stamp.tells(delivery) {
            return;
        }
        // What was never sent is the delivery's fault and not its stamp's.
        if let Some((epoch, seq)) = due.filter(|_| sequence < self.sent[sender as usize]) {
            let what = format!("message {sequence} with {stamp}, in place of epoch {epoch} seq {seq} {delivery:?}");
            self.misstamped(Some(sender), receiver, &what);
        }
    }

    /// A stamp of the server, or what it says of one, is not what it must be.
    pub(crate) fn misstamped(&mut self, sender: Option<u32>, receiver: u32, what: &str) {
        self.totals.told.misstamped += 1;
        self.describe(|| what.to_owned(), sender, receiver);
    }

    /// A room operation of `member` was not answered as it must be.
    pub(crate) fn misanswered(&mut self, member: u32, what: &str) {
        self.totals.told.operations += 1;
        self.describe(|| what.to_owned(), None, member);
    }

    /// A delivery of what the server had told it would not make.
    fn contradicted(&mut self, sender: u32, receiver: u32, sequence: u32, why: Why) -> Entry {
        match why {
            Why::Unaccepted => {
                let what = format!("message {sequence}, which comes after the last that was said to be accepted");
                self.misstamped(Some(sender), receiver, &what);
            }
            _ => {
                let what = format!("message {sequence}, which was reported as left out ({why:?})");
                self.misreported(Some(sender), receiver, &what);
            }
        }
        Entry::Fault
    }

    /// The stream goes on where it stands, if gaps begin there.
    fn move_beyond_gaps(&mut self, sender: u32, receiver: u32, moved: &mut Vec<Moved>) {
        let pair = self.pair(sender, receiver);
        let expected = self.next[pair as usize];
        let beyond = self.gaps.beyond(pair, expected);
        if beyond > expected {
            self.next[pair as usize] = beyond;
            moved.push(Moved { sender, expected });
        }
    }

    /// Messages of a pair that were sent and neither came nor were told to be left out.
    fn outstanding(&self, sender: u32, pair: u32) -> u64 {
        let next = self.next[pair as usize];
        u64::from(self.sent[sender as usize] - next - self.gaps.ahead_of(pair, next))
    }

    /// Enters a delivery that no pair can be charged with.
    pub(crate) fn stray(&mut self, receiver: u32, what: Stray, detail: &str) {
        match what {
            Stray::Misrouted => self.totals.misrouted += 1,
            Stray::Corrupted => self.totals.corrupted += 1,
        }
        self.describe(|| detail.to_owned(), None, receiver);
    }

    /// Messages sent and deliveries made so far.
    pub(crate) fn progress(&self) -> &Totals {
        &self.totals
    }

    /// Nothing is outstanding.
    pub(crate) fn settled(&self) -> bool {
        self.totals.settled() == self.totals.expected
    }

    /// The lowest next sequence over all receivers of `sender`, and how many receivers stand there.
    pub(crate) fn slowest(&self, sender: u32) -> (u32, u32) {
        let mut lowest = u32::MAX;
        let mut receivers = 0;
        let room = self.seating.room_of(sender);
        for receiver in room.everybody().filter(|&receiver| receiver != sender) {
            let next = self.next[room.pair(sender, receiver) as usize];
            if next < lowest {
                (lowest, receivers) = (next, 0);
            }
            receivers += u32::from(next == lowest);
        }
        (lowest, receivers)
    }

    /// Tells `each` the sequences of every sender that somebody who is there still waits for.
    pub(crate) fn missing(&self, mut each: impl FnMut(u32, Range<u32>)) {
        for room in &self.seating.rooms {
            for sender in room.speakers() {
                for receiver in room.everybody().filter(|&receiver| receiver != sender) {
                    let pair = room.pair(sender, receiver);
                    let skipped = self.skipped.range((pair, 0)..=(pair, u32::MAX));
                    skipped.for_each(|&(_, sequence)| each(sender, sequence..sequence + 1));
                    if self.present[receiver as usize] {
                        let (next, sent) = (self.next[pair as usize], self.sent[sender as usize]);
                        let awaited = self.gaps.outside(pair, next, sent).into_iter();
                        awaited.for_each(|sequences| each(sender, sequences));
                    }
                }
            }
        }
    }

    /// Closes the account: what is outstanding now is lost.
    pub(crate) fn close(mut self) -> Closed {
        for sender in 0..self.sent.len() as u32 {
            let room = self.seating.room_of(sender).clone();
            if !room.speakers().contains(&sender) {
                continue;
            }
            for receiver in room.everybody().filter(|&receiver| receiver != sender) {
                let pair = room.pair(sender, receiver);
                let skipped = self.skipped.range((pair, 0)..=(pair, u32::MAX)).count() as u64;
                let outstanding = if self.present[receiver as usize] {
                    self.outstanding(sender, pair)
                } else {
                    0
                };
                let lost = skipped + outstanding;
                if lost > 0 {
                    self.totals.lost += lost;
                    self.describe(|| format!("{lost} messages lost"), Some(sender), receiver);
                }
            }
        }
        Closed {
            totals: self.totals,
            examples: self.examples,
            more_faults: self.more_faults,
        }
    }

    fn pair(&self, sender: u32, receiver: u32) -> u32 {
        self.seating.room_of(receiver).pair(sender, receiver)
    }

    /// A report, or what contradicts one, is not true.
    pub(crate) fn misreported(&mut self, sender: Option<u32>, receiver: u32, what: &str) {
        self.totals.told.misreported += 1;
        self.describe(|| what.to_owned(), sender, receiver);
    }

    fn describe(&mut self, what: impl FnOnce() -> String, sender: Option<u32>, receiver: u32) {
        if self.examples.len() >= MAX_EXAMPLES {
            self.more_faults += 1;
            return;
        }
        let to = self.seating.first_member + receiver;
        let from = sender.map_or_else(String::new, |sender| {
            format!("player {} → ", self.seating.first_member + sender)
        });
        let room = self.seating.room_of(receiver).number;
        self.examples
            .push(format!("room {room}, {from}player {to}: {}", what()));
    }
}
