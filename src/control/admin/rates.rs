//! How fast a count rises, seen by whoever looks at it now and then.

use std::time::Duration;

/// Between looks that are further apart nothing is compared: it would say nothing of now.
pub(super) const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);

/// What a count has risen by in a second, with a digit behind the point.
pub(super) fn per_second(now: u64, before: u64, span: Duration) -> f64 {
    rounded(now.saturating_sub(before) as f64 / span.as_secs_f64().max(0.001))
}

/// With a digit behind the point.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
