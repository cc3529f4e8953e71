//! Which player ids are connected, and which of them have a seat, in the whole process.
//!
//! Consulted when a connection begins or ends, when a seat is taken or freed, when an old seat is asked for, and when a
//! signal is refused; never on the relay path.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ahash::AHashMap;

use crate::protocol::PlayerId;
use crate::shard::world::stripes::Stripes;

/// At 200,000 players a stripe has some 200.
const STRIPES: usize = 1_024;

/// The player ids of every live connection. One that is closing is none any more: its player may come back by another.
#[derive(Debug)]
pub struct Presence {
    players: Stripes<Mutex<Players>>,
}

type Players = AHashMap<PlayerId, Standing>;

/// Where a live connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// In no room, or in one's gallery.
    Unseated,
    /// In a seat of some room.
    Seated,
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            players: Stripes::new(STRIPES),
        }
    }
}

impl Presence {
    /// Those among whom a player is, if anywhere.
    fn beside(&self, player: PlayerId) -> MutexGuard<'_, Players> {
        // No code under the lock can panic half-way through a change.
        self.players.of(&player).lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a connection has this id that is not about to end.
    #[must_use]
    pub fn is_live(&self, player: PlayerId) -> bool {
        self.beside(player).contains_key(&player)
    }

    /// Whether a connection has this id and a seat.
    #[must_use]
    pub fn is_seated(&self, player: PlayerId) -> bool {
        self.beside(player).get(&player) == Some(&Standing::Seated)
    }

    /// Notes that a connection has this id.
    pub(in crate::shard) fn arrive(&self, player: PlayerId) {
        self.beside(player).insert(player, Standing::Unseated);
    }

    /// Notes that a connection took a seat.
    pub(in crate::shard) fn sit(&self, player: PlayerId) {
        self.stand_as(player, Standing::Seated);
    }

    /// Notes that a seat is free. Its player may be gone already.
    pub(in crate::shard) fn rise(&self, player: PlayerId) {
        self.stand_as(player, Standing::Unseated);
    }

    fn stand_as(&self, player: PlayerId, standing: Standing) {
        if let Some(known) = self.beside(player).get_mut(&player) {
            *known = standing;
        }
    }

    /// Notes that no connection has this id any more, or none that is not about to end.
    pub(in crate::shard) fn depart(&self, player: PlayerId) {
        self.beside(player).remove(&player);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_known_while_its_player_is_there() {
        let presence = Presence::default();
        let player = PlayerId::from_bytes([1; 16]);
        presence.sit(player);
        assert!(
            !presence.is_live(player) && !presence.is_seated(player),
            "nobody is there"
        );
        presence.arrive(player);
        assert!(presence.is_live(player) && !presence.is_seated(player));
        presence.sit(player);
        assert!(presence.is_seated(player));
        presence.rise(player);
        assert!(presence.is_live(player) && !presence.is_seated(player));
        presence.depart(player);
        presence.rise(player);
        assert!(!presence.is_live(player));
    }
}
