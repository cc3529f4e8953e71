//! Pauses of the process itself: nobody is judged by them.

use std::time::Duration;

use tokio::time::Instant;

/// So much later than asked we wake up only when we could not run: stopped, frozen, or starved.
const STANDSTILL: Duration = Duration::from_secs(1);

/// Whether we have come to a deadline that is just over so late that what it waited for was not given its time.
pub(super) fn is_our_delay(deadline: Instant) -> bool {
    deadline.elapsed() > STANDSTILL
}
