//! Those who wait for the shard itself: for a code, or for what their outpost has to tell.

use crate::shard::Shard;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Does for those who wait what a turn allows: searches for codes go on, watchers are told what has come for them. Call
    /// it once a turn, after the letters were read and before those who were [answered](Self::take_resumed) go on.
    pub fn serve_waiting(&mut self, now: Now) {
        self.event(now, |shard| {
            shard.search_codes(now);
            shard.serve_outposts(now);
        });
    }
}
