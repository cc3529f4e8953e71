//! What the yardstick has done, as it tells it at its end and on its counters page.

use std::fmt::Write as _;

use crate::sys;

/// Counts since the start. One thread writes and reads them.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Messages taken for relaying.
    pub(super) messages: u64,
    /// Copies of them put into outboxes.
    pub(super) deliveries: u64,
    /// Sends of outboxes to sockets.
    pub(super) sends: u64,
    /// Calls into the kernel.
    pub(super) kernel_entries: u64,
    /// CPU time of the thread when the first message was relayed.
    pub(super) cpu_at_first_ns: Option<u64>,
}

impl Counters {
    /// The page for Prometheus.
    pub(super) fn page(&self) -> String {
        let mut page = String::new();
        for (name, help, value) in [
            ("signal_fish_socket_sends_total", "Sends to sockets", self.sends),
            ("signal_fish_deliveries_total", "Messages delivered", self.deliveries),
            (
                "signal_fish_kernel_entries_total",
                "Calls into the kernel",
                self.kernel_entries,
            ),
        ] {
            writeln!(page, "# HELP {name} {help}.\n# TYPE {name} counter\n{name} {value}")
                .expect("writing to a string cannot fail");
        }
        page
    }

    /// The last words: what a delivery has cost from the first relayed message on.
    pub(super) fn summary(&self) -> String {
        let per_delivery = |count: f64| count / self.deliveries.max(1) as f64;
        let cpu_ns = self.cpu_at_first_ns.map_or(0, |first| sys::thread_cpu_ns() - first);
        format!(
            "{} messages, {} deliveries; per delivery {:.3} µs of CPU, {:.3} sends, {:.3} kernel entries",
            self.messages,
            self.deliveries,
            per_delivery(cpu_ns as f64 / 1e3),
            per_delivery(self.sends as f64),
            per_delivery(self.kernel_entries as f64),
        )
    }
}
