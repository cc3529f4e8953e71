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
#[cfg(test)]
mod tests;

pub use briefing::Briefing;
pub use choice::SessionRules;

use self::choice::Way;
use super::{MemberRef, Room, Seat};
use crate::protocol::{Abilities, DirectEndpoint, PlanId, PlayerId, Topology, Transport, TransportStatus};

/// The session of a started game, as its newest plan has it.
#[derive(Debug, Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct PeerSession {
    generation: PlanId,
    path: Path,
}

/// The way that was chosen, with what it needs to know.
#[derive(Debug, Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
enum Path {
    Relay,
    Mesh,
    Host(PlayerId),
    DirectHost(PlayerId, DirectEndpoint),
}

impl Path {
    const fn way(&self) -> Way {
        match self {
            Self::Relay => Way::Relay,
            Self::Mesh => Way::Mesh,
            Self::Host(_) => Way::Host,
            Self::DirectHost(..) => Way::DirectHost,
        }
    }

    const fn host(&self) -> Option<PlayerId> {
        match self {
            Self::Relay | Self::Mesh => None,
            Self::Host(host) | Self::DirectHost(host, _) => Some(*host),
        }
    }

    const fn endpoint(&self) -> Option<&DirectEndpoint> {
        match self {
            Self::DirectHost(_, endpoint) => Some(endpoint),
            Self::Relay | Self::Mesh | Self::Host(_) => None,
        }
    }
}

impl PeerSession {
    /// The newest plan.
    #[must_use]
    pub const fn generation(&self) -> PlanId {
        self.generation
    }

    /// The shape of the session.
    #[must_use]
    pub const fn topology(&self) -> Topology {
        self.path.way().topology()
    }

    /// How peers are reached.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.path.way().transport()
    }

    /// Through whom everybody is reached, if through one member.
    #[must_use]
    pub const fn host(&self) -> Option<PlayerId> {
        self.path.host()
    }
}

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
    pub fn follow_endpoint(&mut self, member: MemberRef, generation: PlanId) -> bool {
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
    pub fn note_transport_status(&mut self, member: MemberRef, status: TransportStatus) {
        if let Some(seat) = self.roster.seat_mut(member) {
            seat.transport_status = Some(status);
        }
    }

    /// Whether what a session says of the roster is so.
    pub(super) fn has_coherent_session(&self) -> bool {
        let host = self.peer_session.as_ref().and_then(PeerSession::host);
        host.is_none_or(|host| self.roster.seat_of(host).is_some())
    }
}

impl Seat {
    /// What the member can do beside being relayed to.
    #[must_use]
    pub const fn abilities(&self) -> Abilities {
        self.abilities
    }

    /// What the member last said of its connection to its peers.
    #[must_use]
    pub const fn transport_status(&self) -> Option<TransportStatus> {
        self.transport_status
    }
}
