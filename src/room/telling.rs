//! The room as those are told of it who sit in it.

use super::{Room, Seat};
use crate::protocol::server_message::{PeerInfo, RoomSnapshot};
use crate::protocol::{LobbyState, PlayerId};

impl Room {
    /// The room as `player` sees it on joining. `lobby_state` is an argument because a creator is told `Waiting`.
    #[must_use]
    pub fn snapshot<'a>(&'a self, player: PlayerId, lobby_state: LobbyState, relay_type: &'a str) -> RoomSnapshot<'a> {
        RoomSnapshot {
            room_id: self.id,
            room_code: &self.code,
            player_id: player,
            game_name: &self.game_name,
            max_players: self.max_players,
            supports_authority: self.supports_authority,
            current_players: self.roster.seats().map(|seat| self.player_info(seat)).collect(),
            is_authority: self.authority == Some(player),
            lobby_state,
            ready_players: self.ready_players(),
            relay_type,
            current_spectators: self.gallery.infos(),
            reconnection_token: self.roster.seat_of(player).map(Seat::token),
            ice_servers: Vec::new(),
        }
    }

    /// Everybody, as the start of the game lists them.
    #[must_use]
    pub fn peers<'a>(&'a self, relay_type: &'a str) -> Vec<PeerInfo<'a>> {
        self.roster
            .seats()
            .map(|seat| seat.peer_info(self.authority == Some(seat.player()), relay_type))
            .collect()
    }
}
