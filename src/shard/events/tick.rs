//! What time demands.

use crate::shard::Shard;
use crate::shard::events::deadlines::LinkFacts;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Does what time demands: connections are judged by their deadlines, rooms expire, news that waited for its moment is
    /// told. Call it every few milliseconds, after everything that had arrived by then was served and everybody was offered
    /// what waits. Links that have nothing to tell are `&()`.
    pub fn tick(&mut self, links: &impl LinkFacts<L>, now: Now) {
        self.event(now, |shard| {
            shard.renew_access();
            shard.check_deadlines(links, now);
            shard.tell_waiting_news(now);
            shard.sweep(now);
        });
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
