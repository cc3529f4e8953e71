//! The page of `storm`: how long requests take.

use crate::report::page::curves::Curve;
use crate::report::page::plot::{Plot, Series};
use crate::report::page::scale::Axis;
use crate::report::page::{Mood, OnPage, Page, costs};
use crate::report::storm::StormReport;
use crate::report::text::{thousands, time};

impl OnPage for StormReport {
    fn page(&self) -> Page {
        let mut page = Page::new(
            "Load test: creates, joins and leaves",
            format!(
                "{} · {} connections in parties of 4 · {} cycles in {} s",
                self.server,
                thousands(f64::from(self.connections)),
                thousands(self.cycles as f64),
                self.seconds
            ),
        );
        let cost = |us: Option<f64>| us.map_or_else(|| "n/a".to_owned(), time);
        page.cards(&[
            (thousands(self.cycles_per_second), "cycles per second", Mood::Plain),
            (
                cost(self.server_cpu_us_per_cycle),
                "server CPU per cycle of 1 create, 3 joins, 4 leaves",
                Mood::Plain,
            ),
            (time(self.create_us.p99), "create, 99 of 100", Mood::Plain),
            (time(self.join_us.p99), "join, 99 of 100", Mood::Plain),
            (time(self.leave_us.p99), "leave, 99 of 100", Mood::Plain),
            (thousands(self.joins_over_5_ms as f64), "joins over 5 ms", Mood::Plain),
        ]);
        page.faults("Broke off", &self.broke_off);
        self.expectations.draw(&mut page);
        page.doubts(self.warnings.iter().map(String::as_str));
        page.plot(&Curve::plot("Time from request to answer, by percentile", &self.curves));
        page.plot(&Plot {
            title: "Cycles per second".to_owned(),
            note: None,
            x: Axis::Seconds,
            y: Axis::Count,
            places: self.timeline.iter().map(|slot| slot.seconds).collect(),
            reach: self.seconds,
            series: vec![Series::line(
                "cycles",
                "s1",
                self.timeline.iter().map(|slot| Some(slot.cycles_per_second)).collect(),
            )],
            bands: Vec::new(),
        });
        for plot in costs::plots(&self.uses, self.seconds, &[]) {
            page.plot(&plot);
        }
        page
    }
}
