//! The measured window: rates, latency, what the server and the generator spent, and reasons to distrust it.

use serde::Serialize;

use crate::crew::BUSY_SHARE;
use crate::fleet::Findings;
use crate::report::outage::Outage;
use crate::report::page::curves::Curve;
use crate::report::percentiles::Percentiles;
use crate::report::steps::{self, StepMark};
use crate::report::table::{Table, mebibytes, or_na, ratio, round};
use crate::scenario::{Scenario, Traffic};
use crate::server_counters::PerDelivery;
use crate::server_figures::Usage;
use crate::timeline::Point;
use crate::watch::{Use, Watch};
use crate::worker::operations::OperationFigures;

/// Sends this late (99 of 100) mean the generator could not keep its schedule.
const LATE_SEND_US: f64 = 1_000.0;
/// A thread that waits for a CPU for more than this share of the window runs on a machine busy with other things.
const WAIT_SHARE: f64 = 0.05;
/// A reason to distrust the figures; a program reads its text.
#[derive(Debug, Clone, Serialize)]
#[serde(into = "String")]
pub(super) struct Warning {
    /// The same for all warnings of its kind.
    pub(super) kind: &'static str,
    pub(super) text: String,
}

impl From<Warning> for String {
    fn from(warning: Warning) -> Self {
        warning.text
    }
}

/// How long the messages of one group took.
#[derive(Debug, Serialize)]
struct GroupLatency {
    name: String,
    #[serde(flatten)]
    latency_us: Percentiles,
}

/// Room operations of the whole stretch.
#[derive(Debug, Serialize)]
struct OperationReport {
    asked: u64,
    refused: u64,
    answer_us: Percentiles,
}

impl OperationReport {
    fn of(figures: &OperationFigures) -> Option<Self> {
        (figures.asked > 0).then(|| Self {
            asked: figures.asked,
            refused: figures.refused,
            answer_us: Percentiles::of_ns(&figures.answer_ns),
        })
    }
}

/// Figures of the measured window of one stretch of traffic.
#[derive(Debug, Serialize)]
pub(crate) struct TrafficReport {
    warmup_seconds: f64,
    pub(super) seconds: f64,
    sent_per_second: f64,
    pub(super) delivered_per_second: f64,
    pub(super) latency_us: Percentiles,
    /// Of each group, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    latency_by_group_us: Vec<GroupLatency>,
    send_lag_us: Percentiles,
    /// From the loss of a player's socket to its seat taken again, where that happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) back_us: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operations: Option<OperationReport>,
    pub(super) server: Option<Usage>,
    pub(super) server_cpu_us_per_delivery: Option<f64>,
    pub(super) server_sends_per_delivery: Option<f64>,
    pub(super) server_kernel_entries_per_delivery: Option<f64>,
    pub(super) generator_cpu_us_per_delivery: Option<f64>,
    /// Share of its core that the busiest generator thread used.
    pub(super) generator_busiest_share: f64,
    deliveries_per_read: Option<f64>,
    /// Time that generator threads were ready to run and got no CPU.
    generator_cpu_wait_ms: f64,
    /// What served the generator's sockets.
    generator_io: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) steps: Vec<StepMark>,
    /// When nothing was delivered, although something was due.
    pub(super) outage: Option<Outage>,
    /// When the server's process was found gone, if it was known.
    pub(super) server_gone_seconds: Option<f64>,
    pub(super) timeline: Vec<Point>,
    /// What server and generator used over time.
    pub(super) uses: Vec<Use>,
    /// Length of the window that was asked for.
    #[serde(skip)]
    pub(super) asked_seconds: f64,
    #[serde(skip)]
    pub(super) group_names: Vec<String>,
    /// Of all groups together, and of each where there are several.
    #[serde(skip)]
    pub(super) curves: Vec<Curve>,
    pub(super) warnings: Vec<Warning>,
}

/// What is known of the server in the measured window, besides what it delivered.
pub(crate) struct ServerSide {
    pub(crate) usage: Option<Usage>,
    pub(crate) kernel: PerDelivery,
    pub(crate) watch: Watch,
}

impl TrafficReport {
    pub(crate) fn new(
        scenario: &Scenario,
        traffic: &Traffic,
        findings: &Findings,
        server: ServerSide,
        lost_by_slot: &[u64],
    ) -> Self {
        let ServerSide { usage, kernel, watch } = server;
        let seconds = findings.measured.as_secs_f64();
        let per_delivery =
            |cpu_ns: u64| ratio(cpu_ns as f64 / 1e3, findings.delivered as f64).map(|value| round(value, 3));
        let busy_ns: u64 = findings.busy_ns.iter().sum();
        let busiest_ns = findings.busy_ns.iter().copied().max().unwrap_or(0);
        // A closed loop owes something at any time, unless it was told to pause.
        let always_owed = traffic.is_closed_loop() && traffic.steps.is_empty();
        let gaps = findings.timeline.gaps(findings.measured, always_owed);
        let mut report = Self {
            warmup_seconds: traffic.warmup.as_secs_f64(),
            seconds: round(seconds, 3),
            sent_per_second: round(findings.sent as f64 / seconds, 1),
            delivered_per_second: round(findings.delivered as f64 / seconds, 1),
            latency_us: Percentiles::of_ns(&findings.latency_ns),
            latency_by_group_us: latency_by_group(scenario, findings),
            send_lag_us: Percentiles::of_ns(&findings.send_lag_ns),
            operations: OperationReport::of(&findings.operations),
            back_us: (!findings.back_ns.is_empty()).then(|| Percentiles::of_ns(&findings.back_ns)),
            server_cpu_us_per_delivery: usage.as_ref().and_then(|usage| per_delivery(usage.cpu_ns)),
            server: usage,
            server_sends_per_delivery: kernel.sends.map(|value| round(value, 4)),
            server_kernel_entries_per_delivery: kernel.kernel_entries.map(|value| round(value, 4)),
            generator_cpu_us_per_delivery: per_delivery(busy_ns),
            generator_busiest_share: round(busiest_ns as f64 / 1e9 / seconds, 3),
            deliveries_per_read: ratio(findings.delivered as f64, findings.reads as f64).map(|value| round(value, 2)),
            generator_cpu_wait_ms: round(findings.cpu_wait_ns as f64 / 1e6, 1),
            generator_io: findings.port,
            steps: steps::marks(scenario, traffic, findings),
            outage: Outage::of(&gaps, traffic.measured.as_secs_f64()),
            server_gone_seconds: watch.gone_ns().map(|ns| round(ns as f64 / 1e9, 2)),
            asked_seconds: traffic.measured.as_secs_f64(),
            group_names: scenario.groups.iter().map(|group| group.name.clone()).collect(),
            timeline: findings.timeline.points(lost_by_slot),
            uses: watch.uses(),
            curves: curves(scenario, findings),
            warnings: Vec::new(),
        };
        report.warnings = report.doubts(scenario, traffic, busy_ns);
        report
    }

    /// Reasons to distrust the figures.
    fn doubts(&self, scenario: &Scenario, traffic: &Traffic, busy_ns: u64) -> Vec<Warning> {
        let mut doubts = Vec::new();
        let mut doubt = |kind, text| doubts.push(Warning { kind, text });
        if self.generator_busiest_share > BUSY_SHARE {
            doubt(
                "busy generator",
                format!(
                    "a generator thread used {:.0} % of its core: the generator may be the bottleneck (--threads {})",
                    self.generator_busiest_share * 100.0,
                    scenario.threads + 1
                ),
            );
        }
        if self.server.as_ref().is_some_and(|usage| busy_ns > usage.cpu_ns) {
            doubt(
                "costly generator",
                "the generator used more CPU than the server".to_owned(),
            );
        }
        let waits = [
            (
                "server waited",
                "server",
                self.server.as_ref().map_or(0.0, |usage| usage.cpu_wait_ns as f64 / 1e9),
            ),
            ("generator waited", "generator", self.generator_cpu_wait_ms / 1e3),
        ];
        for (kind, who, waited_seconds) in waits {
            if waited_seconds > WAIT_SHARE * self.seconds {
                doubt(
                    kind,
                    format!(
                        "threads of the {who} waited {waited_seconds:.2} s for a CPU (taken by one another or by other \
                         processes); the latency includes that"
                    ),
                );
            }
        }
        if !traffic.is_closed_loop() && self.send_lag_us.p99 > LATE_SEND_US {
            doubt(
                "late sends",
                format!(
                    "1 % of the messages left {} µs or more behind schedule; latency counts that",
                    self.send_lag_us.p99
                ),
            );
        }
        doubts
    }

    pub(super) fn table(&self, out: &mut Table) {
        out.row("window", format!("{} s after {} s", self.seconds, self.warmup_seconds));
        out.row(
            "rate",
            format!(
                "{} sent/s, {} delivered/s",
                self.sent_per_second, self.delivered_per_second
            ),
        );
        out.row("latency", self.latency_us.line());
        for group in &self.latency_by_group_us {
            out.row(&format!("  {}", group.name), group.latency_us.line());
        }
        if !self.steps.is_empty() {
            out.row("steps", self.steps.len().to_string());
        }
        for step in &self.steps {
            step.table(out);
        }
        out.row("send lag", self.send_lag_us.line());
        if let Some(back_us) = &self.back_us {
            out.row("back", back_us.line());
        }
        if let Some(operations) = &self.operations {
            out.row("operations", operations.answer_us.line());
            out.row(
                "",
                format!("{} asked, {} refused", operations.asked, operations.refused),
            );
        }
        match &self.server {
            Some(usage) => {
                out.row(
                    "server CPU",
                    format!(
                        "{} µs per delivery; {:.2} s in {} s, waited {:.2} s for a CPU",
                        or_na(self.server_cpu_us_per_delivery),
                        usage.cpu_ns as f64 / 1e9,
                        self.seconds,
                        usage.cpu_wait_ns as f64 / 1e9
                    ),
                );
                for thread in usage.threads.iter().take(8) {
                    out.row(
                        "",
                        format!("{} ({}) {:.1} ms", thread.name, thread.tid, thread.cpu_ns as f64 / 1e6),
                    );
                }
                out.row(
                    "server memory",
                    format!(
                        "{:.1} MiB, {:.1} MiB at the end",
                        mebibytes(usage.resident_bytes_before),
                        mebibytes(usage.resident_bytes_after)
                    ),
                );
                out.row(
                    "server switches",
                    format!(
                        "{} voluntary, {} involuntary",
                        usage.voluntary_switches, usage.involuntary_switches
                    ),
                );
            }
            None if self.server_gone_seconds.is_some() => out.row("server", "n/a (its process has ended)"),
            None => out.row("server", "n/a (not a readable process of this machine)"),
        }
        out.row(
            "server sends",
            format!(
                "{} per delivery, {} kernel entries",
                or_na(self.server_sends_per_delivery),
                or_na(self.server_kernel_entries_per_delivery)
            ),
        );
        out.row(
            "generator",
            format!(
                "{} µs per delivery, busiest thread {:.1} % of a core, {} deliveries per read, {}",
                or_na(self.generator_cpu_us_per_delivery),
                self.generator_busiest_share * 100.0,
                or_na(self.deliveries_per_read),
                self.generator_io
            ),
        );
        for warning in &self.warnings {
            out.row("WARNING", &warning.text);
        }
    }
}

fn latency_by_group(scenario: &Scenario, findings: &Findings) -> Vec<GroupLatency> {
    if scenario.groups.len() < 2 {
        return Vec::new(); // it would be said twice
    }
    let groups = scenario.groups.iter().zip(&findings.latency_by_group_ns);
    groups
        .map(|(group, latency_ns)| GroupLatency {
            name: group.name.clone(),
            latency_us: Percentiles::of_ns(latency_ns),
        })
        .collect()
}

fn curves(scenario: &Scenario, findings: &Findings) -> Vec<Curve> {
    let mut curves = vec![Curve::of_ns("all", &findings.latency_ns)];
    if scenario.groups.len() > 1 {
        let groups = scenario.groups.iter().zip(&findings.latency_by_group_ns);
        curves.extend(groups.map(|(group, latency_ns)| Curve::of_ns(&group.name, latency_ns)));
    }
    curves
}
