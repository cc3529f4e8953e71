//! What time demands.

use crate::shard::Shard;
use crate::shard::events::deadlines::LinkFacts;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// [`judge`](Self::judge) for callers whose links have nothing to tell.
    pub fn tick(&mut self, now: Now) {
        self.judge(&(), now);
    }

    /// Does what time demands: deadlines of connections, expiry of rooms. Call it every few milliseconds, after everything
    /// that had arrived by then was served and everybody was offered what waits.
    pub fn judge(&mut self, links: &impl LinkFacts<L>, now: Now) {
        self.renew_access();
        self.check_deadlines(links, now);
        self.tell_waiting_news(now);
        self.sweep(now);
        self.settle(now);
    }

    /// When [`tick`](Self::tick) next has something to do.
    #[must_use]
    pub fn next_deadline_ms(&self) -> u64 {
        let planned = [
            self.deadlines.next_ms(),
            self.next_news_ms(),
            self.outposts.next_pass_ms(),
        ];
        planned.into_iter().flatten().fold(self.sweep.next_ms(), u64::min)
    }
}
