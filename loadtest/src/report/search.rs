//! The report of `search`: every step, and the best that passed.

use anyhow::Result;
use serde::Serialize;

use crate::cli::Searched;
use crate::expect::Expectation;
use crate::report::judgement::Judgement;
use crate::report::page::Page;
use crate::report::table::{Table, or_na, round};
use crate::report::{Report, RunReport, Verdict};

/// Warnings of a failed step that say that something else than the server may have failed.
const ELSEWHERE: [&str; 4] = ["busy generator", "late sends", "server waited", "generator waited"];

/// One load that was tried.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    /// Times the load that was given.
    factor: f64,
    rooms: u32,
    /// Deliveries owed per second by schedule.
    pub(super) owed_per_second: f64,
    passed: bool,
    /// Why it did not.
    pub(super) because: Option<String>,
    pub(super) run: Option<RunReport>,
}

impl Step {
    /// Judges the outcome of a run.
    pub(crate) fn new(
        factor: f64,
        rooms: u32,
        owed_per_second: f64,
        kept_up: f64,
        p99_us: f64,
        outcome: Result<RunReport>,
    ) -> Self {
        let (because, run) = match outcome {
            Err(error) => (Some(format!("{error:#}")), None),
            Ok(run) => {
                let because = if run.verdict() == Verdict::Faulty {
                    Some("the ledger does not balance or a connection was lost".to_owned())
                } else if run.traffic.latency_us.p99 > p99_us {
                    Some(format!("p99 is {} µs", run.traffic.latency_us.p99))
                } else if run.traffic.delivered_per_second < owed_per_second * kept_up {
                    Some("less was delivered than was due".to_owned())
                } else {
                    None
                };
                (because, Some(run))
            }
        };
        Self {
            factor: round(factor, 4),
            rooms,
            owed_per_second: round(owed_per_second, 1),
            passed: because.is_none(),
            because,
            run,
        }
    }

    pub(crate) fn passed(&self) -> bool {
        self.passed
    }

    /// The step in one line.
    pub(crate) fn line(&self) -> String {
        let outcome = match &self.because {
            None => "passed".to_owned(),
            Some(because) => format!("FAILED: {because}"),
        };
        let figures = self.run.as_ref().map_or_else(String::new, |run| {
            format!(
                ", {:.0} delivered/s, p50 {} p99 {} µs, {} µs of server CPU per delivery, ledger {}",
                run.traffic.delivered_per_second,
                run.traffic.latency_us.p50,
                run.traffic.latency_us.p99,
                or_na(run.traffic.server_cpu_us_per_delivery),
                match run.verdict() {
                    Verdict::Balanced => "balanced",
                    Verdict::Faulty => "NOT BALANCED",
                }
            )
        });
        format!(
            "× {:<7} {} rooms, {:.0} owed/s{figures}  {outcome}",
            self.factor, self.rooms, self.owed_per_second
        )
    }
}

/// The report of `search`.
#[derive(Debug, Serialize)]
pub(crate) struct SearchReport {
    command: &'static str,
    pub(super) p99_bound_ms: f64,
    pub(super) varied: &'static str,
    /// The largest rate that passed.
    pub(super) best_delivered_per_second: Option<f64>,
    pub(super) best_factor: Option<f64>,
    pub(super) best_rooms: Option<u32>,
    pub(super) steps: Vec<Step>,
    /// Judged by the best step that passed.
    #[serde(skip_serializing_if = "Judgement::is_empty")]
    pub(super) expectations: Judgement,
}

impl SearchReport {
    pub(crate) fn new(p99_bound_ms: f64, vary: Searched, steps: Vec<Step>) -> Self {
        let passed = steps.iter().filter(|step| step.passed);
        let best = passed.max_by(|a, b| a.factor.total_cmp(&b.factor));
        Self {
            command: "search",
            p99_bound_ms,
            varied: match vary {
                Searched::Rate => "rate",
                Searched::Rooms => "rooms",
            },
            best_delivered_per_second: best
                .and_then(|step| step.run.as_ref())
                .map(|run| run.traffic.delivered_per_second),
            best_factor: best.map(|step| step.factor),
            best_rooms: best.map(|step| step.rooms),
            steps,
            expectations: Judgement::default(),
        }
    }

    /// Holds the figures of the best step that passed against thresholds.
    pub(crate) fn judged_by(mut self, expectations: &[Expectation]) -> Result<Self> {
        self.expectations = match self.best_run() {
            Some(run) => Judgement::of(run, expectations)?,
            None => Judgement::without_report(expectations),
        };
        Ok(self)
    }

    fn best_run(&self) -> Option<&RunReport> {
        let passed = self.steps.iter().filter(|step| step.passed);
        let best = passed.max_by(|a, b| a.factor.total_cmp(&b.factor))?;
        best.run.as_ref()
    }

    /// Reasons to distrust the best step, and reasons that something else than the server made the next one fail.
    pub(super) fn doubts(&self) -> Vec<String> {
        let failed = self.steps.iter().filter(|step| !step.passed);
        let limit = failed.min_by(|a, b| a.factor.total_cmp(&b.factor));
        let warnings = |run: Option<&RunReport>| run.map_or_else(Vec::new, |run| run.warnings().to_vec());
        let of_best = warnings(self.best_run()).into_iter().map(|warning| warning.text);
        let of_limit = warnings(limit.and_then(|step| step.run.as_ref())).into_iter();
        let elsewhere = of_limit.filter(|warning| ELSEWHERE.contains(&warning.kind));
        of_best
            .chain(elsewhere.map(|warning| format!("the server may not be what set the limit: {}", warning.text)))
            .collect()
    }
}

impl Report for SearchReport {
    /// Steps beyond the limit may lose what they like, but something has to pass.
    fn verdict(&self) -> Verdict {
        self.expectations.on_top_of(match self.best_factor {
            Some(_) => Verdict::Balanced,
            None => Verdict::Faulty,
        })
    }

    fn table(&self) -> String {
        let mut text = String::new();
        for step in &self.steps {
            text.push_str(&step.line());
            text.push('\n');
        }
        match (self.best_delivered_per_second, self.best_rooms) {
            (Some(rate), Some(rooms)) => text.push_str(&format!(
                "most with p99 ≤ {} ms: {rate:.0} delivered/s ({rooms} rooms)\n",
                self.p99_bound_ms
            )),
            _ => text.push_str("no step passed\n"),
        }
        for doubt in self.doubts() {
            text.push_str(&format!("WARNING  {doubt}\n"));
        }
        let mut expectations = Table::new();
        self.expectations.table(&mut expectations);
        text + &expectations.0
    }

    fn page(&self) -> Page {
        self.draw()
    }
}
