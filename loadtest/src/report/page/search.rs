//! The page of `search`: load against latency, and every step.

use crate::report::RunReport;
use crate::report::page::plot::{Look, Plot, Series};
use crate::report::page::scale::Axis;
use crate::report::page::{Mood, OnPage, Page};
use crate::report::search::{Limit, SearchReport, Step};
use crate::report::text::{thousands, time};

impl OnPage for SearchReport {
    fn page(&self) -> Page {
        let mut page = Page::new(
            "Load test: the largest load",
            format!("p99 within {} · {} varied", time(self.p99_bound_ms * 1e3), self.varied),
        );
        let or_none = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
        let found = if self.best_factor.is_some() {
            Mood::Good
        } else {
            Mood::Bad
        };
        page.cards(&[
            (
                or_none(self.best_delivered_per_second.map(thousands)),
                match self.limited_by {
                    Some(Limit::Server) => "most deliveries per second that passed",
                    Some(Limit::Generator) => "deliveries per second at least: the generator reached its limit",
                    None => "deliveries per second at least: no limit was reached",
                },
                found,
            ),
            (
                or_none(self.best_factor.map(|factor| format!("× {factor}"))),
                "times the load that was given",
                Mood::Plain,
            ),
            (
                or_none(self.best_rooms.map(|rooms| thousands(f64::from(rooms)))),
                "rooms",
                Mood::Plain,
            ),
            (self.steps.len().to_string(), "steps", Mood::Plain),
        ]);
        self.expectations.draw(&mut page);
        page.doubts(self.doubts().iter().map(String::as_str));
        page.plot(&self.plot());
        page.grid(
            "Steps, in the order of their run",
            &[
                "load",
                "owed/s",
                "delivered/s",
                "median",
                "p99",
                "CPU per delivery",
                "outcome",
            ],
            self.steps.iter().map(Step::cells),
        );
        page
    }
}

impl SearchReport {
    fn plot(&self) -> Plot {
        let mut steps: Vec<&Step> = self.steps.iter().filter(|step| step.run.is_some()).collect();
        steps.sort_by(|a, b| a.owed_per_second.total_cmp(&b.owed_per_second));
        let values = |pick: &dyn Fn(&Step) -> Option<f64>| steps.iter().map(|step| pick(step)).collect::<Vec<_>>();
        let p99 = |step: &Step| step.run.as_ref().map(|run| run.traffic.latency_us.p99);
        let p50 = |step: &Step| step.run.as_ref().map(|run| run.traffic.latency_us.p50);
        Plot {
            title: "Latency by load".to_owned(),
            note: Some("Across: deliveries owed per second by schedule.".to_owned()),
            x: Axis::Count,
            y: Axis::LogTime,
            places: steps.iter().map(|step| step.owed_per_second).collect(),
            reach: 0.0,
            series: vec![
                Series::line("bound of p99", "s3", values(&|_| Some(self.p99_bound_ms * 1e3))).with(Look::Dashed),
                Series::line("median", "s1", values(&p50)),
                Series::line("p99", "s2", values(&p99)),
                Series::line(
                    "p99, passed",
                    "of-good",
                    values(&|step| p99(step).filter(|_| step.passed())),
                )
                .with(Look::Dots),
                Series::line(
                    "p99, failed",
                    "of-bad",
                    values(&|step| p99(step).filter(|_| !step.passed())),
                )
                .with(Look::Dots),
            ],
            bands: Vec::new(),
        }
    }
}

impl Step {
    fn cells(&self) -> Vec<(String, Mood)> {
        let of_run = |words: &dyn Fn(&RunReport) -> String| self.run.as_ref().map_or_else(|| "n/a".to_owned(), words);
        let cost = |run: &RunReport| {
            run.traffic
                .server_cpu_us_per_delivery
                .map_or_else(|| "n/a".to_owned(), time)
        };
        let plain = [
            format!("× {}", self.factor),
            thousands(self.owed_per_second),
            of_run(&|run| thousands(run.traffic.delivered_per_second)),
            of_run(&|run| time(run.traffic.latency_us.p50)),
            of_run(&|run| time(run.traffic.latency_us.p99)),
            of_run(&cost),
        ];
        let outcome = match &self.because {
            None => ("passed".to_owned(), Mood::Good),
            Some(because) => (because.clone(), Mood::Bad),
        };
        let plain = plain.into_iter().map(|words| (words, Mood::Plain));
        plain.chain([outcome]).collect()
    }
}
