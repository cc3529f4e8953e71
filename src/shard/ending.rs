//! How a room ends: everybody leaves it, its name is free again, and what has happened in it is kept.

use std::sync::Arc;

use super::Shard;
use crate::protocol::server_message::SpectatorReason;
use crate::protocol::{CloseCode, ErrorCode, Refusal, ServerMessage};
use crate::room::{ConnectionKey, Member, Watcher};
use crate::shard::state::connection::Connection;
use crate::shard::state::room_event::RoomNews;
use crate::shard::state::room_key::RoomKey;
use crate::shard::state::sessions::SessionEnd;
use crate::shard::state::standing::Place;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Deletes a room; whoever is in it hears why.
    pub(super) fn end_room(&mut self, room_key: RoomKey, end: SessionEnd, now: Now) {
        self.evict_everybody(room_key, end, now);
        self.note_news(room_key, now, |room| RoomNews::Closed {
            why: end,
            lasted_ms: now.wall.unix_ms().saturating_sub(room.record().created_at.unix_ms()),
            peak_players: room.record().peak_players,
        });
        if let Some(room) = self.rooms.delete(room_key) {
            self.complete_session(&room, end, now);
        }
        self.post.counters.rooms_deleted.add(1);
    }

    /// Players are closed; spectators stay connected and are told that the room is gone, those at outposts there.
    fn evict_everybody(&mut self, room_key: RoomKey, end: SessionEnd, now: Now) {
        let Some(room) = self.rooms.get(room_key) else { return };
        let room_id = room.id();
        let [players, spectators] = room.audience().map(links);
        for at in spectators {
            if let Some(room) = self.rooms.get_mut(room_key) {
                room.stop_watching(Watcher::Here(at), now.mono_ms);
            }
            self.release(at);
            let gone = ServerMessage::SpectatorLeft {
                room_id: Some(room_id),
                room_code: None,
                reason: SpectatorReason::RoomClosed,
                current_spectators: Vec::new(),
            };
            self.tell(at, &gone, now);
        }
        let counters = Arc::clone(&self.post.counters);
        self.post
            .registry
            .close_room(room_id, &mut self.post.send_queues, &counters, now.mono_ms);
        let text = match end {
            SessionEnd::Empty | SessionEnd::Expired => "the room was closed because nothing happened in it",
            SessionEnd::Closed => "the server's operator closed the room",
        };
        for at in players {
            debug_assert_eq!(
                self.post.connections.get(at).and_then(Connection::place),
                Some(Place::Seated(room_key))
            );
            let why = Refusal::new(ErrorCode::RoomNotFound, text);
            self.close(at, CloseCode::RoomInactive, Some(why), now);
        }
    }
}

fn links(members: &[Member]) -> Vec<ConnectionKey> {
    members.iter().map(|member| member.connection).collect()
}
