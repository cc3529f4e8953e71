//! The page of `idle`.

use crate::report::idle::IdleReport;
use crate::report::page::{Mood, OnPage, Page};
use crate::report::text::memory;
use crate::report::{Report, Verdict};

impl OnPage for IdleReport {
    fn page(&self) -> Page {
        let mut page = Page::new("Load test: idle players", self.headline());
        let (word, mood) = match self.verdict() {
            Verdict::Balanced | Verdict::AtLeast => ("balanced", Mood::Good),
            Verdict::Faulty => ("faulty", Mood::Bad),
        };
        let [before, joined, busy, rested] = self.resident().map(|bytes| memory(bytes as f64));
        page.cards(&[
            (word.to_owned(), "ledger", mood),
            (
                memory(self.resident_bytes_per_connection),
                "of server memory per connection",
                Mood::Plain,
            ),
            (before, "before anybody came", Mood::Plain),
            (joined, "all joined", Mood::Plain),
            (busy, "after the traffic", Mood::Plain),
            (rested, "rested", Mood::Plain),
        ]);
        page
    }
}
