//! Sending the plans of peer sessions: one to each seated member on version 3, whenever a room makes a new one.
//!
//! A plan is queued in the same event as what made it necessary, to all its receivers, before anybody can act on it: so
//! whoever gets a signal under a plan has got the plan. Spectators and version 2 are told nothing.

use crate::protocol::{PlanId, PlayerId, ProtocolVersion, ServerMessage, Topology, Transport};
use crate::room::{ConnectionKey, Room};
use crate::shard::Shard;
use crate::shard::state::room_key::RoomKey;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Plans the session of a game that has just started; everybody was told of the start.
    pub(in crate::shard) fn begin_peer_session(&mut self, room_key: RoomKey, now: Now) {
        let generation = self.draw_generation();
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        let rules = self.world.settings.peer_sessions.of(room.game_name());
        room.begin_peer_session(rules, generation);
        let counters = &self.post.counters;
        counters.session_plans.add(1);
        if let Some(session) = room.peer_session() {
            match session.topology() {
                Topology::Mesh => counters.mesh_selected.add(1),
                Topology::Host => counters.host_selected.add(1),
                Topology::Relay => counters.relay_selected.add(1),
            }
            match session.transport() {
                Transport::WebRtc => counters.webrtc_selected.add(1),
                Transport::Direct => counters.direct_selected.add(1),
                Transport::Relay => counters.relay_transport_selected.add(1),
            }
        }
        self.send_plans(room_key, now);
    }

    /// A seat was taken or taken back, and everybody was told: a started game goes on by a new plan.
    pub(in crate::shard) fn plan_with_newcomer(&mut self, room_key: RoomKey, now: Now) {
        if self.replan(room_key, Room::plan_anew, now) {
            self.post.counters.late_plans.add(1);
        }
    }

    /// A seat is free, and everybody was told: if its player hosted the session, somebody else must.
    pub(in crate::shard) fn plan_without(&mut self, player: PlayerId, room_key: RoomKey, now: Now) {
        if self.replan(room_key, |room, generation| room.replace_host(player, generation), now) {
            self.post.counters.session_replans.add(1);
        }
    }

    /// A member has said how it is reached: if it hosts the session, the others must know.
    pub(in crate::shard) fn plan_with_endpoint(&mut self, at: ConnectionKey, room_key: RoomKey, now: Now) {
        if self.replan(room_key, |room, generation| room.follow_endpoint(at, generation), now) {
            self.post.counters.session_replans.add(1);
        }
    }

    /// Sends a new plan if a change of a started game demands one; says whether it did.
    fn replan(&mut self, room_key: RoomKey, change: impl FnOnce(&mut Room, PlanId) -> bool, now: Now) -> bool {
        if self
            .rooms
            .get(room_key)
            .is_none_or(|room| room.peer_session().is_none())
        {
            return false;
        }
        let generation = self.draw_generation();
        let is_new = self
            .rooms
            .get_mut(room_key)
            .is_some_and(|room| change(room, generation));
        if is_new {
            self.send_plans(room_key, now);
        }
        is_new
    }

    /// Sends each member its copy of the newest plan.
    fn send_plans(&mut self, room_key: RoomKey, now: Now) {
        let credentials_before = self.post.counters.turn_credentials.get();
        let Some(room) = self.rooms.get(room_key) else { return };
        let settings = &self.world.settings;
        let readers = room
            .roster()
            .seated()
            .filter(|(member, _)| member.dialect.version >= ProtocolVersion::V3);
        for (member, seat) in readers {
            let Some(briefing) = room.briefing(seat) else { return };
            let mut plan = briefing.plan;
            if !briefing.takes_part {
                self.post.counters.mixed_path_members.add(1);
            } else if plan.transport == Transport::WebRtc {
                let ice = &settings.peer_sessions.ice;
                plan.ice_servers = ice.list_for(seat.player(), now, &self.post.counters);
            }
            self.post.tell(
                member.connection,
                &ServerMessage::SessionPlan(plan),
                now.mono_ms,
                settings,
            );
        }
        self.note_credentials(room_key, credentials_before);
    }

    /// Notes in a room's record how many TURN credentials were made for it since there were so many.
    pub(in crate::shard) fn note_credentials(&mut self, room_key: RoomKey, before: u64) {
        let made = self.post.counters.turn_credentials.get() - before;
        if let Some(room) = self.rooms.get_mut(room_key).filter(|_| made > 0) {
            room.record_mut().turn_credentials += made;
        }
    }
}
