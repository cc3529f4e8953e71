//! What happens in a room, told to everybody in it: now, at outposts, or when they come back.

use crate::protocol::{LobbyState, ServerMessage};
use crate::room::MissedEvent;
use crate::shard::Shard;
use crate::shard::state::room_event::RoomNews;
use crate::shard::state::room_key::RoomKey;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Where a room's lobby stands. Members are never told of the start this way: `GameStarting` does that.
    pub(in crate::shard) fn lobby_message(&self, room_key: RoomKey) -> ServerMessage<'static> {
        let (ready_players, all_ready) = self
            .rooms
            .get(room_key)
            .map_or((Vec::new(), false), |room| (room.ready_players(), room.all_ready()));
        ServerMessage::LobbyStateChanged {
            lobby_state: LobbyState::Lobby,
            ready_players,
            all_ready,
        }
    }

    /// Tells everybody who leads the room, and whether that is itself.
    pub(in crate::shard) fn announce_authority(&mut self, room_key: RoomKey, now: Now) {
        let Some(room) = self.rooms.get(room_key) else { return };
        let authority_player = room.authority();
        self.note_news(room_key, now, |_| RoomNews::AuthorityMoved { to: authority_player });
        if authority_player.is_some() {
            self.post.counters.authority_moves.add(1);
        }
        let Some(room) = self.rooms.get(room_key) else { return };
        let leader = authority_player.and_then(|player| room.roster().member_of(player));
        let leader = leader.map(|(member, _)| member.connection);
        let news = |you_are_authority| ServerMessage::AuthorityChanged {
            authority_player,
            you_are_authority,
        };
        let settings = &self.world.settings;
        self.post.tell_room(room, leader, &news(false), now.mono_ms, settings);
        if let Some(leader) = leader {
            self.post.tell(leader, &news(true), now.mono_ms, settings);
        }
        let event = room.missed(&news(false));
        self.keep_event(room_key, event);
    }

    /// Tells everybody in a room of an event of it, now or when they come back.
    pub(in crate::shard) fn announce(&mut self, room_key: RoomKey, message: &ServerMessage<'_>, now: Now) {
        if let Some(room) = self.rooms.get(room_key) {
            let settings = &self.world.settings;
            let event = self.post.announce(room, None, message, now.mono_ms, settings);
            self.keep_event(room_key, event);
        }
    }

    /// Keeps an event for those who are absent from a room.
    pub(in crate::shard) fn keep_event(&mut self, room_key: RoomKey, event: Option<MissedEvent>) {
        let limit = self.world.settings.reconnection.event_limit;
        if let (Some(event), Some(room)) = (event, self.rooms.get_mut(room_key)) {
            let evicted = room.keep_event(event, limit);
            self.post.counters.events_kept.add(1);
            self.post.counters.events_evicted.add(evicted);
        }
    }
}
