//! What the senders of a group send, and when.

use anyhow::{Result, ensure};

use crate::group::Group;
use crate::payload;
use crate::phase::Phase;

/// What decides when a player sends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// At fixed moments, whatever the server does.
    OpenLoop { period_ns: f64, phase: Phase },
    /// When earlier messages have landed.
    ClosedLoop { in_flight: u32 },
}

impl Pace {
    /// From a rate, or from a number of messages in flight that replaces it.
    pub(crate) fn of(rate: f64, phase: Phase, closed_loop: Option<u32>) -> Result<Self> {
        Ok(match closed_loop {
            Some(in_flight) => Self::ClosedLoop { in_flight },
            None => {
                ensure!(rate > 0.0, "the rate must be above 0");
                Self::OpenLoop {
                    period_ns: 1e9 / rate,
                    phase,
                }
            }
        })
    }
}

/// What the senders of one group send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Bytes of game data per message.
    pub(crate) size_bytes: usize,
    pub(crate) pace: Pace,
}

impl Load {
    pub(crate) fn check(&self, group: &Group) -> Result<()> {
        let least = payload::min_size_bytes(group.encoding);
        ensure!(
            (least..=payload::MAX_SIZE_BYTES).contains(&self.size_bytes),
            "game data must have {least} to {} bytes: it carries sender, sequence, time and checksum",
            payload::MAX_SIZE_BYTES
        );
        match self.pace {
            Pace::OpenLoop { period_ns, .. } => {
                ensure!(
                    period_ns.is_finite() && period_ns >= 1_000.0,
                    "the rate must be above 0 and at most 1,000,000"
                );
            }
            Pace::ClosedLoop { in_flight } => {
                ensure!(
                    (1..=10_000).contains(&in_flight),
                    "a closed loop needs 1 to 10000 in flight"
                );
                ensure!(
                    group.slow == 0 && group.returning == 0,
                    "a closed loop waits for every member, so none may be slow or return"
                );
            }
        }
        Ok(())
    }
}
