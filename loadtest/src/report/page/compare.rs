//! The page of `compare`: a bar for every server and figure, and the ratios.

use crate::report::compare::{CompareReport, Compared, FigureOfServer};
use crate::report::page::spread::Bar;
use crate::report::page::{Mood, OnPage, Page};

impl OnPage for CompareReport {
    fn page(&self) -> Page {
        let names: Vec<&str> = self.servers.iter().map(|server| server.name.as_str()).collect();
        let rounds = self.rounds();
        let mut page = Page::new(
            "Load test: servers compared",
            format!("{} · {rounds} rounds in turn under the same load", names.join(" · ")),
        );
        let cards: Vec<(String, &str, Mood)> = self
            .servers
            .iter()
            .map(|server| match server.faulty() {
                0 => ("balanced".to_owned(), server.name.as_str(), Mood::Good),
                faulty => (
                    format!("faulty in {faulty} of {rounds}"),
                    server.name.as_str(),
                    Mood::Bad,
                ),
            })
            .collect();
        page.cards(&cards);
        page.doubts(self.doubts().iter().map(String::as_str));
        let figures = self.servers.first().map_or(&[][..], |server| &server.figures);
        for (at, figure) in figures.iter().enumerate() {
            let bars: Vec<_> = self
                .servers
                .iter()
                .map(|server| (server.name.as_str(), bar(server, &server.figures[at])))
                .collect();
            if bars.iter().any(|(_, bar)| bar.is_some()) {
                page.spread(figure.words(), &bars);
            }
        }
        let ratios: Vec<(String, String)> = self
            .ratios
            .iter()
            .map(|ratio| (ratio.words(), ratio.spread.line()))
            .collect();
        page.facts("Ratios, round by round: median (min – max)", &ratios);
        page
    }
}

fn bar(server: &Compared, figure: &FigureOfServer) -> Option<Bar> {
    let spread = figure.spread.as_ref()?;
    Some(Bar {
        median: spread.median,
        min: spread.min,
        max: spread.max,
        rounds: server.rounds(figure.figure),
        words: spread.line(),
    })
}
