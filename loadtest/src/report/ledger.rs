//! The closed account.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::ledger::{Told, Totals};
use crate::report::Verdict;
use crate::report::table::Table;
use crate::worker::Account;

/// Ended connections that are described one by one.
const MAX_ENDS: usize = 20;

/// The account in words and numbers.
#[derive(Debug, Serialize)]
pub(crate) struct LedgerReport {
    balanced: bool,
    #[serde(flatten)]
    totals: Totals,
    faults_found: u64,
    /// What version 3 told, where it took part.
    #[serde(flatten)]
    told: Option<Told>,
    /// Some faults in words.
    faults: Vec<String>,
    connections_lost: usize,
    /// How the first of them ended.
    ends: Vec<String>,
    /// How connections of slow players ended.
    slow_ends: BTreeMap<String, u64>,
    /// How often players came back.
    returns: u64,
    server_errors: BTreeMap<String, u64>,
}

impl LedgerReport {
    pub(crate) fn new(account: Account) -> Self {
        let describe = |(player, end): &(u32, String)| match *player {
            u32::MAX => end.clone(),
            player => format!("player {player}: {end}"),
        };
        Self {
            balanced: account.totals.balanced(),
            faults_found: account.totals.faults(),
            told: account.version_3.then(|| account.totals.told.clone()),
            totals: account.totals,
            faults: account.examples,
            connections_lost: account.ends.len(),
            ends: account.ends.iter().take(MAX_ENDS).map(describe).collect(),
            slow_ends: account.slow_ends,
            returns: account.returns,
            server_errors: account.server_errors,
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        if self.balanced && self.connections_lost == 0 {
            Verdict::Balanced
        } else {
            Verdict::Faulty
        }
    }

    pub(super) fn table(&self, out: &mut Table) {
        let totals = &self.totals;
        out.row("ledger", if self.balanced { "balanced" } else { "DOES NOT BALANCE" });
        out.row(
            "",
            format!(
                "{} sent, {} deliveries owed, {} made",
                totals.sent, totals.expected, totals.received
            ),
        );
        out.row(
            "",
            format!(
                "{} lost, {} duplicated, {} reordered, {} misrouted, {} corrupted",
                totals.lost, totals.duplicated, totals.reordered, totals.misrouted, totals.corrupted
            ),
        );
        if let Some(told) = &self.told {
            told_rows(told, out);
        }
        if totals.excused > 0 {
            out.row(
                "",
                format!(
                    "{} excused: on their way to connections that ended by plan",
                    totals.excused
                ),
            );
        }
        if self.returns > 0 {
            out.row("returns", format!("{} players came back", self.returns));
        }
        for (how, count) in &self.slow_ends {
            out.row("slow players", format!("{count} × {how}"));
        }
        for fault in &self.faults {
            out.row("  fault", fault);
        }
        if self.connections_lost > 0 {
            out.row("connections", format!("{} LOST", self.connections_lost));
        }
        for end in &self.ends {
            out.row("  ended", end);
        }
        for (code, count) in &self.server_errors {
            out.row("  error", format!("{code} × {count}"));
        }
    }
}

fn told_rows(told: &Told, out: &mut Table) {
    out.row(
        "",
        format!(
            "{} superseded; reported: {} dropped when full, {} volatile dropped, {} of an unsupported format",
            told.superseded,
            told.reported.dropped_full,
            told.reported.volatile_dropped,
            told.reported.unsupported_format
        ),
    );
    out.row(
        "",
        format!(
            "{} misstamped, {} misreported, {} tokens reused, {} operations misanswered",
            told.misstamped, told.misreported, told.token_reuse, told.operations
        ),
    );
    if told.unaccepted > 0 {
        out.row(
            "",
            format!(
                "{} not accepted before their sender's connection was cut",
                told.unaccepted
            ),
        );
    }
}
