//! The one door through which time enters.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::clock::ARCHIVE_MS;
use crate::protocol::WallTime;
use crate::shard::Now;

/// How long the difference between the clocks is taken for granted: a step of the wall clock is noticed as late as that.
const SAME_FOR: Duration = Duration::from_millis(10);

/// A process's clocks. Copies agree with each other.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    /// What the wall clock showed at the origin, as it goes now.
    wall_of_origin_nanos: u64,
    /// Until when that is taken for granted.
    compare_at: Duration,
}

impl Clock {
    /// A clock whose monotonic side begins now, at [`ARCHIVE_MS`]: moments from before the start can be told.
    #[must_use]
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
            wall_of_origin_nanos: 0,
            compare_at: Duration::ZERO,
        }
    }

    /// One whose wall clock shows this now, whatever the system's does, and goes on from there.
    #[must_use]
    pub fn start_showing(shows: SystemTime) -> Self {
        let shown = shows.duration_since(UNIX_EPOCH);
        Self {
            wall_of_origin_nanos: shown.map_or(0, |since| since.as_nanos() as u64),
            compare_at: Duration::MAX,
            ..Self::start()
        }
    }

    /// Time since the start.
    #[must_use]
    pub fn moment(&self) -> Duration {
        self.origin.elapsed()
    }

    /// A moment of just now, by both clocks. The wall clock is read once in a while and otherwise worked out.
    #[must_use]
    pub fn now(&mut self, moment: Duration) -> Now {
        let since_origin_nanos = moment.as_secs() * 1_000_000_000 + u64::from(moment.subsec_nanos());
        if moment >= self.compare_at {
            let wall = SystemTime::now().duration_since(UNIX_EPOCH);
            let wall_nanos = wall.map_or(0, |since| since.as_nanos() as u64);
            self.wall_of_origin_nanos = wall_nanos.saturating_sub(since_origin_nanos);
            self.compare_at = moment + SAME_FOR;
        }
        Now {
            mono_ms: ARCHIVE_MS + since_origin_nanos / 1_000_000,
            mono_us: ARCHIVE_MS * 1_000 + since_origin_nanos / 1_000,
            wall: WallTime {
                unix_nanos: self.wall_of_origin_nanos + since_origin_nanos,
            },
        }
    }
}

/// CPU time that the calling thread has used.
pub(super) fn thread_cpu_time() -> Duration {
    let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime(2) writes the one value that it is given a place for.
    let told = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut used) };
    debug_assert_eq!(told, 0, "every thread has that clock");
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_go_together_and_the_wall_clock_is_the_systems() {
        let mut clock = Clock::start();
        let begin = clock.now(clock.moment());
        let system = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let apart = u128::from(begin.wall.unix_nanos).abs_diff(system.as_nanos());
        assert!(apart < 1_000_000_000, "{apart} ns");
        let mut set = Clock::start_showing(UNIX_EPOCH + Duration::from_secs(77));
        assert_eq!(set.now(Duration::from_secs(3)).wall.unix_nanos, 80_000_000_000);
        let later = clock.now(Duration::from_millis(7_500));
        let earlier = clock.now(Duration::from_millis(2_500));
        assert_eq!(later.mono_ms - earlier.mono_ms, 5_000);
        assert_eq!(later.wall.unix_nanos - earlier.wall.unix_nanos, 5_000_000_000);
    }
}
