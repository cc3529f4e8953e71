//! What a generator thread has, and one turn of its sockets.

use std::sync::Arc;

use anyhow::Result;

use crate::client::desk::Wait;
use crate::client::sockets::Sockets;
use crate::clock::Clock;
use crate::progress::Progress;
use crate::random::Random;
use crate::scenario::Scenario;
use crate::seating::Seating;
use crate::vigil::Vigil;
use crate::worker::front::Front;
use crate::worker::unsteady::Unsteady;

/// The state of a generator thread.
pub(super) struct Worker {
    pub(super) scenario: Arc<Scenario>,
    pub(super) clock: Clock,
    pub(super) vigil: Vigil,
    pub(super) seating: Seating,
    pub(super) sockets: Sockets,
    pub(super) front: Front,
    pub(super) unsteady: Unsteady,
    pub(super) random: Random,
    pub(super) progress: Arc<Progress>,
}

impl Worker {
    /// Flushes, waits, and deals with what has come; tells whether anything has.
    pub(super) fn turn(&mut self, wait: Wait) -> Result<bool> {
        let served = self.sockets.turn(wait, &mut self.front)?;
        let Self {
            sockets, front, clock, ..
        } = self;
        self.unsteady.read_slow_players(sockets, front, *clock);
        for (member, text) in self.front.entrance.outgoing.drain(..) {
            self.sockets.queue_text(member, &text);
        }
        Ok(served)
    }

    /// Notes how somebody fared that should have stayed.
    pub(super) fn mishap(&mut self, member: u32, what: String) {
        self.unsteady.mishaps.push((self.seating.first_member + member, what));
    }
}
