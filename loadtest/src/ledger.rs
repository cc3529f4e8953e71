//! The exact account of every message: who sent it, who should get it, who got it, how often and in which order.
//!
//! One number per (sender, receiver) pair is enough while all goes well: the next sequence expected. Only what is skipped
//! is remembered one by one, so a late message can be told from a repeated one. Memory grows with faults, not with
//! traffic. Members are numbered from 0 within the ledger, room by room.
//!
//! A member may leave and come back by plan. What was on its way to it when its connection ended is owed no more: it is
//! excused. After it has come back it is owed everything that is sent from then on; of what was sent shortly before, the
//! server decides where the stream begins, but from its first message on nothing may be missing.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use crate::seating::Seating;

/// Faults that are described in words; the rest is only counted.
const MAX_EXAMPLES: usize = 20;

/// Counts over all pairs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Totals {
    /// Messages sent.
    pub(crate) sent: u64,
    /// Deliveries owed: each message once to every other member of the room who is there.
    pub(crate) expected: u64,
    /// Deliveries made, repetitions not counted.
    pub(crate) received: u64,
    /// Deliveries owed and not made.
    pub(crate) lost: u64,
    /// Deliveries on their way to members whose connection then ended by plan; not among those owed.
    pub(crate) excused: u64,
    /// Deliveries made again.
    pub(crate) duplicated: u64,
    /// Deliveries that came after a later one of the same sender.
    pub(crate) reordered: u64,
    /// Deliveries to a player of another room, or back to the sender.
    pub(crate) misrouted: u64,
    /// Deliveries whose content, envelope or sender is not what was sent.
    pub(crate) corrupted: u64,
}

impl Totals {
    /// Everything arrived exactly once, in order, intact, and nowhere else.
    pub(crate) fn balanced(&self) -> bool {
        self.faults() == 0 && self.received == self.expected
    }

    pub(crate) fn faults(&self) -> u64 {
        self.lost + self.duplicated + self.reordered + self.misrouted + self.corrupted
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.expected += other.expected;
        self.received += other.received;
        self.lost += other.lost;
        self.excused += other.excused;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.misrouted += other.misrouted;
        self.corrupted += other.corrupted;
    }
}

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
    totals: Totals,
    examples: Vec<String>,
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
            totals: Totals::default(),
            examples: Vec::new(),
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
            let outstanding = u64::from(self.sent[sender as usize] - self.next[pair as usize]);
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
            self.skipped.extend((expected..sequence).map(|missing| (pair, missing)));
            self.next[pair as usize] = sequence + 1;
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
        self.totals.duplicated += 1;
        self.describe(|| format!("message {sequence} again"), Some(sender), receiver);
        Entry::Fault
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
        self.totals.received == self.totals.expected
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

    /// Closes the account: what is outstanding now is lost.
    pub(crate) fn close(mut self) -> (Totals, Vec<String>) {
        for sender in 0..self.sent.len() as u32 {
            let room = self.seating.room_of(sender).clone();
            if !room.speakers().contains(&sender) {
                continue;
            }
            for receiver in room.everybody().filter(|&receiver| receiver != sender) {
                let pair = room.pair(sender, receiver);
                let skipped = self.skipped.range((pair, 0)..=(pair, u32::MAX)).count() as u64;
                let outstanding = if self.present[receiver as usize] {
                    u64::from(self.sent[sender as usize] - self.next[pair as usize])
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
        (self.totals, self.examples)
    }

    fn pair(&self, sender: u32, receiver: u32) -> u32 {
        self.seating.room_of(receiver).pair(sender, receiver)
    }

    fn describe(&mut self, what: impl FnOnce() -> String, sender: Option<u32>, receiver: u32) {
        if self.examples.len() >= MAX_EXAMPLES {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seating::tests::plain;

    const A: u32 = 0;
    const B: u32 = 1;
    const C: u32 = 2;

    /// A room of three in which A has sent `messages`, all delivered to C.
    fn room_with(messages: u32) -> Ledger {
        let mut ledger = Ledger::new(plain(1, 3, 0));
        for sequence in 0..messages {
            assert_eq!(ledger.send(A), sequence);
            ledger.deliver(A, C, sequence);
        }
        ledger
    }

    fn totals_after(mut ledger: Ledger, delivered: &[u32]) -> Totals {
        for &sequence in delivered {
            ledger.deliver(A, B, sequence);
        }
        ledger.close().0
    }

    #[test]
    fn an_orderly_exchange_balances() {
        let totals = totals_after(room_with(3), &[0, 1, 2]);
        assert_eq!(
            totals,
            Totals {
                sent: 3,
                expected: 6,
                received: 6,
                ..Totals::default()
            }
        );
        assert!(totals.balanced());
    }

    #[test]
    fn losses_are_found_in_the_middle_and_at_the_end() {
        for (delivered, lost) in [(&[0, 2][..], 1), (&[0, 1], 1), (&[1], 2), (&[], 3)] {
            let totals = totals_after(room_with(3), delivered);
            assert_eq!((totals.lost, totals.faults()), (lost, lost), "delivered {delivered:?}");
            assert!(!totals.balanced());
        }
    }

    #[test]
    fn a_repeated_message_is_a_duplicate_however_late() {
        let totals = totals_after(room_with(3), &[0, 0, 1, 2, 1]);
        assert_eq!((totals.duplicated, totals.faults(), totals.received), (2, 2, 6));
        assert!(!totals.balanced());
    }

    #[test]
    fn a_late_message_is_reordered_once_and_then_a_duplicate() {
        let totals = totals_after(room_with(3), &[2, 0, 1]);
        assert_eq!((totals.reordered, totals.faults()), (2, 2));
        let totals = totals_after(room_with(3), &[1, 0, 0, 2]);
        assert_eq!((totals.reordered, totals.duplicated, totals.lost), (1, 1, 0));
    }

    #[test]
    fn a_duplicate_does_not_make_up_for_a_loss() {
        let totals = totals_after(room_with(2), &[0, 0]);
        assert_eq!((totals.lost, totals.duplicated), (1, 1));
    }

    #[test]
    fn a_sequence_never_sent_is_corrupt_and_does_not_move_the_account() {
        let totals = totals_after(room_with(2), &[0, 9, 1]);
        assert_eq!((totals.corrupted, totals.faults()), (1, 1));
    }

    #[test]
    fn strays_are_counted_by_kind() {
        let mut ledger = room_with(0);
        ledger.stray(B, Stray::Misrouted, "a message of room 7");
        ledger.stray(B, Stray::Corrupted, "an unreadable message");
        let (totals, examples) = ledger.close();
        assert_eq!((totals.misrouted, totals.corrupted), (1, 1));
        assert_eq!(examples[0], "room 0, player 1: a message of room 7");
        assert!(!totals.balanced());
    }

    #[test]
    fn pairs_and_rooms_are_kept_apart() {
        let mut ledger = Ledger::new(plain(2, 2, 10));
        assert_eq!((ledger.send(0), ledger.send(1), ledger.send(3)), (0, 0, 0));
        assert_eq!(ledger.deliver(0, 1, 0), Entry::Fresh { expected: 0 });
        assert_eq!(ledger.deliver(1, 0, 0), Entry::Fresh { expected: 0 });
        assert!(!ledger.settled());
        let (totals, examples) = ledger.close();
        assert_eq!(totals.lost, 1);
        assert_eq!(examples, ["room 6, player 13 → player 12: 1 messages lost"]);
    }

    #[test]
    fn the_slowest_receiver_is_known() {
        let mut ledger = room_with(2);
        assert_eq!(ledger.slowest(A), (0, 1));
        ledger.deliver(A, B, 0);
        assert_eq!(ledger.slowest(A), (1, 1));
        ledger.deliver(A, B, 1);
        assert_eq!(ledger.slowest(A), (2, 2));
    }

    #[test]
    fn what_is_on_its_way_to_a_member_that_leaves_is_excused_and_no_gap_is() {
        let mut ledger = room_with(4);
        ledger.deliver(A, B, 0);
        ledger.deliver(A, B, 2);
        ledger.depart(B);
        ledger.send(A);
        ledger.deliver(A, C, 4);
        assert!(!ledger.settled(), "message 1 was overtaken, so it is missing");
        let (totals, _) = ledger.close();
        assert_eq!((totals.excused, totals.lost, totals.expected), (1, 1, 8));
    }

    #[test]
    fn a_member_that_comes_back_is_owed_what_follows_its_first_message() {
        for (delivered, lost, duplicated) in [
            (&[5, 6][..], 0, 0),
            (&[3, 4, 5, 6], 0, 0),
            (&[3, 5, 6], 1, 0),
            (&[6], 1, 0),
            (&[], 2, 0),
            (&[4, 5, 6, 3], 0, 1),
        ] {
            let mut ledger = room_with(2);
            ledger.deliver(A, B, 0);
            ledger.depart(B);
            // Sent while B is away, then while it is known to be back.
            for sequence in 2..7 {
                if sequence == 5 {
                    ledger.arrive(B);
                }
                ledger.send(A);
                ledger.deliver(A, C, sequence);
            }
            for &sequence in delivered {
                ledger.deliver(A, B, sequence);
            }
            let (totals, _) = ledger.close();
            assert_eq!((totals.lost, totals.duplicated), (lost, duplicated), "{delivered:?}");
            assert_eq!(totals.expected, totals.received + totals.lost, "{delivered:?}");
        }
    }

    #[test]
    fn nothing_is_owed_to_a_member_that_is_away() {
        let mut ledger = room_with(0);
        ledger.depart(B);
        ledger.depart(B);
        ledger.send(A);
        ledger.deliver(A, C, 0);
        assert!(ledger.settled());
        assert_eq!(ledger.close().0.expected, 1);
    }
}
