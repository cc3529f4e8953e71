//! Spans of time, as scrapers read them: how many were no longer than each of some bounds.

use crate::shard::Timing;

/// The bounds, in seconds: from what a turn takes to what nobody waits for any longer.
pub(super) const BOUNDS_SECS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// How many of something took how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// How many took no longer than each bound.
    pub within: [u64; BOUNDS_SECS.len()],
    /// How many there were.
    pub count: u64,
    /// How long they took together, in seconds.
    pub sum_secs: f64,
}

impl Distribution {
    /// That of a histogram. A span that is not told apart from a bound counts as within it.
    #[must_use]
    pub fn of(timing: &Timing) -> Self {
        let mut within = [0; BOUNDS_SECS.len()];
        for step in timing.spans().iter_recorded() {
            let least_us = timing.spans().lowest_equivalent(step.value_iterated_to());
            let bound = BOUNDS_SECS.iter().position(|bound| least_us as f64 <= bound * 1e6);
            if let Some(place) = bound {
                within[place] += step.count_since_last_iteration();
            }
        }
        for place in 1..within.len() {
            within[place] += within[place - 1];
        }
        Self {
            within,
            count: timing.spans().len(),
            sum_secs: timing.sum_us() as f64 / 1e6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_counts_all_that_is_within_it() {
        let mut timing = Timing::default();
        for (span_us, weight) in [(3, 2), (50, 1), (60, 1), (1_000, 5), (9_000_000, 1), (30_000_000, 1)] {
            timing.record(span_us, weight);
        }
        let spans = Distribution::of(&timing);
        assert_eq!(&spans.within[..6], [3, 4, 4, 4, 9, 9]);
        assert_eq!(&spans.within[15..], [9, 10]);
        assert_eq!(spans.count, 11);
        assert!((spans.sum_secs - 39.005_116).abs() < 1e-9, "{}", spans.sum_secs);
    }
}
