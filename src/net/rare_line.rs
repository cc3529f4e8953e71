//! Lines of the log about what can happen thousands of times a minute.

use std::sync::atomic::{AtomicU64, Ordering};

/// The shortest time between two lines, in milliseconds.
const INTERVAL_MS: u64 = 20_000;

/// One such line, of the whole process: written a few times a minute at most, with how often it was left out.
#[derive(Debug)]
pub(super) struct RareLine {
    next_ms: AtomicU64,
    unsaid: AtomicU64,
}

impl RareLine {
    pub(super) const fn new() -> Self {
        Self {
            next_ms: AtomicU64::new(0),
            unsaid: AtomicU64::new(0),
        }
    }

    /// Whether the line is written now, and then how often it was not since it last was. A moment, not a count, that a
    /// race gets wrong costs a line.
    pub(super) fn may_say(&self, now_ms: u64) -> Option<u64> {
        let next_ms = self.next_ms.load(Ordering::Relaxed);
        let is_due = now_ms >= next_ms
            && self
                .next_ms
                .compare_exchange(next_ms, now_ms + INTERVAL_MS, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if !is_due {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.unsaid.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_a_few_times_a_minute_and_tells_how_often_it_was_not() {
        let line = RareLine::new();
        let said: Vec<_> = (0..6_000).filter_map(|tick| line.may_say(1_000 + tick * 10)).collect();
        assert_eq!(said, [0, 1_999, 1_999]);
    }
}
