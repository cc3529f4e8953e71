//! `search`: the most that a server delivers while its latency stays under a bound.
//!
//! The load grows by factors until a step fails, then the gap is halved until it is narrow enough. Every step is a run of
//! its own with new connections, and its ledger has to balance. A step that fails while the generator had no time left says
//! nothing of the server: it is repeated with more threads, and where there can be no more, the search says so.

use anyhow::{Result, ensure};

use crate::cli::{SearchArguments, Searched};
use crate::command::run;
use crate::console;
use crate::crew::{Crew, OutOfReach};
use crate::expect;
use crate::first_contact;
use crate::interruption;
use crate::load::Pace;
use crate::plan::Plan;
use crate::report::{self, RunReport, SearchReport, Step, Verdict};
use crate::scenario::Scenario;
use crate::server_counters::Page;
use crate::server_figures::ServerProcess;

/// Between steps while no step has failed.
const GROWTH: f64 = 2.0;
/// Delivered over owed by schedule; below it the server, or the generator, has not kept up.
const KEPT_UP: f64 = 0.98;
const MAX_STEPS: usize = 40;

/// Runs the steps and prints what they lead to.
pub(crate) fn execute(arguments: &SearchArguments) -> Result<Verdict> {
    ensure!(
        arguments.load.closed_loop.is_none(),
        "a closed loop has no rate to search for; its own rate is the answer"
    );
    ensure!(
        arguments.p99_ms > 0.0 && arguments.precision > 0.0 && arguments.precision < 1.0,
        "--p99-ms must be above 0 and --precision between 0 and 1 (0.05 is 5 %)"
    );
    let plan = Plan::of(&arguments.load)?;
    expect::check(&arguments.expect.expect, &plan.group_names())?;
    ensure!(
        arguments.start.is_finite() && arguments.start > 0.0,
        "--start must be above 0"
    );
    // What is wrong with the server from the start is no step that failed.
    let met = Scenario::new(&arguments.target.url, &arguments.generator, plan.groups.clone(), false)?;
    let version = first_contact::meet(&met)?;
    let mut search = Search {
        good: None,
        bad: None,
        factor: arguments.start,
    };
    let mut steps: Vec<Step> = Vec::new();
    let mut grown = None;
    while steps.len() < MAX_STEPS && !search.is_over(arguments.precision) {
        let factor = search.factor;
        let Some(plan) = scaled(&plan, arguments.vary, factor) else {
            break;
        };
        let crew = Crew::first(&arguments.generator, &plan).not_below(grown.as_ref());
        let step = measure(arguments, &plan, &crew, version.as_deref(), factor);
        if interruption::asked() {
            break; // this step is not whole
        }
        console::remark(&format!("step {}  {}", steps.len() + 1, step.line()));
        if let Some(larger) = step.reinforcement(&crew) {
            console::remark(&format!("the step is repeated by {larger}"));
            grown = Some(larger);
            continue;
        }
        search.learn(step.passed());
        steps.push(step);
    }
    if steps.is_empty() {
        interruption::check()?;
    }
    report::publish(
        &SearchReport::new(arguments.p99_ms, arguments.vary, steps).judged_by(&arguments.expect.expect)?,
        &arguments.generator,
    )
}

/// What is known about the limit.
struct Search {
    /// The largest factor that passed.
    good: Option<f64>,
    /// The smallest that did not.
    bad: Option<f64>,
    /// The next to try.
    factor: f64,
}

impl Search {
    fn learn(&mut self, passed: bool) {
        if passed {
            self.good = Some(self.factor);
        } else {
            self.bad = Some(self.factor);
        }
        self.factor = match (self.good, self.bad) {
            (Some(good), Some(bad)) => f64::midpoint(good, bad),
            (Some(good), None) => good * GROWTH,
            (None, Some(bad)) => bad / GROWTH,
            (None, None) => self.factor,
        };
    }

    fn is_over(&self, precision: f64) -> bool {
        matches!((self.good, self.bad), (Some(good), Some(bad)) if bad - good <= precision * bad)
    }
}

/// The plan with its rates, or its numbers of rooms, times `factor`; `None` when that is no plan any more.
fn scaled(plan: &Plan, vary: Searched, factor: f64) -> Option<Plan> {
    let mut plan = plan.clone();
    match vary {
        Searched::Rate => {
            for load in &mut plan.traffic.loads {
                if let Pace::OpenLoop { period_ns, .. } = &mut load.pace {
                    *period_ns /= factor;
                }
            }
        }
        Searched::Rooms => {
            for group in &mut plan.groups {
                group.rooms = (f64::from(group.rooms) * factor).round() as u32;
            }
        }
    }
    let owed = plan.owed_per_second() * plan.traffic.measured.as_secs_f64();
    let sensible =
        plan.traffic.check(&plan.groups).is_ok() && plan.groups.iter().all(|group| group.rooms > 0) && owed >= 1.0;
    sensible.then_some(plan)
}

fn measure(arguments: &SearchArguments, plan: &Plan, crew: &Crew, version: Option<&str>, factor: f64) -> Step {
    Step::new(
        factor,
        plan.rooms(),
        plan.owed_per_second(),
        KEPT_UP,
        arguments.p99_ms * 1e3,
        run_step(arguments, plan, crew, version),
    )
}

fn run_step(arguments: &SearchArguments, plan: &Plan, crew: &Crew, version: Option<&str>) -> Result<RunReport> {
    let mut scenario = Scenario::new(&arguments.target.url, &arguments.generator, plan.groups.clone(), false)
        .map_err(|error| OutOfReach(format!("{error:#}")))?;
    scenario.server_version = version.map(str::to_owned);
    crew.man(&mut scenario);
    let process = ServerProcess::find(arguments.target.server_pid, scenario.server.address)?;
    let page = Page::find(arguments.target.server_counters.as_deref(), scenario.server.address)?;
    run::measure(&scenario, &plan.traffic, process, page.as_ref())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn a_load_beyond_everything_is_counted_and_does_not_overflow() {
        let Command::Search(arguments) = Cli::parse_from(["x", "search", "--vary", "rooms"]).command else {
            panic!("a search");
        };
        let plan = Plan::of(&arguments.load).expect("the usual load");
        let plan = scaled(&plan, arguments.vary, 1e300).expect("somebody would be owed something");
        assert!(plan.rooms() == u32::MAX && plan.owed_per_second() > 1e12);
        Crew::first(&arguments.generator, &plan);
    }

    /// What a search finds when everything up to `limit` passes.
    fn found(limit: f64, start: f64) -> (f64, u32) {
        let mut search = Search {
            good: None,
            bad: None,
            factor: start,
        };
        let mut steps = 0;
        while !search.is_over(0.05) {
            let passed = search.factor <= limit;
            search.learn(passed);
            steps += 1;
        }
        (search.good.expect("something passed"), steps)
    }

    #[test]
    fn the_limit_is_found_from_either_side_within_the_precision() {
        for limit in [0.07, 0.9, 1.0, 3.3, 37.0] {
            let (good, steps) = found(limit, 1.0);
            assert!(good <= limit && good >= limit * 0.94, "{limit}: {good}");
            assert!(steps < 14, "{limit}: {steps}");
        }
    }
}
