//! What a client can do beside being relayed to (v3).

use super::{Topology, Transport};

/// The transports and session shapes that a connection negotiated. The relay is always among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Abilities {
    /// One bit for each transport, by its place in the protocol's order.
    transports: u8,
    /// One bit for each topology.
    topologies: u8,
}

impl Abilities {
    /// What every connection can do, and all that one on version 2 can.
    pub const RELAY_ONLY: Self = Self {
        transports: 1 << Transport::Relay as u8,
        topologies: 1 << Topology::Relay as u8,
    };

    /// The abilities that a client names, in any order and with repetitions, and the relay.
    #[must_use]
    pub fn of(transports: &[Transport], topologies: &[Topology]) -> Self {
        let with = |bits: u8, place: u8| bits | 1 << place;
        Self {
            transports: transports
                .iter()
                .fold(Self::RELAY_ONLY.transports, |bits, one| with(bits, *one as u8)),
            topologies: topologies
                .iter()
                .fold(Self::RELAY_ONLY.topologies, |bits, one| with(bits, *one as u8)),
        }
    }

    /// Whether the connection can use a transport.
    #[must_use]
    pub const fn can_use(self, transport: Transport) -> bool {
        self.transports & (1 << transport as u8) != 0
    }

    /// Whether the connection can take part in a session of this shape.
    #[must_use]
    pub const fn can_join(self, topology: Topology) -> bool {
        self.topologies & (1 << topology as u8) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_relay_is_always_there_and_the_rest_must_be_named() {
        let some = Abilities::of(&[Transport::WebRtc, Transport::WebRtc], &[Topology::Mesh]);
        assert!(some.can_use(Transport::Relay) && some.can_use(Transport::WebRtc) && !some.can_use(Transport::Direct));
        assert!(some.can_join(Topology::Relay) && some.can_join(Topology::Mesh) && !some.can_join(Topology::Host));
        assert_eq!(Abilities::of(&[], &[]), Abilities::RELAY_ONLY);
    }
}
