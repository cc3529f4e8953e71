//! Latency by percentile.

use hdrhistogram::Histogram;

use crate::report::page::plot::{COLOURS, Plot, Series};
use crate::report::page::scale::Axis;

/// Quantiles from the lowest outwards, so many for each nine.
const POINTS_PER_NINE: u32 = 24;
const MAX_NINES: u32 = 6;
/// Lines that can be told apart.
pub(crate) const MAX_LINES: usize = 8;

/// Times of one kind, from the quickest to the slowest.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    name: String,
    /// In µs, by nines (the 24th is the 90th percentile, the 48th the 99th), as far as there are messages to tell.
    times_us: Vec<f64>,
}

impl Curve {
    pub(crate) fn of_ns(name: impl Into<String>, times_ns: &Histogram<u64>) -> Self {
        let nines = (times_ns.len().max(1) as f64).log10().clamp(1.0, f64::from(MAX_NINES));
        let steps = if times_ns.is_empty() {
            0
        } else {
            (nines * f64::from(POINTS_PER_NINE)) as u32 + 1
        };
        let at = |step| times_ns.value_at_quantile(1.0 - 10f64.powf(-place(step))) as f64 / 1e3;
        Self {
            name: name.into(),
            times_us: (0..steps).map(at).collect(),
        }
    }

    /// A plot of these.
    pub(super) fn plot(title: &str, curves: &[Self]) -> Plot {
        let steps = curves.iter().map(|curve| curve.times_us.len()).max().unwrap_or(0);
        let shown = curves.iter().take(MAX_LINES).zip(COLOURS);
        Plot {
            title: title.to_owned(),
            note: None,
            x: Axis::Nines,
            y: Axis::LogTime,
            places: (0..steps as u32).map(place).collect(),
            reach: 0.0,
            series: shown
                .map(|(curve, colour)| {
                    let values = (0..steps).map(|step| curve.times_us.get(step).copied());
                    Series::line(&curve.name, colour, values.collect())
                })
                .collect(),
            bands: Vec::new(),
        }
    }
}

/// The nines of a step.
fn place(step: u32) -> f64 {
    f64::from(step) / f64::from(POINTS_PER_NINE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::latency_histogram;

    #[test]
    fn a_curve_ends_where_the_messages_do() {
        let mut histogram = latency_histogram();
        assert!(Curve::of_ns("none", &histogram).times_us.is_empty());
        for latency_us in 1..=1000 {
            histogram.record(latency_us * 1000).expect("within the bounds");
        }
        let curve = Curve::of_ns("all", &histogram);
        assert_eq!(curve.times_us.len(), 3 * POINTS_PER_NINE as usize + 1);
        assert!(curve.times_us.is_sorted() && curve.times_us[72] > 990.0, "{curve:?}");
    }
}
