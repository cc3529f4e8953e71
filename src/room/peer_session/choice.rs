//! Which way a session takes: the first that the operator, the game and every member allow.

use super::super::{Roster, Seat};
use super::{Path, host};
use crate::protocol::{Abilities, PlayerId, Topology, Transport};

/// What the operator allows the sessions of one game.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionRules {
    /// The most that is wanted, in the order relay, host, mesh.
    pub ceiling: Topology,
    /// Whether WebRTC may be chosen.
    pub allows_webrtc: bool,
    /// Whether direct connections may be chosen.
    pub allows_direct: bool,
}

/// A topology and the transport that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Everybody with everybody, over WebRTC.
    Mesh,
    /// Everybody with the host, over WebRTC.
    Host,
    /// Everybody with the host, at an address that it made known.
    DirectHost,
    /// Everybody through this server.
    Relay,
}

impl Way {
    /// All, the most wanted first.
    pub(super) const ALL: [Self; 4] = [Self::Mesh, Self::Host, Self::DirectHost, Self::Relay];

    pub(super) const fn topology(self) -> Topology {
        match self {
            Self::Mesh => Topology::Mesh,
            Self::Host | Self::DirectHost => Topology::Host,
            Self::Relay => Topology::Relay,
        }
    }

    pub(super) const fn transport(self) -> Transport {
        match self {
            Self::Mesh | Self::Host => Transport::WebRtc,
            Self::DirectHost => Transport::Direct,
            Self::Relay => Transport::Relay,
        }
    }

    /// Whether somebody with these abilities can take part. The relay takes everybody.
    pub(super) const fn is_open_to(self, abilities: Abilities) -> bool {
        abilities.can_join(self.topology()) && abilities.can_use(self.transport())
    }

    fn is_allowed_by(self, rules: SessionRules) -> bool {
        let transport = match self.transport() {
            Transport::Relay => true,
            Transport::WebRtc => rules.allows_webrtc,
            Transport::Direct => rules.allows_direct,
        };
        transport && self.topology() <= rules.ceiling
    }
}

/// The path that those who sit in the room now can all take.
pub(super) fn choose(rules: SessionRules, roster: &Roster, authority: Option<PlayerId>) -> Path {
    Way::ALL
        .into_iter()
        .filter(|way| way.is_allowed_by(rules))
        .filter(|way| {
            roster
                .seats()
                .map(Seat::abilities)
                .all(|abilities| way.is_open_to(abilities))
        })
        .find_map(|way| host::settle(way, roster, authority))
        .unwrap_or(Path::Relay)
}
