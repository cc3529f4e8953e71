//! The report of `handshakes`: what it takes to open a connection.

use std::collections::BTreeMap;

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::client::milestones::Openings;
use crate::expect::Expectation;
use crate::report::judgement::Judgement;
use crate::report::page::curves::Curve;
use crate::report::percentiles::Percentiles;
use crate::report::table::{Table, or_na, ratio, round};
use crate::report::{ConnectionsReport, Report, Verdict};
use crate::server_figures::Usage;

/// Beginnings this late (99 of 100) mean that the rate was not what was asked for.
const LATE_US: f64 = 10_000.0;
const BUSY_SHARE: f64 = 0.9;

/// What was done and found.
pub(crate) struct HandshakesFindings {
    pub(crate) server: String,
    pub(crate) at_a_time: usize,
    pub(crate) rate: Option<f64>,
    pub(crate) seconds: f64,
    pub(crate) connections: ConnectionsReport,
    /// At a rate: how much later than due connections began.
    pub(crate) lag_ns: Option<Histogram<u64>>,
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) usage: Option<Usage>,
    pub(crate) generator_cpu_ns: u64,
    pub(crate) spin: bool,
    pub(crate) openings: Openings,
}

/// The report of `handshakes`.
#[derive(Debug, Serialize)]
pub(crate) struct HandshakesReport {
    command: &'static str,
    pub(super) server: String,
    pub(super) at_a_time: usize,
    pub(super) rate: Option<f64>,
    pub(super) seconds: f64,
    #[serde(flatten)]
    pub(super) connections: ConnectionsReport,
    begin_lag_us: Option<Percentiles>,
    /// By kind, in words.
    pub(super) failures: BTreeMap<String, u64>,
    pub(super) failed: u64,
    pub(super) server_cpu_us_per_connection: Option<f64>,
    /// With `--spin` it includes polling in vain.
    generator_cpu_us_per_connection: Option<f64>,
    usage: Option<Usage>,
    pub(super) warnings: Vec<String>,
    #[serde(skip_serializing_if = "Judgement::is_empty")]
    pub(super) expectations: Judgement,
    #[serde(skip)]
    pub(super) curves: Vec<Curve>,
}

impl HandshakesReport {
    pub(crate) fn new(findings: HandshakesFindings) -> Self {
        let openings = &findings.openings;
        let failed = findings.failures.values().sum::<u64>();
        let tried = (openings.count() + failed) as f64;
        let each = |ns: u64| ratio(ns as f64 / 1e3, tried).map(|value| round(value, 1));
        let seconds = findings.seconds;
        let lag_us = findings.lag_ns.as_ref().map(Percentiles::of_ns);
        let mut curves = vec![Curve::of_ns("connect", &openings.connect_ns)];
        for (name, times_ns) in [
            ("TLS handshake", &openings.handshake_ns),
            ("upgrade", &openings.upgrade_ns),
        ] {
            if !times_ns.is_empty() {
                curves.push(Curve::of_ns(name, times_ns));
            }
        }
        let mut report = Self {
            command: "handshakes",
            server: findings.server,
            at_a_time: findings.at_a_time,
            rate: findings.rate,
            seconds: round(seconds, 3),
            connections: findings.connections,
            begin_lag_us: lag_us,
            failures: findings.failures,
            failed,
            server_cpu_us_per_connection: findings.usage.as_ref().and_then(|usage| each(usage.cpu_ns)),
            generator_cpu_us_per_connection: each(findings.generator_cpu_ns),
            usage: findings.usage,
            warnings: Vec::new(),
            expectations: Judgement::default(),
            curves,
        };
        let busy_seconds = findings.generator_cpu_ns as f64 / 1e9;
        if !findings.spin && busy_seconds > BUSY_SHARE * seconds {
            report.warnings.push(
                "the generator used its whole core: it may be what was measured (it works with one thread)".to_owned(),
            );
        }
        if let Some(waited) = report.usage.as_ref().map(|usage| usage.cpu_wait_ns as f64 / 1e9)
            && waited > 0.05 * seconds
        {
            report.warnings.push(format!(
                "threads of the server waited {waited:.2} s for a CPU; the times include that"
            ));
        }
        if let Some(lag_us) = report.begin_lag_us.as_ref().filter(|lag_us| lag_us.p99 > LATE_US) {
            report.warnings.push(format!(
                "1 % of the connections began {} µs or more later than due: generator, server or --concurrency do not keep \
                 the rate",
                lag_us.p99
            ));
        }
        report
    }

    /// Holds the figures against thresholds.
    pub(crate) fn judged_by(mut self, expectations: &[Expectation]) -> Result<Self> {
        self.expectations = Judgement::of(&self, expectations)?;
        Ok(self)
    }

    /// How connections were begun.
    pub(super) fn manner(&self) -> String {
        match self.rate {
            Some(rate) => format!("{rate} begun a second, at most {} at a time", self.at_a_time),
            None => format!("{} at a time", self.at_a_time),
        }
    }
}

impl Report for HandshakesReport {
    fn verdict(&self) -> Verdict {
        self.expectations.on_top_of(match self.failed {
            0 => Verdict::Balanced,
            _ => Verdict::Faulty,
        })
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        table.row("server", &self.server);
        table.row("handshakes", format!("{}, for {} s", self.manner(), self.seconds));
        self.connections.table(&mut table);
        if let Some(lag_us) = &self.begin_lag_us {
            table.row("begin lag", lag_us.line());
        }
        table.row("failed", self.failed.to_string());
        for (how, count) in &self.failures {
            table.row("", format!("{count} × {how}"));
        }
        table.row(
            "server CPU",
            format!("{} µs per connection", or_na(self.server_cpu_us_per_connection)),
        );
        table.row(
            "generator",
            format!("{} µs per connection", or_na(self.generator_cpu_us_per_connection)),
        );
        for warning in &self.warnings {
            table.row("WARNING", warning);
        }
        self.expectations.table(&mut table);
        table.0
    }
}
