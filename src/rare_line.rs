//! Lines of the log about what can happen thousands of times a minute.
//!
//! Owns the one rule by which repeats are left out: the first is written, then for a minute none, and then how many there
//! were. Promises that saying nothing costs two loads and no lock. Must never know what a line is about.

use std::sync::atomic::{AtomicU64, Ordering};

/// The shortest time between two lines, in milliseconds.
pub const INTERVAL_MS: u64 = 60_000;

/// One such line, of the whole process.
#[derive(Debug, Default)]
pub struct RareLine {
    next_ms: AtomicU64,
    unsaid: AtomicU64,
}

impl RareLine {
    /// A line that was never written.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            next_ms: AtomicU64::new(0),
            unsaid: AtomicU64::new(0),
        }
    }

    /// Whether the line is written now, and then how often it was not since it last was. A moment, not a count, that a
    /// race gets wrong costs a line.
    #[must_use]
    pub fn may_say(&self, now_ms: u64) -> Option<u64> {
        let said = self.take_turn(now_ms);
        if said.is_none() {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
        }
        said
    }

    /// How often the line was left out, if it was and the minute is over: nothing more may happen that would tell it.
    #[must_use]
    pub fn take_left_out(&self, now_ms: u64) -> Option<u64> {
        if self.unsaid.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.take_turn(now_ms).filter(|unsaid| *unsaid > 0)
    }

    fn take_turn(&self, now_ms: u64) -> Option<u64> {
        let next_ms = self.next_ms.load(Ordering::Relaxed);
        let is_due = now_ms >= next_ms
            && self
                .next_ms
                .compare_exchange(next_ms, now_ms + INTERVAL_MS, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        is_due.then(|| self.unsaid.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_once_a_minute_and_tells_how_often_it_was_not() {
        let line = RareLine::new();
        let said: Vec<_> = (0..18_000).filter_map(|tick| line.may_say(1_000 + tick * 10)).collect();
        assert_eq!(said, [0, 5_999, 5_999]);
    }

    #[test]
    fn what_was_left_out_is_told_when_nothing_more_happens() {
        let line = RareLine::new();
        assert_eq!(line.take_left_out(0), None, "nothing was");
        assert_eq!(line.may_say(0), Some(0));
        assert_eq!((line.may_say(1), line.may_say(2)), (None, None));
        assert_eq!(line.take_left_out(INTERVAL_MS - 1), None, "too early");
        assert_eq!(line.take_left_out(INTERVAL_MS), Some(2));
        assert_eq!(line.may_say(INTERVAL_MS + 1), None, "that was this minute's");
    }
}
