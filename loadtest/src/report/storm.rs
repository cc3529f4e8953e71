//! The report of `storm`: what a cycle costs, and how long requests take.

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::expect::Expectation;
use crate::report::judgement::Judgement;
use crate::report::page::curves::Curve;
use crate::report::percentiles::Percentiles;
use crate::report::table::{Table, or_na, ratio, round};
use crate::report::{Report, Verdict};
use crate::server_figures::Usage;
use crate::watch::Use;

const SLOTS: f64 = 120.0;
const MIN_SLOT_SECONDS: f64 = 0.1;
/// Joins slower than this are counted.
const SLOW_JOIN_NS: u64 = 5_000_000;

/// What a storm brought.
pub(crate) struct StormFindings {
    pub(crate) parties: u32,
    pub(crate) cycles: u64,
    /// When each was over.
    pub(crate) cycle_ends_ns: Vec<u64>,
    /// What both sides used over time.
    pub(crate) uses: Vec<Use>,
    pub(crate) seconds: f64,
    pub(crate) create_ns: Histogram<u64>,
    pub(crate) join_ns: Histogram<u64>,
    pub(crate) leave_ns: Histogram<u64>,
    pub(crate) usage: Option<Usage>,
    pub(crate) generator_cpu_ns: u64,
    pub(crate) spin: bool,
    /// Why it ended before its time, where the server is the reason.
    pub(crate) broke_off: Option<String>,
}

/// Cycles in a slot of time.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct CycleRate {
    /// From the start to the middle of the slot.
    pub(super) seconds: f64,
    pub(super) cycles_per_second: f64,
}

/// The report of `storm`.
#[derive(Debug, Serialize)]
pub(crate) struct StormReport {
    command: &'static str,
    pub(super) server: String,
    pub(super) connections: u32,
    pub(super) cycles: u64,
    /// What the server did, or did not do, that ended the storm before its time.
    pub(super) broke_off: Option<String>,
    pub(super) seconds: f64,
    pub(super) cycles_per_second: f64,
    pub(super) create_us: Percentiles,
    pub(super) join_us: Percentiles,
    pub(super) leave_us: Percentiles,
    creates_over_5_ms: u64,
    pub(super) joins_over_5_ms: u64,
    pub(super) server_cpu_us_per_cycle: Option<f64>,
    /// With `--spin` it includes polling in vain.
    generator_cpu_us_per_cycle: Option<f64>,
    usage: Option<Usage>,
    pub(super) timeline: Vec<CycleRate>,
    pub(super) uses: Vec<Use>,
    pub(super) warnings: Vec<String>,
    #[serde(skip_serializing_if = "Judgement::is_empty")]
    pub(super) expectations: Judgement,
    #[serde(skip)]
    pub(super) curves: Vec<Curve>,
}

impl StormReport {
    pub(crate) fn new(url: &str, findings: StormFindings) -> Self {
        let per_cycle = |ns: u64| ratio(ns as f64 / 1e3, findings.cycles as f64).map(|value| round(value, 1));
        let slow = |histogram: &Histogram<u64>| {
            histogram.len()
                - histogram
                    .count_between(0, SLOW_JOIN_NS.saturating_sub(1))
                    .min(histogram.len())
        };
        let mut warnings = Vec::new();
        if let Some(usage) = &findings.usage {
            if !findings.spin && findings.generator_cpu_ns > usage.cpu_ns {
                warnings.push("the generator used more CPU than the server".to_owned());
            }
            let waited = usage.cpu_wait_ns as f64 / 1e9;
            if waited > 0.05 * findings.seconds {
                warnings.push(format!(
                    "threads of the server waited {waited:.2} s for a CPU; the latency includes that"
                ));
            }
        }
        Self {
            command: "storm",
            server: url.to_owned(),
            connections: findings.parties * 4,
            cycles: findings.cycles,
            broke_off: findings.broke_off,
            seconds: round(findings.seconds, 3),
            cycles_per_second: round(findings.cycles as f64 / findings.seconds, 1),
            create_us: Percentiles::of_ns(&findings.create_ns),
            join_us: Percentiles::of_ns(&findings.join_ns),
            leave_us: Percentiles::of_ns(&findings.leave_ns),
            creates_over_5_ms: slow(&findings.create_ns),
            joins_over_5_ms: slow(&findings.join_ns),
            server_cpu_us_per_cycle: findings.usage.as_ref().and_then(|usage| per_cycle(usage.cpu_ns)),
            generator_cpu_us_per_cycle: per_cycle(findings.generator_cpu_ns),
            usage: findings.usage,
            timeline: cycle_rates(&findings.cycle_ends_ns, findings.seconds),
            uses: findings.uses,
            warnings,
            expectations: Judgement::default(),
            curves: vec![
                Curve::of_ns("create", &findings.create_ns),
                Curve::of_ns("join", &findings.join_ns),
                Curve::of_ns("leave", &findings.leave_ns),
            ],
        }
    }

    /// Holds the figures against thresholds.
    pub(crate) fn judged_by(mut self, expectations: &[Expectation]) -> Result<Self> {
        self.expectations = Judgement::of(&self, expectations)?;
        Ok(self)
    }
}

impl Report for StormReport {
    fn verdict(&self) -> Verdict {
        self.expectations.on_top_of(match self.broke_off {
            None => Verdict::Balanced,
            Some(_) => Verdict::Faulty,
        })
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        table.row("server", &self.server);
        table.row(
            "storm",
            format!(
                "{} connections in parties of 4, {} cycles in {} s, {} a second",
                self.connections, self.cycles, self.seconds, self.cycles_per_second
            ),
        );
        if let Some(why) = &self.broke_off {
            table.row("BROKE OFF", why);
        }
        table.row("create", self.create_us.line());
        table.row("join", self.join_us.line());
        table.row("leave", self.leave_us.line());
        table.row(
            "over 5 ms",
            format!("{} creates, {} joins", self.creates_over_5_ms, self.joins_over_5_ms),
        );
        table.row(
            "server CPU",
            format!(
                "{} µs per cycle of 1 create, 3 joins, 4 leaves",
                or_na(self.server_cpu_us_per_cycle)
            ),
        );
        table.row(
            "generator",
            format!("{} µs per cycle", or_na(self.generator_cpu_us_per_cycle)),
        );
        for warning in &self.warnings {
            table.row("WARNING", warning);
        }
        self.expectations.table(&mut table);
        table.0
    }
}

/// How many cycles were over in each slot of `seconds`.
fn cycle_rates(ends_ns: &[u64], seconds: f64) -> Vec<CycleRate> {
    let slot = (seconds / SLOTS).max(MIN_SLOT_SECONDS);
    let mut counts = vec![0u64; (seconds / slot).ceil().max(1.0) as usize];
    for &end_ns in ends_ns {
        let at = (end_ns as f64 / 1e9 / slot) as usize;
        let last = counts.len() - 1;
        counts[at.min(last)] += 1;
    }
    let rates = counts.iter().enumerate().map(|(at, &count)| {
        let start = at as f64 * slot;
        // The last slot may be shorter.
        let length = slot.min(seconds - start).max(f64::MIN_POSITIVE);
        CycleRate {
            seconds: round(start + length / 2.0, 3),
            cycles_per_second: round(count as f64 / length, 1),
        }
    });
    rates.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_are_counted_by_the_time_of_their_end() {
        let rates = cycle_rates(&[10_000_000, 90_000_000, 210_000_000], 0.25);
        let rates: Vec<_> = rates
            .iter()
            .map(|rate| (rate.seconds, rate.cycles_per_second))
            .collect();
        assert_eq!(rates, [(0.05, 20.0), (0.15, 0.0), (0.225, 20.0)]);
        assert_eq!(cycle_rates(&[], 0.01).len(), 1);
    }
}
