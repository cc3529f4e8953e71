//! How long a turn is stretched, so that more frames share a send and fewer wake-ups are paid.
//!
//! An idle shard serves at once. The busier it gets, the longer it lets arrivals gather before it looks again, up to a
//! bound; but only if something will have gathered: a window in which less than two things arrive is a wake-up more, not
//! less. A shard that is busy all the time never sleeps: its turns are longer than any window.

use std::time::{Duration, Instant};

/// The share of time spent working at which the window is fully open.
const FULL_AT_PERCENT: u32 = 20;

/// Arrivals per window, times two, below which stretching does not pay: at 10 rooms × 4 × 30 Hz, 1.2 in a millisecond, it
/// cost a fifth more CPU (`docs/adr/007-stretched-turns.md`).
const PAYS_AT_DOUBLED: u128 = 3;

/// A turn that takes longer holds up everybody on the shard for longer than a frame of a fast game may wait.
const SLOW_TURN: Duration = Duration::from_millis(5);

/// Windows shorter than this are not worth a timer.
const SHORTEST: Duration = Duration::from_micros(50);

/// Decides how long turns are.
#[derive(Debug)]
pub(super) struct Pace {
    longest: Duration,
    window: Duration,
    turn_began: Instant,
    /// Work since the last look.
    worked: Duration,
    /// Work since the beginning.
    busy: Duration,
    slow_turns: u64,
    /// Things that arrived since the last look.
    arrivals: u128,
    looked: Instant,
}

impl Pace {
    /// A pace whose turns are stretched to at most `longest`; zero: never.
    pub(super) fn new(longest: Duration, now: Instant) -> Self {
        Self {
            longest,
            window: Duration::ZERO,
            turn_began: now,
            worked: Duration::ZERO,
            busy: Duration::ZERO,
            slow_turns: 0,
            arrivals: 0,
            looked: now,
        }
    }

    /// A turn begins, with so many things to serve.
    pub(super) fn begin_turn(&mut self, arrivals: usize, now: Instant) {
        self.arrivals += arrivals as u128;
        self.turn_began = now;
    }

    /// A turn ends. Returns for how long to let arrivals gather before the next one.
    pub(super) fn end_turn(&mut self, now: Instant) -> Option<Duration> {
        let took = now.saturating_duration_since(self.turn_began);
        self.worked += took;
        self.slow_turns += u64::from(took > SLOW_TURN);
        // A whole window behind a short turn; behind a long one less, for what came during it has gathered already.
        let gather = self.window.min((self.window * 2).saturating_sub(took * 2));
        (gather >= SHORTEST).then_some(gather)
    }

    /// Time spent in turns, up to the last look.
    pub(super) const fn busy(&self) -> Duration {
        self.busy
    }

    /// Turns that took more than 5 ms.
    pub(super) const fn slow_turns(&self) -> u64 {
        self.slow_turns
    }

    /// Works the window out anew from how busy the shard has been since the last time.
    pub(super) fn adapt(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.looked);
        if elapsed.is_zero() {
            return;
        }
        let percent = (self.worked.as_nanos() * 100 / elapsed.as_nanos()).min(100) as u32;
        let wanted = self.longest * percent.min(FULL_AT_PERCENT) / FULL_AT_PERCENT;
        let pays = 2 * self.arrivals * wanted.as_nanos() >= PAYS_AT_DOUBLED * elapsed.as_nanos();
        let wanted = if pays { wanted } else { Duration::ZERO };
        // Half-way each time: stretching makes the shard less busy, and a window that followed at once would swing.
        self.window = (self.window + wanted) / 2;
        self.arrivals = 0;
        self.busy += std::mem::take(&mut self.worked);
        self.looked = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(1);
    const TICK: Duration = Duration::from_millis(10);

    /// Ticks of so many microseconds of work and so many arrivals each; what the next turn of 10 µs then gathers.
    fn gathered_after(work_us: u64, arrivals: usize, longest: Duration) -> Option<Duration> {
        let mut now = Instant::now();
        let mut pace = Pace::new(longest, now);
        for _ in 0..40 {
            pace.begin_turn(arrivals, now);
            pace.end_turn(now + Duration::from_micros(work_us));
            now += TICK;
            pace.adapt(now);
        }
        pace.begin_turn(arrivals, now);
        pace.end_turn(now + Duration::from_micros(10))
    }

    #[test]
    fn an_idle_shard_serves_at_once_and_a_busy_one_gathers() {
        assert_eq!(gathered_after(20, 200, LONGEST), None, "0.2 % busy");
        let some = gathered_after(1_000, 200, LONGEST).expect("10 % busy");
        let most = gathered_after(5_000, 200, LONGEST).expect("50 % busy");
        assert!(some < most && most <= LONGEST, "{some:?} {most:?}");
    }

    #[test]
    fn a_shard_that_works_all_the_time_never_sleeps() {
        let mut now = Instant::now();
        let mut pace = Pace::new(LONGEST, now);
        for _ in 0..10 {
            pace.begin_turn(100, now);
            now += LONGEST;
            assert_eq!(pace.end_turn(now), None);
            pace.adapt(now);
        }
    }

    #[test]
    fn a_window_in_which_nothing_gathers_is_not_opened() {
        assert_eq!(gathered_after(5_000, 10, LONGEST), None, "one arrival in a millisecond");
        assert!(
            gathered_after(5_000, 20, LONGEST).is_some(),
            "two arrivals in a millisecond"
        );
    }

    #[test]
    fn time_in_turns_adds_up_and_the_long_ones_are_counted() {
        let mut now = Instant::now();
        let mut pace = Pace::new(LONGEST, now);
        for turn in [5, 6, 1] {
            pace.begin_turn(1, now);
            now += Duration::from_millis(turn);
            pace.end_turn(now);
            now += TICK;
            pace.adapt(now);
        }
        assert_eq!((pace.busy(), pace.slow_turns()), (Duration::from_millis(12), 1));
    }

    #[test]
    fn a_window_of_zero_switches_it_off() {
        assert_eq!(gathered_after(9_000, 200, Duration::ZERO), None);
    }
}
