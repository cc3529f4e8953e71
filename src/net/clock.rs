//! The one door through which time enters.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::clock::ARCHIVE_MS;
use crate::protocol::WallTime;
use crate::shard::Now;

/// A process's clocks. Copies agree with each other.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose monotonic side begins now, at [`ARCHIVE_MS`]: moments from before the start can be told.
    #[must_use]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Time since the start.
    #[must_use]
    pub fn moment(&self) -> Duration {
        self.origin.elapsed()
    }

    /// This moment.
    #[must_use]
    pub fn now(&self) -> Now {
        let unix_nanos = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos() as u64);
        Now {
            mono_ms: ARCHIVE_MS + self.origin.elapsed().as_millis() as u64,
            wall: WallTime { unix_nanos },
        }
    }
}
