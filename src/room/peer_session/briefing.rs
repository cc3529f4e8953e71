//! What each member is told of the session.

use super::super::{Room, Seat};
use super::session::{Path, PeerSession};
use crate::protocol::{PlanPeer, PlayerId, SessionPlan};

/// One member's copy of the newest plan. ICE servers are for the sender to add.
#[derive(Debug)]
pub struct Briefing<'a> {
    /// The plan.
    pub plan: SessionPlan<'a>,
    /// Whether the member is part of the session. One who came back with lesser abilities is not: it has no peers and is
    /// nobody's.
    pub takes_part: bool,
}

impl Room {
    /// A member's copy of the newest plan, once the game has started.
    #[must_use]
    pub fn briefing<'a>(&'a self, seat: &Seat) -> Option<Briefing<'a>> {
        let session = self.peer_session.as_ref()?;
        let takes_part = session.includes(seat);
        let plan = SessionPlan {
            generation: session.generation,
            topology: session.topology(),
            transport: session.transport(),
            host: session.host(),
            direct_endpoint: session.path.endpoint(),
            peers: if takes_part {
                self.peers_of(session, seat.player())
            } else {
                Vec::new()
            },
            ice_servers: Vec::new(),
        };
        Some(Briefing { plan, takes_part })
    }

    fn peers_of<'a>(&'a self, session: &PeerSession, reader: PlayerId) -> Vec<PlanPeer<'a>> {
        let others = || {
            self.roster
                .seats()
                .filter(|seat| seat.player() != reader && session.includes(seat))
        };
        let peer = |seat: &'a Seat, is_authority, initiate| PlanPeer {
            player_id: seat.player(),
            player_name: &seat.name,
            is_authority,
            initiate,
        };
        match session.path {
            Path::Relay => Vec::new(),
            // Of each pair the smaller id calls, so that the two never call each other at once.
            Path::Mesh => others()
                .map(|seat| peer(seat, self.authority == Some(seat.player()), reader < seat.player()))
                .collect(),
            Path::Host(host) | Path::DirectHost(host, _) if host == reader => {
                others().map(|seat| peer(seat, false, false)).collect()
            }
            Path::Host(host) | Path::DirectHost(host, _) => others()
                .filter(|seat| seat.player() == host)
                .map(|seat| peer(seat, true, true))
                .collect(),
        }
    }
}

impl PeerSession {
    fn includes(&self, seat: &Seat) -> bool {
        self.path.way().is_open_to(seat.abilities())
    }
}
