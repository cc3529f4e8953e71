//! When to try again: after half a second, then after twice as long each time, up to a minute, and each time up to twice as
//! late at random, so that many do not come together.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);

/// The waits of one thing that is tried again until it works.
#[derive(Debug)]
pub struct Retries {
    delays: ExponentialBackoff,
    count: u32,
}

impl Retries {
    /// Before the first try.
    #[must_use]
    pub fn new() -> Self {
        let delays = ExponentialBuilder::new()
            .with_min_delay(FIRST)
            .with_max_delay(LONGEST)
            .with_jitter()
            .without_max_times();
        Self {
            delays: delays.build(),
            count: 0,
        }
    }

    /// How long to wait after a try that has failed.
    pub fn next_delay(&mut self) -> Duration {
        self.count += 1;
        self.delays.next().unwrap_or(LONGEST)
    }

    /// Whether one has failed, and no more.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.count == 1
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_are_never_twice_the_same() {
        let waits = || {
            let mut retries = Retries::new();
            (0..10).map(|_| retries.next_delay()).collect::<Vec<_>>()
        };
        let (one, other) = (waits(), waits());
        assert_ne!(one, other);
        for (place, wait) in one.iter().enumerate() {
            let least = (FIRST * 2_u32.pow(place as u32)).min(LONGEST);
            assert!(*wait >= least && *wait <= 2 * least, "{place}: {wait:?}");
        }
    }
}
