//! What the server's operator does to a room, whoever leads it.

use crate::protocol::server_message::SpectatorReason;
use crate::protocol::{CloseCode, ErrorCode, PlayerId, Refusal, RoomId};
use crate::room::Removed;
use crate::shard::Shard;
use crate::shard::state::room_event::{Remover, RoomNews};
use crate::shard::state::sessions::SessionEnd;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Removes a player or spectator from a room, as its authority may: it may join again at once. `false`: the room is not here,
    /// or nobody who is in it or may come back to it has that id.
    pub fn expel(&mut self, room: RoomId, player: PlayerId, now: Now) -> bool {
        self.event(now, |shard| {
            let Some(room_key) = shard.rooms.with_id(room) else {
                return false;
            };
            let removed = shard.rooms.get_mut(room_key);
            let removed = removed.and_then(|room| room.expel(player, now.mono_ms));
            if removed.is_some() {
                let by = Remover::Operator;
                shard.note_news(room_key, now, |_| RoomNews::Removed { player, by });
            }
            match removed {
                None => return false,
                Some(Removed::Seated(at)) => {
                    let why = Refusal::new(ErrorCode::Kicked, "the server's operator removed you");
                    shard.close(at, CloseCode::Kicked, Some(why), now);
                }
                Some(Removed::Watching(watcher)) => {
                    shard.end_watching(room_key, watcher, SpectatorReason::Removed, None, now);
                }
                Some(Removed::Absent) => {}
            }
            shard.post.counters.expulsions.add(1);
            true
        })
    }

    /// Closes a room: its players are closed, its spectators told. `false`: it is not here.
    pub fn close_room(&mut self, room: RoomId, now: Now) -> bool {
        self.event(now, |shard| {
            let Some(room_key) = shard.rooms.with_id(room) else {
                return false;
            };
            shard.end_room(room_key, SessionEnd::Closed, now);
            shard.post.counters.rooms_closed.add(1);
            true
        })
    }
}
