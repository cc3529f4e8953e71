//! What a test found: one structure per command, printed as a table for people or as one line of JSON for programs.

mod compare;
pub(crate) mod html;
mod idle;
pub(crate) mod judgement;
mod ledger;
mod percentiles;
mod run;
mod search;
mod setting;
mod steps;
mod storm;
mod svg;
mod table;
mod text;
mod traffic;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::console;

pub(crate) use compare::CompareReport;
pub(crate) use idle::IdleReport;
pub(crate) use ledger::LedgerReport;
pub(crate) use run::RunReport;
pub(crate) use search::{SearchReport, Step};
pub(crate) use setting::Setting;
pub(crate) use storm::{StormFindings, StormReport};
pub(crate) use traffic::TrafficReport;

/// Whether the server did what it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Balanced,
    Faulty,
}

/// A report that can be shown.
pub(crate) trait Report: Serialize {
    fn verdict(&self) -> Verdict;
    fn table(&self) -> String;
}

/// Prints the table for people, or with `as_json` one line of JSON for programs, and passes the verdict on.
pub(crate) fn publish(report: &impl Report, as_json: bool) -> Result<Verdict> {
    let text = if as_json {
        serde_json::to_string(report).context("the report cannot be written as JSON")?
    } else {
        report.table()
    };
    console::print(text.trim_end()).context("the report cannot be printed")?;
    Ok(report.verdict())
}
