//! The closed account.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::ledger::{Told, Totals};
use crate::report::Verdict;
use crate::report::table::Table;
use crate::worker::Account;

/// Faults and ended connections that are described one by one.
const MAX_LISTED: usize = 20;

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
    pub(super) faults: Vec<String>,
    /// How many there were besides.
    more_faults: u64,
    pub(super) connections_lost: usize,
    /// How the first of them ended.
    ends: Vec<String>,
    /// How all of them ended.
    ends_by_cause: BTreeMap<String, u64>,
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
        let closed = account.closed;
        let mut faults = closed.examples;
        let unlisted = faults.len().saturating_sub(MAX_LISTED) as u64;
        faults.truncate(MAX_LISTED);
        Self {
            balanced: closed.totals.balanced(),
            faults_found: closed.totals.faults(),
            told: account.version_3.then(|| closed.totals.told.clone()),
            totals: closed.totals,
            more_faults: closed.more_faults + unlisted,
            faults,
            connections_lost: account.ends.len(),
            ends: account.ends.iter().take(MAX_LISTED).map(describe).collect(),
            ends_by_cause: account.ends.iter().fold(BTreeMap::new(), |mut causes, (_, cause)| {
                *causes.entry(cause.clone()).or_default() += 1;
                causes
            }),
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

    /// Faults in words, and how many more there were.
    pub(super) fn listed_faults(&self) -> Vec<String> {
        listed(self.faults.clone(), self.more_faults)
    }

    /// Ended connections in words, and how many more there were.
    pub(super) fn listed_ends(&self) -> Vec<String> {
        listed(self.ends.clone(), (self.connections_lost - self.ends.len()) as u64)
    }

    /// Causes for which connections ended, the most frequent first.
    pub(super) fn causes(&self) -> Vec<String> {
        let mut causes: Vec<_> = self.ends_by_cause.iter().collect();
        causes.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        causes
            .iter()
            .map(|(cause, count)| format!("{count} × {cause}"))
            .collect()
    }

    pub(super) fn lost(&self) -> u64 {
        self.totals.lost
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
        for fault in self.listed_faults() {
            out.row("  fault", fault);
        }
        if self.connections_lost > 0 {
            out.row("connections", format!("{} LOST", self.connections_lost));
        }
        for end in self.listed_ends() {
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

fn listed(mut items: Vec<String>, more: u64) -> Vec<String> {
    if more > 0 {
        items.push(format!("and {more} more"));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Closed;

    #[test]
    fn lists_end_in_how_many_more_there_are() {
        let report = LedgerReport::new(Account {
            closed: Closed {
                examples: vec!["lost".to_owned(); 25],
                more_faults: 100,
                ..Closed::default()
            },
            ends: (0..30).map(|player| (player, format!("end {}", player % 2))).collect(),
            ..Account::default()
        });
        let (faults, ends) = (report.listed_faults(), report.listed_ends());
        assert_eq!((faults.len(), faults[20].as_str()), (21, "and 105 more"));
        assert_eq!((ends.len(), ends[20].as_str()), (21, "and 10 more"));
        assert_eq!(report.causes(), ["15 × end 0", "15 × end 1"]);
        assert!(LedgerReport::new(Account::default()).listed_faults().is_empty());
    }
}
