//! Those who wait for the shard itself: for a code, or for what their outpost has to tell.

use crate::shard::Shard;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Whether somebody waits for the shard itself, is to be resumed or departs, or a shard message waits: else there is nothing to
    /// do between what was served and the sends.
    #[must_use]
    pub fn has_chores(&self) -> bool {
        !self.departing.is_empty()
            || !self.resumed.is_empty()
            || !self.questions.are_sent()
            || !self.code_searches.is_rested()
            || self.outposts.has_mail()
            || self.outposts.gathers()
            || self.has_shard_messages()
    }

    /// Does for those who wait what a turn allows: searches for codes go on, watchers are told what has come for them. Call
    /// it once a turn, after the shard messages were read and before those who were [answered](Self::take_resumed) go on.
    pub fn serve_waiting(&mut self, now: Now) {
        self.event(now, |shard| {
            shard.search_codes(now);
            shard.serve_outposts(now);
        });
    }
}
