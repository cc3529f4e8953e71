//! The histogram that all latencies are counted in.

use hdrhistogram::Histogram;

/// An empty latency histogram: 1 ns to an hour, three digits.
pub(crate) fn latency_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("the bounds are constants that the histogram allows")
}
