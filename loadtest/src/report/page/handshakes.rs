//! The page of `handshakes`: what it takes to open a connection.

use crate::report::handshakes::HandshakesReport;
use crate::report::page::curves::Curve;
use crate::report::page::{Mood, OnPage, Page};
use crate::report::text::{thousands, time};

impl OnPage for HandshakesReport {
    fn page(&self) -> Page {
        let mut page = Page::new(
            "Load test: handshakes",
            format!("{} · {} · {} s", self.server, self.manner(), self.seconds),
        );
        let connections = &self.connections;
        let n_a = || "n/a".to_owned();
        let mut cards = vec![
            (
                connections.opened_per_second.map_or_else(n_a, thousands),
                "connections per second",
                Mood::Plain,
            ),
            (time(connections.open_us.p50), "until open, median", Mood::Plain),
            (time(connections.open_us.p99), "until open, 99 of 100", Mood::Plain),
            (
                self.server_cpu_us_per_connection.map_or_else(n_a, time),
                "server CPU per connection",
                Mood::Plain,
            ),
        ];
        if let Some(tls) = &connections.tls {
            let resumed = format!(
                "{} of {}",
                thousands(tls.resumed as f64),
                thousands(connections.opened as f64)
            );
            cards.push((resumed, "sessions resumed", Mood::Plain));
        }
        let mood = if self.failed == 0 { Mood::Good } else { Mood::Bad };
        cards.push((thousands(self.failed as f64), "failed", mood));
        page.cards(&cards);
        self.expectations.draw(&mut page);
        let failures = self.failures.iter().map(|(how, count)| format!("{count} × {how}"));
        page.faults("Connections that failed", failures);
        page.doubts(self.warnings.iter().map(String::as_str));
        if connections.opened > 0 {
            page.plot(&Curve::plot("Steps of a connection, by percentile", &self.curves));
        }
        page
    }
}
