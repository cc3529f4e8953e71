//! The line of the log about codes that are guessed.

use super::super::kernel::Kernel;
use super::Pump;
use crate::rare_line::RareLine;
use crate::shard::Now;

/// Whoever has many addresses reaches the limit with each.
static GUESSING: RareLine = RareLine::new();

impl<K: Kernel> Pump<K> {
    /// Tells of the latest source that has reached its limit. Never of codes: a room may have one of them.
    pub(super) fn warn_of_guessing(&self, now: Now) {
        if let Some(source) = self.shard.world().ledger.take_latest_guesser()
            && let Some(unsaid) = GUESSING.may_say(now.mono_ms)
        {
            tracing::warn!(from = %source, unsaid, "too many joins by code have failed: more from there are refused for a while");
        }
    }
}
