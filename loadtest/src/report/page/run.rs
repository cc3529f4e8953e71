//! The page of `run`: what went wrong first, then percentiles, and rates, latency and cost over time.

use crate::report::page::curves::{Curve, MAX_LINES};
use crate::report::page::plot::{Band, COLOURS, Look, Plot, Series};
use crate::report::page::scale::Axis;
use crate::report::page::{Mood, OnPage, Page, costs};
use crate::report::text::{thousands, time};
use crate::report::{RunReport, TrafficReport, Verdict};
use crate::timeline::Point;

impl OnPage for RunReport {
    fn page(&self) -> Page {
        let mut page = Page::new("Load test", self.headline());
        page.cards(&self.cards());
        self.expectations.draw(&mut page);
        page.doubts(self.warnings().iter().map(|warning| warning.text.as_str()));
        for plot in self.traffic.plots() {
            page.plot(&plot);
        }
        page.faults("Faults", self.ledger.listed_faults());
        page.faults("How connections ended", self.ledger.causes());
        page.faults("Connections that ended", self.ledger.listed_ends());
        page
    }
}

impl RunReport {
    fn cards(&self) -> Vec<(String, &'static str, Mood)> {
        let traffic = &self.traffic;
        let (word, mood) = match self.ledger.verdict() {
            Verdict::Balanced | Verdict::AtLeast => ("balanced", Mood::Good),
            Verdict::Faulty => ("faulty", Mood::Bad),
        };
        let red_above_0 = |count: u64| if count > 0 { Mood::Bad } else { Mood::Plain };
        let (lost, ended) = (self.ledger.lost(), self.ledger.connections_lost as u64);
        let cost = traffic.server_cpu_us_per_delivery;
        vec![
            (word.to_owned(), "ledger", mood),
            (thousands(lost as f64), "deliveries lost", red_above_0(lost)),
            (thousands(ended as f64), "connections ended", red_above_0(ended)),
            (
                thousands(traffic.delivered_per_second),
                "deliveries per second",
                Mood::Plain,
            ),
            (time(traffic.latency_us.p50), "median latency", Mood::Plain),
            (time(traffic.latency_us.p99), "latency, 99 of 100", Mood::Plain),
            (time(traffic.latency_us.max), "longest latency", Mood::Plain),
            (
                cost.map_or_else(|| "n/a".to_owned(), |us| format!("{us:.2} µs")),
                "server CPU per delivery",
                Mood::Plain,
            ),
        ]
    }
}

impl TrafficReport {
    fn plots(&self) -> Vec<Plot> {
        let mut plots = vec![
            Curve::plot(
                "Latency by percentile, from the scheduled send to receipt",
                &self.curves,
            ),
            self.rates(),
            self.over_time(
                "Latency over time",
                Axis::LogTime,
                vec![
                    Series::line("longest", "s3", self.of_points(|point| point.max_us)),
                    Series::line("p99", "s2", self.of_points(|point| point.p99_us)),
                    Series::line("median", "s1", self.of_points(|point| point.p50_us)),
                ],
            ),
        ];
        plots.extend(self.groups());
        plots.extend(costs::plots(&self.uses, self.asked_seconds, &self.bands()));
        plots
    }

    /// Something that every point of the timeline has.
    fn over_time(&self, title: &str, y: Axis, series: Vec<Series>) -> Plot {
        Plot {
            title: title.to_owned(),
            note: None,
            x: Axis::Seconds,
            y,
            places: self.timeline.iter().map(|point| point.seconds).collect(),
            reach: self.asked_seconds,
            series,
            bands: self.bands(),
        }
    }

    fn of_points(&self, value: impl Fn(&Point) -> Option<f64>) -> Vec<Option<f64>> {
        self.timeline.iter().map(value).collect()
    }

    fn rates(&self) -> Plot {
        let mut series = vec![
            Series::line("owed", "s3", self.of_points(|point| Some(point.owed_per_second))).with(Look::Dashed),
            Series::line(
                "delivered",
                "s1",
                self.of_points(|point| Some(point.delivered_per_second)),
            ),
        ];
        if self.timeline.iter().any(|point| point.lost > 0) {
            let slots = self.timeline.len().max(1) as f64;
            let per_second = slots / self.asked_seconds;
            let lost = self.of_points(|point| Some(point.lost as f64 * per_second));
            series.insert(0, Series::line("lost", "of-bad", lost).with(Look::Area));
        }
        let mut plot = self.over_time("Deliveries per second", Axis::Count, series);
        plot.note = Some(
            "Owed and lost by the time at which the messages were due, delivered by the time of receipt.".to_owned(),
        );
        plot
    }

    /// The slowest of each group, where there are several.
    fn groups(&self) -> Option<Plot> {
        if self.group_names.len() < 2 {
            return None;
        }
        let series = self.group_names.iter().zip(COLOURS).enumerate();
        let series = series.map(|(group, (name, colour))| {
            let p99 = self.of_points(|point| point.p99_by_group_us.get(group).copied().flatten());
            Series::line(name, colour, p99)
        });
        let mut plot = self.over_time("Latency by group over time, 99 of 100", Axis::LogTime, series.collect());
        let more = self.group_names.len().saturating_sub(MAX_LINES);
        plot.note = (more > 0).then(|| format!("The first {MAX_LINES} groups; {more} more are in the JSON."));
        Some(plot)
    }

    /// Steps and outages.
    fn bands(&self) -> Vec<Band> {
        let steps = self.steps.iter().map(|step| Band {
            from: step.seconds,
            until: step.until_seconds,
            words: step.words.clone(),
            outage: false,
        });
        let gaps = self.outage.iter().flat_map(|outage| &outage.gaps).map(|gap| Band {
            from: gap.stopped_seconds,
            until: gap.until(self.asked_seconds),
            words: "nothing delivered".to_owned(),
            outage: true,
        });
        steps.chain(gaps).collect()
    }
}
