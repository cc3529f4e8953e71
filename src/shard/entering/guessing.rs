//! Codes that may be guesses.
//!
//! Whoever names a code finds out whether there is a room, by whatever it is told: that there is none, that the password is
//! wrong, *or that the room has just been made for it*. Each of these is a miss, and so many from one address in a window
//! end the looking: from then on nothing is looked up for a code from there, so that neither the answer nor the time that
//! it takes depends on what there is. A room made under a code that friends have agreed upon is one miss of theirs, and
//! every one who joins it is none.
//!
//! The connection's own budgets cannot bound this: whoever guesses opens another connection.

use crate::protocol::{Refusal, RoomCode};
use crate::room::WatchRefusal;
use crate::session::ClientAddress;
use crate::shard::Shard;
use crate::shard::state::room_key::RoomKey;
use crate::shard::world::World;
use crate::shard::world::counters::CounterSet;
use crate::shard::world::now::Now;

impl World {
    /// Whether a code from an address may be looked up at all.
    pub(in crate::shard) fn check_guess(
        &self,
        address: ClientAddress,
        counters: &CounterSet,
        now: Now,
    ) -> Result<(), Refusal> {
        self.ledger.admit_guess(address, now.mono_ms).map_err(|refused| {
            counters.joins_throttled.add(1);
            refused.into()
        })
    }

    /// Counts a code that led nowhere.
    pub(in crate::shard) fn note_miss(&self, address: ClientAddress, counters: &CounterSet, now: Now) {
        counters.codes_missed.add(1);
        let noted = self.ledger.note_miss(address, now.mono_ms);
        counters.guessers_displaced.add(u64::from(noted.has_displaced));
    }

    /// Counts what somebody who wanted to watch was refused, if it tells that the code or the password was wrong.
    pub(in crate::shard) fn note_refused_watch(
        &self,
        refusal: WatchRefusal,
        address: ClientAddress,
        counters: &CounterSet,
        now: Now,
    ) {
        if refusal.is_miss() {
            self.note_miss(address, counters, now);
        }
    }
}

impl<L> Shard<L> {
    /// The room that somebody at `address` has named by its code, if it lives here. That there is none is a miss.
    ///
    /// Asked once more whether it may look: many from one address may have been on their way here, each of them let go when
    /// the others had not missed yet.
    pub(in crate::shard) fn look_up(
        &self,
        address: ClientAddress,
        game_name: &str,
        code: &RoomCode,
        now: Now,
    ) -> Result<Option<RoomKey>, Refusal> {
        self.world.check_guess(address, &self.post.counters, now)?;
        let found = self.room_named(game_name, code);
        if found.is_none() {
            self.world.note_miss(address, &self.post.counters, now);
        }
        Ok(found)
    }
}
