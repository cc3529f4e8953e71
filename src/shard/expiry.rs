//! When rooms end: empty ones soon, occupied ones when nobody in them has shown life for long.

use super::connection::{Place, RoomRef};
use super::{Now, Shard};
use crate::protocol::server_message::SpectatorReason;
use crate::protocol::{CloseCode, ErrorCode, ServerMessage};
use crate::room::{Member, MemberRef, Watcher};

impl<L> Shard<L> {
    /// Looks over all rooms and deletes those whose time is over.
    pub(super) fn sweep_rooms(&mut self, now: Now) {
        let rules = &self.world.settings.rooms;
        let (empty_ms, inactive_ms) = (rules.empty_timeout_ms, rules.inactive_timeout_ms);
        let sweep_ms = rules.sweep_interval_ms;
        for room_ref in self.rooms.quiet(empty_ms.min(inactive_ms), now.mono_ms) {
            let Some(room) = self.rooms.get(room_ref) else { continue };
            // What outposts have heard is up to two of their sweeps old.
            let inactive_ms = match self.post.branches.heard_ms(room.id()) {
                Some(_) => inactive_ms + 2 * sweep_ms,
                None => inactive_ms,
            };
            let quiet_ms = now.mono_ms.saturating_sub(self.last_sign_of_life_ms(room_ref));
            if room.awaits_somebody() {
                continue; // somebody may still come back to it
            }
            if room.is_empty() {
                if quiet_ms >= empty_ms {
                    self.delete_room(room_ref);
                }
            } else if quiet_ms >= inactive_ms {
                self.evict_everybody(room_ref, now);
                self.delete_room(room_ref);
            }
        }
    }

    fn delete_room(&mut self, room_ref: RoomRef) {
        self.rooms.delete(room_ref);
        self.post.counters.rooms_deleted.add(1);
    }

    /// When something last happened in a room or came from anybody in it. Worked out here, so that a message costs the
    /// room nothing.
    fn last_sign_of_life_ms(&self, room_ref: RoomRef) -> u64 {
        let Some(room) = self.rooms.get(room_ref) else { return 0 };
        let heard = |member: &Member| {
            self.post
                .connections
                .get(member.link)
                .map_or(0, |known| known.last_inbound_ms)
        };
        let newest = room.audience().into_iter().flatten().map(heard).max().unwrap_or(0);
        let afar = self.post.branches.heard_ms(room.id()).unwrap_or(0);
        newest.max(room.last_activity_ms()).max(afar)
    }

    /// Players are closed; spectators stay connected and are told that the room is gone, those at outposts there.
    fn evict_everybody(&mut self, room_ref: RoomRef, now: Now) {
        let Some(room) = self.rooms.get(room_ref) else { return };
        let room_id = room.id();
        let [players, spectators] = room.audience().map(links);
        for at in spectators {
            if let Some(room) = self.rooms.get_mut(room_ref) {
                room.stop_watching(Watcher::Here(at), now.mono_ms);
            }
            self.count_member(false);
            if let Some(connection) = self.post.connections.get_mut(at) {
                connection.place = None;
            }
            let gone = ServerMessage::SpectatorLeft {
                room_id: Some(room_id),
                room_code: None,
                reason: SpectatorReason::RoomClosed,
                current_spectators: Vec::new(),
            };
            self.tell(at, &gone, now);
        }
        let counters = std::sync::Arc::clone(&self.post.counters);
        self.post
            .branches
            .close_room(room_id, &mut self.post.couriers, &counters, now.mono_ms);
        for at in players {
            debug_assert_eq!(
                self.post.connections.get(at).and_then(|known| known.place),
                Some(Place::Seated(room_ref))
            );
            let farewell = (
                "the room was closed because nothing happened in it",
                ErrorCode::RoomNotFound,
            );
            self.close(at, CloseCode::RoomInactive, Some(farewell), now);
        }
    }
}

fn links(members: &[Member]) -> Vec<MemberRef> {
    members.iter().map(|member| member.link).collect()
}
