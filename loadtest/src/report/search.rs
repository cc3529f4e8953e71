//! The report of `search`: every step, and the best that passed.

use anyhow::Result;
use serde::Serialize;

use crate::cli::Searched;
use crate::crew::{Crew, OutOfReach};
use crate::expect::Expectation;
use crate::report::judgement::Judgement;
use crate::report::table::{Table, or_na, round};
use crate::report::{Report, RunReport, Verdict};

/// Warnings of a failed step that say that the generator may have failed.
const OF_GENERATOR: [&str; 3] = ["busy generator", "late sends", "generator waited"];
/// And that something else on the machine may have.
const OF_MACHINE: [&str; 1] = ["server waited"];

/// Whose limit a step ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Limit {
    Server,
    Generator,
}

impl Limit {
    fn generators(is_generators: bool) -> Self {
        if is_generators { Self::Generator } else { Self::Server }
    }
}

/// One load that was tried.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    /// Times the load that was given.
    pub(super) factor: f64,
    rooms: u32,
    /// Deliveries owed per second by schedule.
    pub(super) owed_per_second: f64,
    passed: bool,
    /// Why it did not.
    pub(super) because: Option<String>,
    /// Whose limit that was.
    limited_by: Option<Limit>,
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
        let (because, limited_by, run) = match outcome {
            Err(error) => {
                let limit = Limit::generators(error.is::<OutOfReach>());
                (Some(format!("{error:#}")), Some(limit), None)
            }
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
                let generator = run
                    .warnings()
                    .iter()
                    .any(|warning| OF_GENERATOR.contains(&warning.kind));
                let limit = because.as_ref().map(|_| Limit::generators(generator));
                (because, limit, Some(run))
            }
        };
        Self {
            factor: round(factor, 4),
            rooms,
            owed_per_second: round(owed_per_second, 1),
            passed: because.is_none(),
            because,
            limited_by,
            run,
        }
    }

    pub(crate) fn passed(&self) -> bool {
        self.passed
    }

    /// The threads to repeat the step with, when it failed because these had no time left.
    pub(crate) fn reinforcement(&self, crew: &Crew) -> Option<Crew> {
        let run = self.run.as_ref().filter(|_| !self.passed)?;
        crew.reinforced(run.generator_busiest_share())
    }

    /// The step in one line.
    pub(crate) fn line(&self) -> String {
        let outcome = match &self.because {
            None => "passed".to_owned(),
            Some(because) if self.limited_by == Some(Limit::Generator) => {
                format!("FAILED, maybe by the generator: {because}")
            }
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
                    Verdict::Balanced | Verdict::AtLeast => "balanced",
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
    /// Whose limit the search ended at: that of the smallest load that failed; nothing when none did.
    pub(super) limited_by: Option<Limit>,
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
            limited_by: smallest_failed(&steps).and_then(|step| step.limited_by),
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

    /// What the search has found, in one line.
    pub(super) fn outcome(&self) -> String {
        let bound = self.p99_bound_ms;
        match (self.best_delivered_per_second, self.best_rooms, self.limited_by) {
            (Some(rate), Some(rooms), Some(Limit::Server)) => {
                format!("most with p99 ≤ {bound} ms: {rate:.0} delivered/s ({rooms} rooms)")
            }
            (Some(rate), Some(rooms), Some(Limit::Generator)) => format!(
                "limit of the GENERATOR reached: at least {rate:.0} delivered/s ({rooms} rooms) with p99 ≤ {bound} ms; the \
                 server may carry more. Give the generator CPUs of its own (taskset), --spin, or more --threads"
            ),
            (Some(rate), Some(rooms), None) => {
                format!("no limit was reached: at least {rate:.0} delivered/s ({rooms} rooms) with p99 ≤ {bound} ms")
            }
            (_, _, Some(Limit::Generator)) => "no step passed, maybe because of the generator".to_owned(),
            _ => "no step passed".to_owned(),
        }
    }

    fn best_run(&self) -> Option<&RunReport> {
        let passed = self.steps.iter().filter(|step| step.passed);
        let best = passed.max_by(|a, b| a.factor.total_cmp(&b.factor))?;
        best.run.as_ref()
    }

    /// Reasons to distrust the best step, and reasons that something else than the server made the next one fail.
    pub(super) fn doubts(&self) -> Vec<String> {
        let limit = smallest_failed(&self.steps);
        let warnings = |run: Option<&RunReport>| run.map_or_else(Vec::new, |run| run.warnings().to_vec());
        let of_best = warnings(self.best_run()).into_iter().map(|warning| warning.text);
        let of_limit = warnings(limit.and_then(|step| step.run.as_ref())).into_iter();
        let elsewhere =
            of_limit.filter(|warning| OF_GENERATOR.contains(&warning.kind) || OF_MACHINE.contains(&warning.kind));
        of_best
            .chain(elsewhere.map(|warning| format!("the server may not be what set the limit: {}", warning.text)))
            .collect()
    }
}

fn smallest_failed(steps: &[Step]) -> Option<&Step> {
    let failed = steps.iter().filter(|step| !step.passed);
    failed.min_by(|a, b| a.factor.total_cmp(&b.factor))
}

impl Report for SearchReport {
    /// Steps beyond the limit may lose what they like, but something has to pass, and the limit has to be the server's.
    fn verdict(&self) -> Verdict {
        self.expectations.on_top_of(match (self.best_factor, self.limited_by) {
            (None, _) => Verdict::Faulty,
            (Some(_), Some(Limit::Server)) => Verdict::Balanced,
            (Some(_), _) => Verdict::AtLeast,
        })
    }

    fn table(&self) -> String {
        let mut text = String::new();
        for step in &self.steps {
            text.push_str(&step.line());
            text.push('\n');
        }
        text.push_str(&self.outcome());
        text.push('\n');
        for doubt in self.doubts() {
            text.push_str(&format!("WARNING  {doubt}\n"));
        }
        let mut expectations = Table::new();
        self.expectations.table(&mut expectations);
        text + &expectations.0
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    fn step(factor: f64, outcome: Option<Limit>) -> Step {
        let error = match outcome {
            Some(Limit::Generator) => anyhow::Error::from(OutOfReach("too many files".to_owned())).context("a step"),
            _ => anyhow!("closed"),
        };
        let mut step = Step::new(factor, 1, 1.0, 1.0, 1.0, Err(error));
        if outcome.is_none() {
            (step.passed, step.because, step.limited_by) = (true, None, None);
        }
        step
    }

    fn ended(steps: Vec<Step>) -> (Option<Limit>, Verdict) {
        let report = SearchReport::new(10.0, Searched::Rate, steps);
        (report.limited_by, report.verdict())
    }

    #[test]
    fn the_limit_is_that_of_the_smallest_load_that_failed() {
        use Limit::{Generator, Server};
        let passed = || step(1.0, None);
        let (of_server, of_generator) = (
            |factor| step(factor, Some(Server)),
            |factor| step(factor, Some(Generator)),
        );
        let steps = vec![passed(), of_generator(4.0), of_server(2.0)];
        assert_eq!(ended(steps), (Some(Server), Verdict::Balanced));
        let steps = vec![passed(), of_server(4.0), of_generator(2.0)];
        assert_eq!(ended(steps), (Some(Generator), Verdict::AtLeast));
        assert_eq!(ended(vec![passed()]), (None, Verdict::AtLeast));
        assert_eq!(ended(vec![of_generator(1.0)]), (Some(Generator), Verdict::Faulty));
    }
}
