//! When to look at which connection again.
//!
//! One entry per connection is enough: it holds the earliest moment at which anything about the connection may be due.
//! What is due is worked out when the moment comes, so activity in between costs nothing.

use std::collections::BTreeSet;

use crate::room::ConnectionKey;

/// Moments to look at connections, in milliseconds of the monotonic clock.
#[derive(Debug, Default)]
pub(in crate::shard) struct Deadlines {
    /// Not a heap, which doubles as a whole: with the 131,073rd entry that took the shard 1.4 ms (`benches/growth.rs`).
    moments: BTreeSet<(u64, ConnectionKey)>,
}

impl Deadlines {
    /// Asks for a look at `at_ms`. The caller remembers the moment, so that an entry that was overtaken is recognised.
    pub(in crate::shard) fn schedule(&mut self, at_ms: u64, connection: ConnectionKey) {
        self.moments.insert((at_ms, connection));
    }

    /// The next look that is due.
    pub(in crate::shard) fn pop_due(&mut self, now_ms: u64) -> Option<(u64, ConnectionKey)> {
        self.next_ms().filter(|at_ms| *at_ms <= now_ms)?;
        self.moments.pop_first()
    }

    /// The earliest moment asked for.
    pub(in crate::shard) fn next_ms(&self) -> Option<u64> {
        self.moments.first().map(|(at_ms, _)| *at_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_due_in_order_and_not_before_their_time() {
        let mut deadlines = Deadlines::default();
        let [one, other] = [1, 2].map(|index| ConnectionKey { index, generation: 0 });
        deadlines.schedule(30, one);
        deadlines.schedule(20, other);
        deadlines.schedule(10, one);
        assert_eq!((deadlines.next_ms(), deadlines.pop_due(9)), (Some(10), None));
        let due: Vec<_> = std::iter::from_fn(|| deadlines.pop_due(20)).collect();
        assert_eq!(due, [(10, one), (20, other)]);
        assert_eq!(deadlines.next_ms(), Some(30));
    }
}
