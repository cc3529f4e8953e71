//! A room as somebody is shown it who has just taken a seat in it.

use crate::protocol::server_message::RoomSnapshot;
use crate::protocol::{IceServer, LobbyState, PlayerId, Topology, Transport};
use crate::room::Room;
use crate::shard::world::counters::CounterSet;
use crate::shard::world::now::Now;
use crate::shard::world::settings::Settings;

impl Settings {
    /// A room as one of its members is shown it.
    pub(in crate::shard) fn snapshot<'a>(
        &'a self,
        room: &'a Room,
        player: PlayerId,
        lobby_state: LobbyState,
        now: Now,
        counters: &CounterSet,
    ) -> RoomSnapshot<'a> {
        let mut snapshot = room.snapshot(player, lobby_state, self.rooms.relay_type_of(room.game_name()));
        if !self.reconnection.is_enabled {
            snapshot.reconnection_token = None; // it would open nothing
        }
        snapshot.ice_servers = self.pregather(room, player, now, counters);
        snapshot
    }

    /// What a player is told with its seat, so that it can gather candidates while it waits for the start: nothing where
    /// the game will not use WebRTC, the player cannot, or the plan follows at once.
    fn pregather<'a>(&'a self, room: &Room, player: PlayerId, now: Now, counters: &CounterSet) -> Vec<IceServer<'a>> {
        let rules = &self.peer_sessions;
        let wanted = rules.of(room.game_name()).ceiling;
        let is_told = rules.pregathers_ice
            && rules.allows_webrtc
            && wanted != Topology::Relay
            && room.peer_session().is_none()
            && room
                .roster()
                .seat_of(player)
                .is_some_and(|seat| seat.abilities().can_use(Transport::WebRtc) && seat.abilities().can_join(wanted));
        if !is_told {
            return Vec::new();
        }
        let list = rules.ice.list_for(player, now, counters);
        counters.ice_pregather.add(u64::from(!list.is_empty()));
        list
    }
}
