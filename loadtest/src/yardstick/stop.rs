//! How the yardstick is told to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How soon a stop is noticed that came just before a wait.
pub(super) const STOP_POLL: Duration = Duration::from_millis(500);

pub(super) static STOP: AtomicBool = AtomicBool::new(false);

pub(super) fn stopping() -> bool {
    STOP.load(Ordering::Relaxed)
}
