//! What the game's backend has said of a client, and what it is asked about it.

use super::Session;
use super::access_check::{AccessQuestion, Grant, Wish};

impl Session {
    /// What the backend has given to the client.
    #[must_use]
    pub fn grant(&self) -> Option<&Grant> {
        self.grant.as_deref()
    }

    /// Notes what the backend gives to the client.
    pub fn note_grant(&mut self, grant: Grant) {
        if grant != Grant::default() {
            self.grant.get_or_insert_default().renew(grant);
        }
    }

    /// The name under which the client enters rooms.
    #[must_use]
    pub fn name_in_rooms<'a>(&'a self, asked: &'a str) -> &'a str {
        let given = self.grant().and_then(|grant| grant.display_name.as_deref());
        given.unwrap_or(asked)
    }

    /// The seats of a room that the client makes without naming a number: the general one, if it may have so many.
    #[must_use]
    pub fn default_seats(&self, general: u8) -> u8 {
        let most = self.grant().and_then(|grant| grant.max_players_per_room);
        most.map_or(general, |most| most.min(general))
    }

    /// What the backend is asked about a wish of the client.
    #[must_use]
    pub fn question(&self, wish: Wish) -> AccessQuestion {
        AccessQuestion {
            address: self.address,
            app: self.app.clone(),
            user: self.grant().and_then(|grant| grant.user.clone()),
            wish,
        }
    }

    /// Gives back time that the client spent waiting for the backend: its handshake is not late by it.
    pub const fn give_back(&mut self, span_ms: u64) {
        self.opened_at_ms = self.opened_at_ms.saturating_add(span_ms);
    }
}
