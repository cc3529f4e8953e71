//! One time line for all threads of a test.

use std::time::{Duration, Instant};

/// Nanoseconds since the test began; copies agree with each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now_ns(self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }

    /// Blocks the calling thread until `at_ns`; returns at once when that is past.
    pub(crate) fn sleep_until(self, at_ns: u64) {
        let now_ns = self.now_ns();
        if at_ns > now_ns {
            std::thread::sleep(Duration::from_nanos(at_ns - now_ns));
        }
    }
}
