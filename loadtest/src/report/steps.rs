//! What happened in each step.

use serde::Serialize;

use crate::fleet::Findings;
use crate::report::table::{Table, or_na, ratio, round};
use crate::scenario::{Scenario, Traffic};

/// A step and what happened in it.
#[derive(Debug, Serialize)]
pub(super) struct StepMark {
    /// When it began, from the start of the measured window.
    pub(super) seconds: f64,
    pub(super) until_seconds: f64,
    pub(super) words: String,
    /// Deliveries owed for messages due in it, per second; missing where the step is but a moment.
    owed_per_second: Option<f64>,
    /// Deliveries received in it, per second.
    delivered_per_second: Option<f64>,
    /// Of messages due in it; missing where there were none.
    p50_us: Option<f64>,
    p99_us: Option<f64>,
}

/// All steps in order of time.
pub(super) fn marks(scenario: &Scenario, traffic: &Traffic, findings: &Findings) -> Vec<StepMark> {
    let steps = traffic.steps.iter().zip(&findings.meters);
    let marks = steps.map(|(step, meter)| {
        let length = (step.until() - step.at).as_secs_f64();
        let per_second = |count: u64| ratio(count as f64, length).map(|rate| round(rate, 1));
        let latency_us = |quantile| {
            let latency_ns = meter.latency_ns.value_at_quantile(quantile);
            (!meter.latency_ns.is_empty()).then(|| round(latency_ns as f64 / 1e3, 1))
        };
        StepMark {
            seconds: step.at.as_secs_f64(),
            until_seconds: step.until().as_secs_f64(),
            words: step.words(&scenario.groups),
            owed_per_second: per_second(meter.owed),
            delivered_per_second: per_second(meter.delivered),
            p50_us: latency_us(0.5),
            p99_us: latency_us(0.99),
        }
    });
    marks.collect()
}

impl StepMark {
    pub(super) fn table(&self, out: &mut Table) {
        out.row(
            &format!("  at {} s", self.seconds),
            format!(
                "{}: {} owed/s, {} delivered/s, p50 {} p99 {} µs",
                self.words,
                or_na(self.owed_per_second),
                or_na(self.delivered_per_second),
                or_na(self.p50_us),
                or_na(self.p99_us)
            ),
        );
    }
}
