//! Readiness, the start of the game, authority, and how members can be reached directly.

use crate::protocol::{ConnectionInfo, ErrorCode, LobbyState, PlayerId, ServerMessage};
use crate::room::MemberRef;
use crate::shard::state::connection::{Place, RoomRef};
use crate::shard::{Now, Shard};

const NO_SEAT: &str = "you are not in a room; join one first";

impl<L> Shard<L> {
    /// Where a connection sits, and under which id.
    pub(in crate::shard) fn seat_of(&self, at: MemberRef) -> Option<(RoomRef, PlayerId)> {
        let connection = self.post.connections.get(at)?;
        match connection.place? {
            Place::Seated(room_ref) => Some((room_ref, connection.session.player())),
            Place::Watching(_) | Place::Posted(_) => None,
        }
    }

    /// Where a connection sits; one without a seat is refused.
    pub(in crate::shard) fn require_seat(&mut self, at: MemberRef, now: Now) -> Option<(RoomRef, PlayerId)> {
        let seat = self.seat_of(at);
        if seat.is_none() {
            self.refuse(at, NO_SEAT, ErrorCode::NotInRoom, now);
        }
        seat
    }

    pub(in crate::shard) fn player_ready(&mut self, at: MemberRef, now: Now) {
        let Some((room_ref, _)) = self.require_seat(at, now) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(room_ref) else {
            return;
        };
        match room.toggle_ready(at, now.mono_ms) {
            Err(refusal) => self.refuse(at, &refusal.to_string(), refusal.code(), now),
            Ok(()) => {
                let message = self.lobby_message(room_ref);
                self.announce(room_ref, &message, now);
            }
        }
    }

    pub(in crate::shard) fn start_game(&mut self, at: MemberRef, now: Now) {
        let Some((room_ref, player)) = self.require_seat(at, now) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(room_ref) else {
            return;
        };
        if let Err(refusal) = room.start(player, now.mono_ms) {
            return self.refuse(at, &refusal.to_string(), refusal.code(), now);
        }
        let room = self.rooms.get(room_ref).expect("looked up above");
        let settings = &self.world.settings;
        let peers = room.peers(settings.rooms.relay_type_of(room.game_name()));
        let starting = ServerMessage::GameStarting { peers };
        self.post.tell_room(room, None, &starting, now.mono_ms, settings);
        self.begin_peer_session(room_ref, now);
    }

    pub(in crate::shard) fn authority_request(&mut self, at: MemberRef, claim: bool, now: Now) {
        let Some((room_ref, player)) = self.seat_of(at) else {
            let refusal = Some((NO_SEAT, ErrorCode::NotInRoom));
            return self.reply(at, &ServerMessage::AuthorityResponse { refusal }, now);
        };
        let Some(room) = self.rooms.get_mut(room_ref) else {
            return;
        };
        let decided = if claim {
            room.claim_authority(player, now.mono_ms)
        } else {
            room.release_authority(player, now.mono_ms)
        };
        match decided {
            Err(refusal) => {
                let reason = refusal.to_string();
                let refusal = Some((reason.as_str(), refusal.code()));
                self.reply(at, &ServerMessage::AuthorityResponse { refusal }, now);
            }
            Ok(()) => {
                self.tell(at, &ServerMessage::AuthorityResponse { refusal: None }, now);
                self.announce_authority(room_ref, now);
            }
        }
    }

    pub(in crate::shard) fn provide_connection_info(&mut self, at: MemberRef, info: ConnectionInfo, now: Now) {
        let limit = self.world.settings.messages.max_connection_info_bytes;
        let bytes = info.to_json().len();
        if bytes > limit {
            return self.refuse_too_large(at, bytes, limit, now);
        }
        let Some((room_ref, _)) = self.require_seat(at, now) else {
            return;
        };
        if let Some(room) = self.rooms.get_mut(room_ref) {
            room.set_connection_info(at, info);
        }
        self.plan_with_endpoint(at, room_ref, now);
    }

    /// Where a room's lobby stands. Members are never told of the start this way: `GameStarting` does that.
    pub(in crate::shard) fn lobby_message(&self, room_ref: RoomRef) -> ServerMessage<'static> {
        let (ready_players, all_ready) = self
            .rooms
            .get(room_ref)
            .map_or((Vec::new(), false), |room| (room.ready_players(), room.all_ready()));
        ServerMessage::LobbyStateChanged {
            lobby_state: LobbyState::Lobby,
            ready_players,
            all_ready,
        }
    }

    /// Tells everybody who leads the room, and whether that is itself.
    pub(in crate::shard) fn announce_authority(&mut self, room_ref: RoomRef, now: Now) {
        let Some(room) = self.rooms.get(room_ref) else { return };
        let authority_player = room.authority();
        let leader = authority_player.and_then(|player| room.roster().member_of(player));
        let leader = leader.map(|(member, _)| member.link);
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
        self.keep_event(room_ref, event);
    }

    /// Tells everybody in a room of an event of it, now or when they come back.
    pub(in crate::shard) fn announce(&mut self, room_ref: RoomRef, message: &ServerMessage<'_>, now: Now) {
        if let Some(room) = self.rooms.get(room_ref) {
            let settings = &self.world.settings;
            let event = self.post.announce(room, None, message, now.mono_ms, settings);
            self.keep_event(room_ref, event);
        }
    }
}
