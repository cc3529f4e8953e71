//! What a test found: one structure per command, printed as a table for people and as one line of JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::cli::IdleArguments;
use crate::fleet::Findings;
use crate::ledger::Totals;
use crate::scenario::{Encoding, Pace, Scenario, Traffic};
use crate::server_figures::Usage;
use crate::worker::Account;

/// A generator thread above this share of its core may be what was measured.
const BUSY_SHARE: f64 = 0.9;
/// Sends this late (99 of 100) mean the generator could not keep its schedule.
const LATE_SEND_US: f64 = 1_000.0;
/// A thread that waits for a CPU for more than this share of the window runs on a machine busy with other things.
const WAIT_SHARE: f64 = 0.05;
/// Ended connections that are described one by one.
const MAX_ENDS: usize = 20;

/// Whether the server did what it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Balanced,
    Faulty,
}

/// A report that can be shown.
pub(crate) trait Report: Serialize {
    fn verdict(&self) -> Verdict;
    fn table(&self) -> String;
}

/// Prints the table (unless `json_only`) and the JSON line, and passes the verdict on.
pub(crate) fn publish(report: &impl Report, json_only: bool) -> Result<Verdict> {
    if !json_only {
        println!("{}", report.table());
    }
    println!(
        "{}",
        serde_json::to_string(report).context("the report cannot be written as JSON")?
    );
    Ok(report.verdict())
}

/// What was driven.
#[derive(Debug, Serialize)]
struct Setting {
    server: String,
    encoding: Encoding,
    rooms: u32,
    players: u32,
    connections: u32,
    threads: u32,
    spin: bool,
    seed: u64,
}

impl Setting {
    fn new(scenario: &Scenario) -> Self {
        Self {
            server: format!("ws://{}{}", scenario.server.host, scenario.server.path),
            encoding: scenario.encoding,
            rooms: scenario.rooms,
            players: scenario.players,
            connections: scenario.connections(),
            threads: scenario.threads,
            spin: scenario.spin,
            seed: scenario.seed,
        }
    }
}

/// The account in words and numbers.
#[derive(Debug, Serialize)]
pub(crate) struct LedgerReport {
    balanced: bool,
    #[serde(flatten)]
    totals: Totals,
    /// Some faults in words.
    faults: Vec<String>,
    connections_lost: usize,
    /// How the first of them ended.
    ends: Vec<String>,
    server_errors: BTreeMap<String, u64>,
}

impl LedgerReport {
    pub(crate) fn new(account: Account) -> Self {
        let describe = |(player, end): &(u32, _)| format!("player {player}: {end}");
        Self {
            balanced: account.totals.balanced(),
            totals: account.totals,
            faults: account.examples,
            connections_lost: account.ends.len(),
            ends: account.ends.iter().take(MAX_ENDS).map(describe).collect(),
            server_errors: account.server_errors,
        }
    }

    fn verdict(&self) -> Verdict {
        if self.balanced && self.connections_lost == 0 {
            Verdict::Balanced
        } else {
            Verdict::Faulty
        }
    }

    fn table(&self, out: &mut Table) {
        let totals = &self.totals;
        out.row("ledger", if self.balanced { "balanced" } else { "DOES NOT BALANCE" });
        out.row(
            "",
            format!(
                "{} sent, {} deliveries owed, {} made",
                totals.sent, totals.expected, totals.received
            ),
        );
        out.row(
            "",
            format!(
                "{} lost, {} duplicated, {} reordered, {} misrouted, {} corrupted",
                totals.lost, totals.duplicated, totals.reordered, totals.misrouted, totals.corrupted
            ),
        );
        for fault in &self.faults {
            out.row("  fault", fault);
        }
        if self.connections_lost > 0 {
            out.row("connections", format!("{} LOST", self.connections_lost));
        }
        for end in &self.ends {
            out.row("  ended", end);
        }
        for (code, count) in &self.server_errors {
            out.row("  error", format!("{code} × {count}"));
        }
    }
}

/// A distribution of times.
#[derive(Debug, Serialize)]
struct Percentiles {
    p50: f64,
    p90: f64,
    p99: f64,
    p99_9: f64,
    max: f64,
    mean: f64,
}

impl Percentiles {
    fn of_ns(histogram: &Histogram<u64>) -> Self {
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

    fn line(&self) -> String {
        format!(
            "p50 {}  p90 {}  p99 {}  p99.9 {}  max {} µs",
            self.p50, self.p90, self.p99, self.p99_9, self.max
        )
    }
}

/// Figures of the measured window of one stretch of traffic.
#[derive(Debug, Serialize)]
pub(crate) struct TrafficReport {
    size_bytes: usize,
    pace: String,
    warmup_seconds: f64,
    seconds: f64,
    sent_per_second: f64,
    delivered_per_second: f64,
    latency_us: Percentiles,
    send_lag_us: Percentiles,
    server: Option<Usage>,
    server_cpu_us_per_delivery: Option<f64>,
    server_sends_per_delivery: Option<f64>,
    generator_cpu_us_per_delivery: Option<f64>,
    /// Share of its core that the busiest generator thread used.
    generator_busiest_share: f64,
    deliveries_per_read: Option<f64>,
    /// Time that generator threads were ready to run and got no CPU.
    generator_cpu_wait_ms: f64,
    warnings: Vec<String>,
}

impl TrafficReport {
    pub(crate) fn new(
        scenario: &Scenario,
        traffic: &Traffic,
        findings: &Findings,
        server: Option<Usage>,
        server_sends_per_delivery: Option<f64>,
    ) -> Self {
        let seconds = traffic.measured.as_secs_f64();
        let per_delivery =
            |cpu_ns: u64| ratio(cpu_ns as f64 / 1e3, findings.delivered as f64).map(|value| round(value, 3));
        let busy_ns: u64 = findings.busy_ns.iter().sum();
        let busiest_ns = findings.busy_ns.iter().copied().max().unwrap_or(0);
        let mut report = Self {
            size_bytes: traffic.size_bytes,
            pace: match traffic.pace {
                Pace::OpenLoop { period_ns, phase } => format!("{} Hz, {phase:?} phase", round(1e9 / period_ns, 3))
                    .to_lowercase()
                    .replace("hz", "Hz"),
                Pace::ClosedLoop { in_flight } => format!("closed loop, {in_flight} in flight"),
            },
            warmup_seconds: traffic.warmup.as_secs_f64(),
            seconds,
            sent_per_second: round(findings.sent as f64 / seconds, 1),
            delivered_per_second: round(findings.delivered as f64 / seconds, 1),
            latency_us: Percentiles::of_ns(&findings.latency_ns),
            send_lag_us: Percentiles::of_ns(&findings.send_lag_ns),
            server_cpu_us_per_delivery: server.as_ref().and_then(|usage| per_delivery(usage.cpu_ns)),
            server,
            server_sends_per_delivery: server_sends_per_delivery.map(|value| round(value, 4)),
            generator_cpu_us_per_delivery: per_delivery(busy_ns),
            generator_busiest_share: round(busiest_ns as f64 / 1e9 / seconds, 3),
            deliveries_per_read: ratio(findings.delivered as f64, findings.reads as f64).map(|value| round(value, 2)),
            generator_cpu_wait_ms: round(findings.cpu_wait_ns as f64 / 1e6, 1),
            warnings: Vec::new(),
        };
        report.warnings = report.doubts(scenario, traffic, busy_ns);
        report
    }

    /// Reasons to distrust the figures.
    fn doubts(&self, scenario: &Scenario, traffic: &Traffic, busy_ns: u64) -> Vec<String> {
        let mut doubts = Vec::new();
        if self.generator_busiest_share > BUSY_SHARE {
            doubts.push(format!(
                "a generator thread used {:.0} % of its core: the generator may be the bottleneck (--threads {})",
                self.generator_busiest_share * 100.0,
                scenario.threads + 1
            ));
        }
        if self.server.as_ref().is_some_and(|usage| busy_ns > usage.cpu_ns) {
            doubts.push("the generator used more CPU than the server".to_owned());
        }
        let waits = [
            (
                "server",
                self.server.as_ref().map_or(0.0, |usage| usage.cpu_wait_ns as f64 / 1e9),
            ),
            ("generator", self.generator_cpu_wait_ms / 1e3),
        ];
        for (who, waited_seconds) in waits {
            if waited_seconds > WAIT_SHARE * self.seconds {
                doubts.push(format!(
                    "threads of the {who} waited {waited_seconds:.2} s for a CPU (taken by one another or by other processes); \
                     the latency includes that"
                ));
            }
        }
        if matches!(traffic.pace, Pace::OpenLoop { .. }) && self.send_lag_us.p99 > LATE_SEND_US {
            doubts.push(format!(
                "1 % of the messages left {} µs or more behind schedule; latency counts that",
                self.send_lag_us.p99
            ));
        }
        doubts
    }

    fn table(&self, out: &mut Table) {
        out.row(
            "traffic",
            format!("{} bytes, {}, {} s", self.size_bytes, self.pace, self.seconds),
        );
        out.row(
            "rate",
            format!(
                "{} sent/s, {} delivered/s",
                self.sent_per_second, self.delivered_per_second
            ),
        );
        out.row("latency", self.latency_us.line());
        out.row("send lag", self.send_lag_us.line());
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
            None => out.row("server", "n/a (not a readable process of this machine)"),
        }
        out.row(
            "server sends",
            format!("{} per delivery", or_na(self.server_sends_per_delivery)),
        );
        out.row(
            "generator",
            format!(
                "{} µs per delivery, busiest thread {:.1} % of a core, {} deliveries per read",
                or_na(self.generator_cpu_us_per_delivery),
                self.generator_busiest_share * 100.0,
                or_na(self.deliveries_per_read)
            ),
        );
        for warning in &self.warnings {
            out.row("WARNING", warning);
        }
    }
}

/// The report of `run`.
#[derive(Debug, Serialize)]
pub(crate) struct RunReport {
    command: &'static str,
    setting: Setting,
    ledger: LedgerReport,
    traffic: TrafficReport,
}

impl RunReport {
    pub(crate) fn new(scenario: &Scenario, traffic: TrafficReport, ledger: LedgerReport) -> Self {
        Self {
            command: "run",
            setting: Setting::new(scenario),
            ledger,
            traffic,
        }
    }
}

impl Report for RunReport {
    fn verdict(&self) -> Verdict {
        self.ledger.verdict()
    }

    fn table(&self) -> String {
        let mut table = Table::for_setting(&self.setting);
        self.traffic.table(&mut table);
        self.ledger.table(&mut table);
        table.0
    }
}

/// The report of `idle`.
#[derive(Debug, Serialize)]
pub(crate) struct IdleReport {
    command: &'static str,
    setting: Setting,
    message_bytes: usize,
    small_messages: u32,
    settle_seconds: f64,
    /// Resident memory of the server before anybody came.
    resident_bytes_before: u64,
    resident_bytes_joined: u64,
    resident_bytes_after_traffic: u64,
    resident_bytes_rested: u64,
    /// Growth from before to rested, over the connections.
    resident_bytes_per_connection: f64,
    ledger: LedgerReport,
}

impl IdleReport {
    /// `resident` holds the readings before anybody came, when all had joined, after the traffic, and after the rest.
    pub(crate) fn new(
        scenario: &Scenario,
        arguments: &IdleArguments,
        resident: [u64; 4],
        ledger: LedgerReport,
    ) -> Self {
        let [before, joined, busy, rested] = resident;
        let growth = rested as f64 - before as f64;
        Self {
            command: "idle",
            setting: Setting::new(scenario),
            message_bytes: arguments.message_bytes,
            small_messages: arguments.small_messages,
            settle_seconds: arguments.settle_seconds,
            resident_bytes_before: before,
            resident_bytes_joined: joined,
            resident_bytes_after_traffic: busy,
            resident_bytes_rested: rested,
            resident_bytes_per_connection: round(growth / f64::from(scenario.connections()), 1),
            ledger,
        }
    }
}

impl Report for IdleReport {
    fn verdict(&self) -> Verdict {
        self.ledger.verdict()
    }

    fn table(&self) -> String {
        let mut table = Table::for_setting(&self.setting);
        table.row(
            "each player sent",
            format!("{} × 64 bytes, 1 × {} bytes", self.small_messages, self.message_bytes),
        );
        let memory = |bytes| format!("{:.1} MiB", mebibytes(bytes));
        table.row("memory before", memory(self.resident_bytes_before));
        table.row("  all joined", memory(self.resident_bytes_joined));
        table.row("  after traffic", memory(self.resident_bytes_after_traffic));
        table.row(
            "  rested",
            format!("{} ({} s)", memory(self.resident_bytes_rested), self.settle_seconds),
        );
        table.row(
            "per connection",
            format!("{} bytes", self.resident_bytes_per_connection),
        );
        self.ledger.table(&mut table);
        table.0
    }
}

/// Lines of a label and a value.
struct Table(String);

impl Table {
    fn for_setting(setting: &Setting) -> Self {
        let mut table = Self(String::new());
        table.row("server", &setting.server);
        table.row(
            "players",
            format!(
                "{} rooms × {}, {}",
                setting.rooms,
                setting.players,
                setting.encoding.token()
            ),
        );
        table
    }

    fn row(&mut self, label: &str, value: impl AsRef<str>) {
        writeln!(self.0, "{label:<18}{}", value.as_ref()).expect("writing to a string cannot fail");
    }
}

fn ratio(dividend: f64, divisor: f64) -> Option<f64> {
    (divisor > 0.0).then(|| dividend / divisor)
}

fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

fn or_na(value: Option<f64>) -> String {
    value.map_or_else(|| "n/a".to_owned(), |value| value.to_string())
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
