//! When to look at which connection again.
//!
//! One entry per connection is enough: it holds the earliest moment at which anything about the connection may be due.
//! What is due is worked out when the moment comes, so activity in between costs nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::room::MemberRef;

/// Moments to look at connections, in milliseconds of the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(u64, MemberRef)>>,
}

impl Deadlines {
    /// Asks for a look at `at_ms`. The caller remembers the moment, so that an entry that was overtaken is recognised.
    pub(super) fn schedule(&mut self, at_ms: u64, connection: MemberRef) {
        self.heap.push(Reverse((at_ms, connection)));
    }

    /// The next look that is due.
    pub(super) fn pop_due(&mut self, now_ms: u64) -> Option<(u64, MemberRef)> {
        let Reverse((at_ms, _)) = self.heap.peek()?;
        if *at_ms > now_ms {
            return None;
        }
        self.heap.pop().map(|Reverse(due)| due)
    }

    /// The earliest moment asked for.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at_ms, _))| *at_ms)
    }
}
