//! Distributions of times, in microseconds.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::report::table::round;

/// A distribution of times.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p99_9: f64,
    pub(super) max: f64,
    pub(super) mean: f64,
}

impl Percentiles {
    pub(super) fn of_ns(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| round(histogram.value_at_quantile(quantile) as f64 / 1e3, 1);
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: round(histogram.max() as f64 / 1e3, 1),
            mean: round(histogram.mean() / 1e3, 1),
        }
    }

    pub(super) fn line(&self) -> String {
        format!(
            "p50 {}  p90 {}  p99 {}  p99.9 {}  max {} µs",
            self.p50, self.p90, self.p99, self.p99_9, self.max
        )
    }
}
