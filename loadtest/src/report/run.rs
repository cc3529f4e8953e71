//! The report of `run`.

use anyhow::Result;
use serde::Serialize;

use crate::expect::Expectation;
use crate::report::judgement::Judgement;
use crate::report::table::or_na;
use crate::report::traffic::Warning;
use crate::report::{ConnectionsReport, LedgerReport, Report, Setting, TrafficReport, Verdict};

/// The report of `run`.
#[derive(Debug, Serialize)]
pub(crate) struct RunReport {
    command: &'static str,
    setting: Setting,
    pub(super) ledger: LedgerReport,
    pub(super) traffic: TrafficReport,
    connections: ConnectionsReport,
    #[serde(skip_serializing_if = "Judgement::is_empty")]
    pub(super) expectations: Judgement,
}

impl RunReport {
    pub(crate) fn new(
        setting: Setting,
        mut traffic: TrafficReport,
        ledger: LedgerReport,
        connections: ConnectionsReport,
    ) -> Self {
        if let Some(text) = incompleteness(&setting, &traffic, &ledger) {
            // The first to be read: it puts all that follows into its place.
            let kind = "incomplete";
            traffic.warnings.insert(0, Warning { kind, text });
        }
        Self {
            command: "run",
            setting,
            ledger,
            traffic,
            connections,
            expectations: Judgement::default(),
        }
    }

    /// Holds the figures against thresholds.
    pub(crate) fn judged_by(mut self, expectations: &[Expectation]) -> Result<Self> {
        self.expectations = Judgement::of(&self, expectations)?;
        Ok(self)
    }

    /// Share of its core that the busiest generator thread used.
    pub(crate) fn generator_busiest_share(&self) -> f64 {
        self.traffic.generator_busiest_share
    }

    /// The most telling figures in one line.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{} µs of server CPU per delivery, {} delivered/s, p50 {} µs, p99 {} µs, ledger {}",
            or_na(self.traffic.server_cpu_us_per_delivery),
            self.traffic.delivered_per_second,
            self.traffic.latency_us.p50,
            self.traffic.latency_us.p99,
            match self.ledger.verdict() {
                Verdict::Balanced | Verdict::AtLeast => "balanced",
                Verdict::Faulty => "NOT BALANCED",
            }
        )
    }

    /// Where, who and how long.
    pub(super) fn headline(&self) -> String {
        format!("{} · {} s measured", self.setting.headline(), self.traffic.seconds)
    }

    /// Reasons to distrust the figures.
    pub(super) fn warnings(&self) -> &[Warning] {
        &self.traffic.warnings
    }
}

/// What is missing from the figures of a test whose server or connections did not last.
fn incompleteness(setting: &Setting, traffic: &TrafficReport, ledger: &LedgerReport) -> Option<String> {
    let ended = ledger.connections_lost;
    let mut told = Vec::new();
    if ended > 0 {
        told.push(format!("{ended} of {} connections ended", setting.connections));
    }
    if let Some(seconds) = traffic.server_gone_seconds {
        told.push(format!("the server's process was gone after {seconds} s"));
    }
    if let Some(outage) = &traffic.outage {
        told.push(outage.words());
    }
    if told.is_empty() {
        return None;
    }
    if ended > 0 || ledger.lost() > 0 {
        told.push("figures cover only what was delivered".to_owned());
    }
    Some(told.join("; "))
}

impl Report for RunReport {
    fn verdict(&self) -> Verdict {
        self.expectations.on_top_of(self.ledger.verdict())
    }

    fn table(&self) -> String {
        let mut table = self.setting.table();
        self.traffic.table(&mut table);
        self.connections.table(&mut table);
        self.ledger.table(&mut table);
        self.expectations.table(&mut table);
        table.0
    }
}
