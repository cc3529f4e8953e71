//! The page of `run`: percentiles, rates, latency and cost over time.

use crate::report::page::curves::Curve;
use crate::report::page::plot::{Plot, Series};
use crate::report::page::scale::Axis;
use crate::report::page::{Mood, Page};
use crate::report::text::{thousands, time};
use crate::report::{RunReport, TrafficReport, Verdict};
use crate::timeline::Point;

impl RunReport {
    pub(in crate::report) fn draw(&self) -> Page {
        let mut page = Page::new("Load test", self.headline());
        page.cards(&self.cards());
        self.expectations.draw(&mut page);
        page.doubts(self.warnings().iter().map(|warning| warning.text.as_str()));
        for plot in self.traffic.plots() {
            page.plot(&plot);
        }
        page
    }

    fn cards(&self) -> Vec<(String, &'static str, Mood)> {
        let traffic = &self.traffic;
        let (word, mood) = match self.ledger.verdict() {
            Verdict::Balanced | Verdict::AtLeast => ("balanced", Mood::Good),
            Verdict::Faulty => ("faulty", Mood::Bad),
        };
        let cost = traffic.server_cpu_us_per_delivery;
        vec![
            (word.to_owned(), "ledger", mood),
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
        let over_time = |value: fn(&Point) -> Option<f64>| self.timeline.iter().map(value).collect::<Vec<_>>();
        let plot = |title: &str, y: Axis, series: Vec<Series>| Plot {
            title: title.to_owned(),
            note: None,
            x: Axis::Seconds,
            y,
            places: self.timeline.iter().map(|point| point.seconds).collect(),
            reach: self.seconds,
            series,
            bands: Vec::new(),
        };
        vec![
            Curve::plot(
                "Latency by percentile, from the scheduled send to receipt",
                &self.curves,
            ),
            plot(
                "Latency over time",
                Axis::LogTime,
                vec![
                    Series::line("longest", "s3", over_time(|point| point.max_us)),
                    Series::line("p99", "s2", over_time(|point| point.p99_us)),
                    Series::line("median", "s1", over_time(|point| point.p50_us)),
                ],
            ),
            plot(
                "Deliveries per second",
                Axis::Count,
                vec![Series::line(
                    "delivered",
                    "s1",
                    over_time(|point| Some(point.delivered_per_second)),
                )],
            ),
        ]
    }
}
