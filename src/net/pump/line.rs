//! Who is to be read, in the order in which it came to wait: everybody at most once a turn, whoever it is.

use std::collections::VecDeque;

use super::super::pending_upgrade::UpgradeKey;
use crate::room::ConnectionKey;

/// Somebody with bytes to be read or served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// A connection of the shard.
    Connection(ConnectionKey),
    /// A socket that has not been upgraded.
    PendingUpgrade(UpgradeKey),
}

/// The line. Who stands in it knows so, and is not put in again: it holds at most as many as there are sockets.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: VecDeque<Waiting>,
    /// Those that were asked in this turn and have to wait for the next, in their order.
    passed_over: Vec<Waiting>,
}

impl Line {
    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Puts somebody at the end.
    pub(super) fn push(&mut self, waiting: Waiting) {
        self.waiting.push_back(waiting);
    }

    /// Takes whoever has waited longest.
    pub(super) fn pop(&mut self) -> Option<Waiting> {
        self.waiting.pop_front()
    }

    /// Keeps somebody's place for the next turn.
    pub(super) fn pass_over(&mut self, waiting: Waiting) {
        self.passed_over.push(waiting);
    }

    /// The turn is over: who was passed over stands in front again, in the old order.
    pub(super) fn close_up(&mut self) {
        for waiting in self.passed_over.drain(..).rev() {
            self.waiting.push_front(waiting);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(number: u32) -> Waiting {
        Waiting::Connection(ConnectionKey {
            index: number,
            generation: 0,
        })
    }

    #[test]
    fn who_was_passed_over_goes_before_who_was_served() {
        let mut line = Line::default();
        (0..4).for_each(|number| line.push(of(number)));
        let served = line.pop().expect("the first");
        line.push(served); // it has more
        for _ in 1..3 {
            let waiting = line.pop().expect("one more");
            line.pass_over(waiting);
        }
        line.close_up(); // the turn ended before the fourth was asked
        let order: Vec<_> = std::iter::from_fn(|| line.pop()).collect();
        assert_eq!(order, [of(1), of(2), of(3), of(0)]);
    }
}
