//! What happened in each step.

use serde::Serialize;

use crate::fleet::Findings;
use crate::report::table::{Table, or_na, round};
use crate::scenario::{Scenario, Traffic};
use crate::steps::Change;
use crate::worker::meter::StepFigures;

/// A step and what happened in it.
#[derive(Debug, Serialize)]
pub(super) struct StepMark {
    /// When it began, from the start of the measured window.
    pub(super) seconds: f64,
    pub(super) until_seconds: f64,
    pub(super) words: String,
    /// Deliveries owed for messages due in it, per second; missing where it was but a moment.
    owed_per_second: Option<f64>,
    /// Deliveries received in it, per second.
    delivered_per_second: Option<f64>,
    /// Of messages due in it; missing where there were none.
    p50_us: Option<f64>,
    p99_us: Option<f64>,
    /// Present where players lost their sockets.
    #[serde(flatten)]
    storm: Option<StormMark>,
}

/// Who went and who came back.
#[derive(Debug, Serialize)]
struct StormMark {
    dropped: u64,
    not_back: u64,
    /// From the beginning of the step to the last return; missing where somebody did not come back.
    all_back_seconds: Option<f64>,
}

/// All steps in order of time.
pub(super) fn marks(scenario: &Scenario, traffic: &Traffic, findings: &Findings) -> Vec<StepMark> {
    let steps = traffic.steps.iter().zip(&findings.steps);
    let marks = steps.map(|(step, figures)| {
        let rate = |rate: Option<f64>| rate.map(|rate| round(rate, 1));
        let latency_us = |quantile| {
            let latency_ns = figures.latency_ns.value_at_quantile(quantile);
            (!figures.latency_ns.is_empty()).then(|| round(latency_ns as f64 / 1e3, 1))
        };
        let storm = matches!(step.change, Change::Drop { .. }).then(|| StormMark::new(figures));
        let all_back = storm.as_ref().and_then(|storm| storm.all_back_seconds);
        let seconds = step.at.as_secs_f64();
        StepMark {
            seconds,
            until_seconds: step
                .until()
                .as_secs_f64()
                .max(round(seconds + all_back.unwrap_or(0.0), 4)),
            words: step.words(&scenario.groups),
            owed_per_second: rate(figures.owed_per_second),
            delivered_per_second: rate(figures.delivered_per_second),
            p50_us: latency_us(0.5),
            p99_us: latency_us(0.99),
            storm,
        }
    });
    marks.collect()
}

impl StormMark {
    fn new(figures: &StepFigures) -> Self {
        let not_back = figures.dropped - figures.back;
        let last_seconds = round(figures.last_back_ns as f64 / 1e9, 4);
        Self {
            dropped: figures.dropped,
            not_back,
            all_back_seconds: (not_back == 0 && figures.dropped > 0).then_some(last_seconds),
        }
    }
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
        let Some(storm) = &self.storm else { return };
        let outcome = match storm.all_back_seconds {
            Some(seconds) => format!("all back after {seconds} s"),
            None => format!("{} DID NOT COME BACK", storm.not_back),
        };
        out.row("", format!("{} players lost their sockets, {outcome}", storm.dropped));
    }
}
