//! When a player of a closed-loop run may send again.
//!
//! Each player keeps a fixed number of messages in flight. A message has landed when every other player of the room has it
//! or a later one of the same sender; so each landing of the oldest message releases the next send. A lost message counts
//! as landed once a later one arrives, so that a fault shows in the ledger and not as a standstill.

use crate::ledger::Ledger;

/// Landings of all senders of one thread.
pub(crate) struct Flights {
    /// Messages landed everywhere, by sender.
    landed: Vec<u32>,
    /// Receivers that still miss the oldest message in flight, by sender.
    waiting: Vec<u32>,
    /// Landings that have been told, by sender: a stream that goes on further back lands nothing twice.
    told: Vec<u32>,
}

impl Flights {
    /// Starts from the present state of the account.
    pub(crate) fn new(ledger: &Ledger, senders: u32) -> Self {
        let (landed, waiting): (Vec<u32>, _) = (0..senders).map(|sender| ledger.slowest(sender)).unzip();
        Self {
            told: landed.clone(),
            landed,
            waiting,
        }
    }

    /// Notes that a receiver, which stood at `expected`, moved on; returns how many messages have landed by that.
    pub(crate) fn moved(&mut self, ledger: &Ledger, sender: u32, expected: u32) -> u32 {
        let at = sender as usize;
        if expected != self.landed[at] {
            return 0;
        }
        self.waiting[at] -= 1;
        if self.waiting[at] > 0 {
            return 0;
        }
        self.renew(ledger, sender)
    }

    /// Looks at the account anew, in which a receiver moved; or came back, where its streams go on elsewhere. Returns how
    /// many messages have landed by that.
    pub(crate) fn renew(&mut self, ledger: &Ledger, sender: u32) -> u32 {
        let at = sender as usize;
        (self.landed[at], self.waiting[at]) = ledger.slowest(sender);
        let newly = self.landed[at].saturating_sub(self.told[at]);
        self.told[at] += newly;
        newly
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Entry;
    use crate::seating::tests::plain;

    fn deliver(flights: &mut Flights, ledger: &mut Ledger, receiver: u32, sequence: u32) -> u32 {
        match ledger.deliver(0, receiver, sequence) {
            Entry::Fresh { expected } => flights.moved(ledger, 0, expected),
            _ => 0,
        }
    }

    #[test]
    fn a_message_lands_with_its_last_receiver() {
        let mut ledger = Ledger::new(plain(1, 3, 0));
        let mut flights = Flights::new(&ledger, 3);
        for _ in 0..3 {
            ledger.send(0);
        }
        assert_eq!(deliver(&mut flights, &mut ledger, 1, 0), 0);
        assert_eq!(deliver(&mut flights, &mut ledger, 1, 1), 0);
        assert_eq!(deliver(&mut flights, &mut ledger, 2, 0), 1);
        assert_eq!(deliver(&mut flights, &mut ledger, 2, 1), 1);
        assert_eq!(deliver(&mut flights, &mut ledger, 2, 2), 0);
        assert_eq!(deliver(&mut flights, &mut ledger, 1, 2), 1);
    }

    #[test]
    fn a_lost_message_does_not_stop_its_sender() {
        let mut ledger = Ledger::new(plain(1, 2, 0));
        let mut flights = Flights::new(&ledger, 2);
        ledger.send(0);
        ledger.send(0);
        assert_eq!(deliver(&mut flights, &mut ledger, 1, 1), 2);
    }

    #[test]
    fn who_comes_back_lands_what_it_is_owed_no_more() {
        let mut ledger = Ledger::new(plain(1, 3, 0));
        let mut flights = Flights::new(&ledger, 3);
        for _ in 0..3 {
            ledger.send(0);
        }
        ledger.depart(2);
        for sequence in 0..3 {
            assert_eq!(
                deliver(&mut flights, &mut ledger, 1, sequence),
                0,
                "the other is waited for"
            );
        }
        ledger.arrive(2);
        assert_eq!(flights.renew(&ledger, 0), 3);
        assert_eq!(flights.renew(&ledger, 0), 0, "and not twice");
        ledger.send(0);
        assert_eq!(deliver(&mut flights, &mut ledger, 1, 3), 0);
        assert_eq!(deliver(&mut flights, &mut ledger, 2, 3), 1, "it goes on");
    }
}
