//! A moment, by both clocks.

use crate::protocol::WallTime;

/// A moment, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds of a clock that only goes forward.
    pub mono_ms: u64,
    /// The same in microseconds, to measure with.
    pub mono_us: u64,
    /// What clients are told.
    pub wall: WallTime,
}
