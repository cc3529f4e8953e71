//! Which way a session takes: the first that the operator, the game and every member allow.

use super::super::{Roster, Seat};
use super::host;
use super::session::{Path, Way};
use crate::protocol::{PlayerId, Topology, Transport};

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

impl SessionRules {
    fn allow(self, way: Way) -> bool {
        let transport = match way.transport() {
            Transport::Relay => true,
            Transport::WebRtc => self.allows_webrtc,
            Transport::Direct => self.allows_direct,
        };
        transport && way.topology() <= self.ceiling
    }
}

/// The path that those who sit in the room now can all take.
pub(super) fn choose(rules: SessionRules, roster: &Roster, authority: Option<PlayerId>) -> Path {
    Way::ALL
        .into_iter()
        .filter(|way| rules.allow(*way))
        .filter(|way| {
            roster
                .seats()
                .map(Seat::abilities)
                .all(|abilities| way.is_open_to(abilities))
        })
        .find_map(|way| host::settle(way, roster, authority))
        .unwrap_or(Path::Relay)
}
