//! The report of `idle`.

use serde::Serialize;

use crate::cli::IdleArguments;
use crate::report::table::{mebibytes, round};
use crate::report::{LedgerReport, Report, Setting, Verdict};
use crate::scenario::Scenario;

/// The report of `idle`.
#[derive(Debug, Serialize)]
pub(crate) struct IdleReport {
    command: &'static str,
    setting: Setting,
    message_bytes: usize,
    small_messages: u32,
    settle_seconds: f64,
    /// Resident memory of the server before anybody came.
    resident_bytes_before: u64,
    resident_bytes_joined: u64,
    resident_bytes_after_traffic: u64,
    resident_bytes_rested: u64,
    /// Growth from before to rested, over the connections.
    pub(super) resident_bytes_per_connection: f64,
    ledger: LedgerReport,
}

impl IdleReport {
    /// `resident` holds the readings before anybody came, when all had joined, after the traffic, and after the rest.
    pub(crate) fn new(
        scenario: &Scenario,
        arguments: &IdleArguments,
        resident: [u64; 4],
        ledger: LedgerReport,
    ) -> Self {
        let [before, joined, busy, rested] = resident;
        let growth = rested as f64 - before as f64;
        Self {
            command: "idle",
            setting: Setting::new(scenario),
            message_bytes: arguments.message_bytes,
            small_messages: arguments.small_messages,
            settle_seconds: arguments.settle_seconds,
            resident_bytes_before: before,
            resident_bytes_joined: joined,
            resident_bytes_after_traffic: busy,
            resident_bytes_rested: rested,
            resident_bytes_per_connection: round(growth / f64::from(scenario.connections()), 1),
            ledger,
        }
    }
}

impl IdleReport {
    pub(super) fn headline(&self) -> String {
        self.setting.headline()
    }

    pub(super) fn resident(&self) -> [u64; 4] {
        [
            self.resident_bytes_before,
            self.resident_bytes_joined,
            self.resident_bytes_after_traffic,
            self.resident_bytes_rested,
        ]
    }
}

impl Report for IdleReport {
    fn verdict(&self) -> Verdict {
        self.ledger.verdict()
    }

    fn table(&self) -> String {
        let mut table = self.setting.table();
        table.row(
            "each player sent",
            format!("{} × 64 bytes, 1 × {} bytes", self.small_messages, self.message_bytes),
        );
        let memory = |bytes| format!("{:.1} MiB", mebibytes(bytes));
        table.row("memory before", memory(self.resident_bytes_before));
        table.row("  all joined", memory(self.resident_bytes_joined));
        table.row("  after traffic", memory(self.resident_bytes_after_traffic));
        table.row(
            "  rested",
            format!("{} ({} s)", memory(self.resident_bytes_rested), self.settle_seconds),
        );
        table.row(
            "per connection",
            format!("{} bytes", self.resident_bytes_per_connection),
        );
        self.ledger.table(&mut table);
        table.0
    }
}
