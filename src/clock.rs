//! Moments that outlive the clock they were read from.
//!
//! A leaf of the layers. Every moment in this crate is a `u64` of milliseconds of the process's monotonic clock, and such a
//! clock means nothing to the next process. So an archive has a clock of its own, which reads [`ARCHIVE_MS`] at the moment
//! of freezing: on the way in and out every moment is moved from the one clock to the other, and what was due in two
//! seconds is due in two seconds. While something is frozen its time stands still.

use std::time::{Duration, Instant};

/// What the clock of an archive reads at the moment of freezing.
///
/// A process whose own clock starts here too can hold every age that an archive can: 34 years. A clock that starts lower
/// is legal, but there a moment from before its zero is moved to zero, and what hangs on it is due later than it was.
pub const ARCHIVE_MS: u64 = 1 << 40;

/// A span in milliseconds; one that no number can hold is the longest.
#[must_use]
pub fn whole_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The moment `span` after `from`; beyond what the system's clock can tell, a moment that is never reached.
#[must_use]
pub fn moment_after(from: Instant, span: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(3_155_760_000);
    from.checked_add(span)
        .or_else(|| from.checked_add(CENTURY))
        .unwrap_or(from)
}

/// The step from one clock to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockChange {
    from_ms: u64,
    to_ms: u64,
}

impl ClockChange {
    /// From a process's clock, which now reads `now_ms`, to that of an archive made now.
    #[must_use]
    pub const fn freeze(now_ms: u64) -> Self {
        Self {
            from_ms: now_ms,
            to_ms: ARCHIVE_MS,
        }
    }

    /// From the clock of an archive that is thawed now to the process's clock, which reads `now_ms`.
    #[must_use]
    pub const fn thaw(now_ms: u64) -> Self {
        Self {
            from_ms: ARCHIVE_MS,
            to_ms: now_ms,
        }
    }

    /// Between two readings of one clock that are so far apart because the process stood still: nobody is blamed for that time.
    #[must_use]
    pub const fn standstill(span_ms: u64) -> Self {
        Self {
            from_ms: 0,
            to_ms: span_ms,
        }
    }

    /// Rewrites one moment.
    pub const fn apply(self, moment_ms: &mut u64) {
        *moment_ms = if self.to_ms >= self.from_ms {
            moment_ms.saturating_add(self.to_ms - self.from_ms)
        } else {
            moment_ms.saturating_sub(self.from_ms - self.to_ms)
        };
    }
}

/// Something that remembers moments.
///
/// Implementations take themselves apart field by field, without `..`: a new field does not compile until somebody has
/// said whether it is a moment.
pub trait Moments {
    /// Rewrites every moment for another clock.
    fn change_clock(&mut self, change: ClockChange);
}

impl<T: Moments> Moments for Option<T> {
    fn change_clock(&mut self, change: ClockChange) {
        if let Some(moments) = self {
            moments.change_clock(change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(moment_ms: u64, frozen_at_ms: u64, thawed_at_ms: u64) -> u64 {
        let mut carried = moment_ms;
        ClockChange::freeze(frozen_at_ms).apply(&mut carried);
        ClockChange::thaw(thawed_at_ms).apply(&mut carried);
        carried
    }

    #[test]
    fn ages_and_remaining_times_survive_any_two_clocks() {
        for (frozen_at_ms, thawed_at_ms) in [
            (10_000, ARCHIVE_MS),
            (ARCHIVE_MS + 5_000_000, ARCHIVE_MS),
            (ARCHIVE_MS, ARCHIVE_MS * 3),
        ] {
            assert_eq!(
                carried(frozen_at_ms - 9_000, frozen_at_ms, thawed_at_ms),
                thawed_at_ms - 9_000
            );
            assert_eq!(
                carried(frozen_at_ms + 9_000, frozen_at_ms, thawed_at_ms),
                thawed_at_ms + 9_000
            );
        }
    }

    #[test]
    fn spans_without_end_add_up() {
        assert_eq!(whole_ms(Duration::from_millis(1_500)), 1_500);
        assert_eq!(whole_ms(Duration::MAX), u64::MAX);
        let now = Instant::now();
        assert_eq!(moment_after(now, Duration::from_secs(1)), now + Duration::from_secs(1));
        let never = moment_after(now, Duration::MAX);
        assert!(never > now + Duration::from_secs(3_000_000_000));
    }

    #[test]
    fn a_moment_before_the_new_clocks_zero_becomes_zero() {
        assert_eq!(carried(1_000, 90_000, 50_000), 0);
        assert_eq!(carried(u64::MAX, 90_000, 50_000), 50_000 + (u64::MAX - ARCHIVE_MS));
    }
}
