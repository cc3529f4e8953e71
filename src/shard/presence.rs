//! Which player ids are connected, in the whole process.
//!
//! Consulted when a connection begins, ends, or asks for an old seat; never on the relay path.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ahash::AHashSet;

use crate::protocol::PlayerId;

/// The player ids of every live connection.
#[derive(Debug, Default)]
pub struct Presence {
    players: Mutex<AHashSet<PlayerId>>,
}

impl Presence {
    fn players(&self) -> MutexGuard<'_, AHashSet<PlayerId>> {
        // No code under the lock can panic half-way through a change.
        self.players.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a connection has this id.
    #[must_use]
    pub fn is_live(&self, player: PlayerId) -> bool {
        self.players().contains(&player)
    }

    /// Notes that a connection has this id.
    pub(super) fn arrive(&self, player: PlayerId) {
        self.players().insert(player);
    }

    /// Notes that no connection has this id any more.
    pub(super) fn depart(&self, player: PlayerId) {
        self.players().remove(&player);
    }
}
