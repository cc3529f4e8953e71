//! How a shard comes to its end: nobody is taken in, everybody is told, what is queued is sent.

use std::time::Duration;

use super::super::kernel::Kernel;
use super::Pump;
use super::stage::Stage;
use crate::clock::whole_ms;
use crate::shard::Now;

/// How long requests that are still on their way when everybody is closed may take to arrive and to be answered, in
/// milliseconds.
const LAST_ANSWERS_MS: u64 = 250;

/// Rounds of accepting what had come to a listener before it is closed: all that waits unless thousands do.
const LAST_ACCEPTS: usize = 32;

impl<K: Kernel> Pump<K> {
    /// Stops taking connections in. Closing the listeners refuses new ones at once; who had come before hears why. Told
    /// again without a grace, it closes those at once who are still here.
    pub(super) fn drain(&mut self, grace: Duration, now: Now) {
        if let Stage::Draining { .. } | Stage::Dismissing { .. } = self.stage {
            if grace.is_zero() {
                self.close_all(now);
            }
        } else if self.stage == Stage::Serving {
            self.stage = Stage::Draining {
                until_ms: now.mono_ms.saturating_add(whole_ms(grace)),
            };
            for listener in 0..self.kernel.listeners() {
                let _ = (0..LAST_ACCEPTS).any(|_| !self.accept(listener, now));
            }
            self.kernel.close_listeners();
            self.shard.announce_drain(whole_ms(grace), now);
        }
    }

    /// Says goodbye to everybody once the time for that has come; says whether all is done.
    #[inline]
    pub(super) fn may_end(&mut self, now: Now) -> bool {
        self.stage != Stage::Serving && self.goes_on_ending(now)
    }

    #[inline(never)]
    fn goes_on_ending(&mut self, now: Now) -> bool {
        match self.stage {
            Stage::Serving => false,
            // As long as anybody is there: a server that everybody has left need not wait for nobody.
            Stage::Draining { until_ms } if now.mono_ms < until_ms && self.is_anybody_here() => false,
            Stage::Draining { .. } => {
                let span_ms = self.dismissal_span_ms();
                if span_ms == 0 {
                    self.close_all(now);
                } else {
                    self.shard.dismiss_within(span_ms, now);
                    let until_ms = now.mono_ms.saturating_add(span_ms);
                    self.stage = Stage::Dismissing { until_ms };
                }
                false
            }
            Stage::Dismissing { until_ms } if now.mono_ms < until_ms && self.is_anybody_here() => false,
            Stage::Dismissing { .. } => {
                self.close_all(now);
                false
            }
            Stage::Flushing { until_ms } => {
                let is_empty = self.shard.connections() == 0 && self.pending_upgrades.len() == 0;
                is_empty || now.mono_ms >= until_ms
            }
        }
    }

    /// How long closing everybody takes: a millisecond for each connection of the process, so that about a thousand a
    /// second look for another server, but never longer than the operator allows.
    fn dismissal_span_ms(&self) -> u64 {
        let connections = self.shard.world().ledger.admitted().connections as u64;
        connections.min(whole_ms(self.settings.drain_spread))
    }

    fn close_all(&mut self, now: Now) {
        let until_ms = now.mono_ms.saturating_add(whole_ms(self.settings.flush_timeout));
        self.stage = Stage::Flushing { until_ms };
        self.pending_upgrades.end(now.mono_ms.saturating_add(LAST_ANSWERS_MS));
        self.shard.close_all(now);
    }

    /// Whether any shard of the process still has a connection: one may yet come here with a join.
    fn is_anybody_here(&self) -> bool {
        self.shard.connections() > 0 || self.shard.world().ledger.admitted().connections > 0
    }
}
