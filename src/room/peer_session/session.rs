//! The session of a started game: the ways that it can take, and the path that it has taken.

use crate::protocol::{Abilities, DirectEndpoint, PlanId, PlayerId, Topology, Transport};

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
}

/// The way that was chosen, with what it needs to know.
#[derive(Debug, Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) enum Path {
    Relay,
    Mesh,
    Host(PlayerId),
    DirectHost(PlayerId, DirectEndpoint),
}

impl Path {
    pub(super) const fn way(&self) -> Way {
        match self {
            Self::Relay => Way::Relay,
            Self::Mesh => Way::Mesh,
            Self::Host(_) => Way::Host,
            Self::DirectHost(..) => Way::DirectHost,
        }
    }

    pub(super) const fn host(&self) -> Option<PlayerId> {
        match self {
            Self::Relay | Self::Mesh => None,
            Self::Host(host) | Self::DirectHost(host, _) => Some(*host),
        }
    }

    pub(super) const fn endpoint(&self) -> Option<&DirectEndpoint> {
        match self {
            Self::DirectHost(_, endpoint) => Some(endpoint),
            Self::Relay | Self::Mesh | Self::Host(_) => None,
        }
    }
}

/// The session of a started game, as its newest plan has it.
#[derive(Debug, Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct PeerSession {
    pub(super) generation: PlanId,
    pub(super) path: Path,
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
