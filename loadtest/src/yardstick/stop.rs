//! How a stop is noticed.

use std::time::Duration;

/// How soon one is noticed that came just before a wait.
pub(super) const STOP_POLL: Duration = Duration::from_millis(500);
