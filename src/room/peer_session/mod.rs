//! How the members of a started game reach each other: the session of a room, from the start of its game on.
//!
//! Owns three decisions, each in its file: which way is taken ([`choice`]), who hosts ([`host`]), and what each member is
//! told ([`briefing`]). Promises that the way is chosen once and kept, but for a host session without a possible host,
//! which is relayed from then on; and that every change makes a plan of a new generation. Must never know who is told, or
//! when: the shard sends the plans.

mod briefing;
mod choice;
mod endpoint;
mod host;
mod session;
#[cfg(test)]
mod tests;

pub use briefing::Briefing;
pub use choice::SessionRules;
pub use session::PeerSession;

use self::session::Path;
use super::{ConnectionKey, Room};
use crate::protocol::{Abilities, PlanId, PlayerId, TransportStatus};

impl Room {
    /// The session of a started game.
    #[must_use]
    pub const fn peer_session(&self) -> Option<&PeerSession> {
        self.peer_session.as_ref()
    }

    /// Plans the session of a game that has just started.
    pub fn begin_peer_session(&mut self, rules: SessionRules, generation: PlanId) {
        let path = choice::choose(rules, &self.roster, self.authority);
        self.peer_session = Some(PeerSession { generation, path });
    }

    /// Whether somebody with these abilities has no place in the running session.
    #[must_use]
    pub fn session_excludes(&self, abilities: Abilities) -> bool {
        self.peer_session
            .as_ref()
            .is_some_and(|session| !session.path.way().is_open_to(abilities))
    }

    /// A seat was taken or taken back: the same session, by a new plan. Says whether there is a session.
    pub fn plan_anew(&mut self, generation: PlanId) -> bool {
        let Some(session) = &mut self.peer_session else {
            return false;
        };
        session.generation = generation;
        true
    }

    /// Somebody's seat is free. Says whether that was the host, so that there is a new plan.
    pub fn replace_host(&mut self, left: PlayerId, generation: PlanId) -> bool {
        match &self.peer_session {
            Some(session) if session.host() == Some(left) => self.elect_anew(generation),
            _ => false,
        }
    }

    /// A member has said how it is reached. Says whether that moves the session, so that there is a new plan.
    pub fn follow_endpoint(&mut self, member: ConnectionKey, generation: PlanId) -> bool {
        let (Some(session), Some(seat)) = (&mut self.peer_session, self.roster.seat(member)) else {
            return false;
        };
        let Path::DirectHost(host, known) = &mut session.path else {
            return false;
        };
        if seat.player() != *host {
            return false;
        }
        match endpoint::usable(seat) {
            Some(given) if given == *known => false,
            Some(given) => {
                *known = given;
                session.generation = generation;
                true
            }
            None => self.elect_anew(generation),
        }
    }

    /// Finds the next host; where there is none, everybody is relayed to from now on.
    fn elect_anew(&mut self, generation: PlanId) -> bool {
        if let Some(session) = &mut self.peer_session {
            let way = session.path.way();
            *session = PeerSession {
                generation,
                path: host::settle(way, &self.roster, self.authority).unwrap_or(Path::Relay),
            };
        }
        true
    }

    /// Notes what a member says of its connection to its peers.
    pub fn note_transport_status(&mut self, member: ConnectionKey, status: TransportStatus) {
        self.record.note_status(status);
        if let Some(seat) = self.roster.seat_mut(member) {
            seat.transport_status = Some(status);
        }
    }
}
