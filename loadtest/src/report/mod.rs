//! What a test found: one structure per command, printed as a table for people or as one line of JSON for programs.

mod compare;
mod connections;
mod handshakes;
mod idle;
pub(crate) mod judgement;
mod ledger;
mod outage;
mod page;
mod percentiles;
mod run;
mod search;
mod setting;
mod steps;
mod storm;
mod table;
mod text;
mod traffic;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::cli::GeneratorArguments;
use crate::host::Host;
use crate::{console, interruption};

pub(crate) use compare::CompareReport;
pub(crate) use connections::ConnectionsReport;
pub(crate) use handshakes::{HandshakesFindings, HandshakesReport};
pub(crate) use idle::IdleReport;
pub(crate) use ledger::LedgerReport;
pub(crate) use page::OnPage;
pub(crate) use run::RunReport;
pub(crate) use search::{SearchReport, Step};
pub(crate) use setting::Setting;
pub(crate) use storm::{StormFindings, StormReport};
pub(crate) use traffic::{ServerSide, TrafficReport};

/// Whether the server did what it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Balanced,
    Faulty,
    /// It did as far as it could be tried: its limit was not found.
    AtLeast,
}

/// A report that can be shown.
pub(crate) trait Report: Serialize {
    fn verdict(&self) -> Verdict;
    fn table(&self) -> String;
}

/// What a report says at its end when there should have been more of it.
const INTERRUPTED: &str = "INTERRUPTED       the test was cut short; this is what was done until then";

/// A report as programs read it.
#[derive(Serialize)]
struct Published<'a, R> {
    #[serde(flatten)]
    report: &'a R,
    host: &'a Host,
    interrupted: bool,
}

/// An error now when a page could not be written to this file at the end.
pub(crate) fn expect_writable(page: &Path) -> Result<()> {
    let place = page.parent().filter(|directory| !directory.as_os_str().is_empty());
    ensure!(
        place.is_none_or(Path::is_dir) && !page.is_dir(),
        "--html {}: name a file in a directory that exists",
        page.display()
    );
    Ok(())
}

/// Prints the table for people, or with `--json` one line of JSON for programs, writes the page of `--html`, and passes
/// the verdict on.
pub(crate) fn publish(report: &(impl Report + OnPage), generator: &GeneratorArguments) -> Result<Verdict> {
    let host = Host::look();
    let interrupted = interruption::asked();
    let published = Published {
        report,
        host: &host,
        interrupted,
    };
    let json = serde_json::to_string(&published).context("the report cannot be written as JSON")?;
    let mut figures = report.table();
    if interrupted {
        figures.push_str(INTERRUPTED);
    }
    if let Some(path) = &generator.html {
        let mut page = report.page();
        page.listing("All figures", figures.trim_end());
        page.facts("Where and how this was measured", &host.facts());
        std::fs::write(path, page.finish(&json))
            .with_context(|| format!("--html {}: cannot be written", path.display()))?;
    }
    let text = if generator.json {
        json
    } else {
        format!("{}\n{}", figures.trim_end(), host.table())
    };
    console::print(text.trim_end()).context("the report cannot be printed")?;
    Ok(report.verdict())
}
