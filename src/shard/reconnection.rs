//! Seats of lost connections: kept for a while, given back once.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::connection::{Place, RoomRef};
use super::entry::Failure;
use super::transfer::ReturnErrand;
use super::{CounterSet, Errand, Now, Settings, Shard};
use crate::protocol::server_message::{Reconnected, Replay};
use crate::protocol::{CloseCode, ErrorCode, PlayerId, ProtocolVersion, Reconnect, ReconnectToken, ServerMessage};
use crate::room::{Claim, Member, MemberRef, MissedEvent, Return, Room, Telling};

/// What a `Reconnected` may have beyond what is worked out of it beforehand: an operation's id, some digits.
const SLACK_BYTES: usize = 160;

impl<L> Shard<L> {
    /// Serves `Reconnect`: the token leads to the room's home, or else the room's id does.
    pub(super) fn reconnect(&mut self, at: MemberRef, request: &Reconnect, now: Now) {
        let rules = &self.world.settings.reconnection;
        let Some(connection) = self.post.connections.get(at) else {
            return;
        };
        let refusal = if self.world.is_draining() {
            Some((
                "the server is about to stop; connect elsewhere",
                ErrorCode::ServerDraining,
            ))
        } else if !rules.is_enabled {
            let reason = "this server keeps no seats of lost connections; join again with the room code";
            Some((reason, ErrorCode::ReconnectionFailed))
        } else if self.world.presence.is_live(request.player_id) {
            Some(("that player is connected", ErrorCode::PlayerAlreadyConnected))
        } else if connection.place.is_some() {
            Some((
                "leave the room that you are in before you take an old seat",
                ErrorCode::ReconnectionFailed,
            ))
        } else {
            None
        };
        if let Some((reason, error_code)) = refusal {
            return self.reply(at, &ServerMessage::ReconnectionFailed { reason, error_code }, now);
        }
        let errand = ReturnErrand {
            player: request.player_id,
            room_id: request.room_id,
            token: request.auth_token.clone(),
            asks_rooms_home: false,
        };
        self.go(at, Errand::Return(errand), now);
    }

    /// Gives a player its seat back, in a room whose home is here.
    pub(super) fn give_back_seat(&mut self, at: MemberRef, errand: &ReturnErrand, now: Now) -> Result<(), Failure> {
        let gone = || {
            (
                "nothing is kept of that player; join again".to_owned(),
                ErrorCode::ReconnectionFailed,
            )
        };
        let Some(room_ref) = self.rooms.home_of_absent(errand.player) else {
            // A token that is wrong leads anywhere; whether it is, only the room's home can say.
            let next = errand.to_rooms_home().ok_or_else(gone)?;
            self.go(at, Errand::Return(next), now);
            return Ok(());
        };
        let world = Arc::clone(&self.world);
        let next_token = self.draw_token(room_ref).ok_or_else(gone)?;
        let connection = self
            .post
            .connections
            .get_mut(at)
            .expect("the connection is being served");
        let room = self.rooms.get_mut(room_ref).ok_or_else(gone)?;
        let session = &mut connection.session;
        let terms = self.access.terms(session.app());
        let claim = Claim {
            player: errand.player,
            token: &errand.token,
            room_id: errand.room_id,
            member: Member {
                link: at,
                dialect: session.dialect(),
            },
            next_token,
            abilities: session.abilities(),
            app: session.app(),
            app_seat_limit: terms.and_then(|terms| terms.max_players_per_room),
        };
        let version = session.dialect().version;
        let fits = |room: &Room| world.settings.can_tell_return(room, errand.player, version, now);
        let back = room
            .redeem(claim, fits, now.mono_ms)
            .map_err(|refusal| (refusal.to_string(), refusal.code()))?;
        let Return {
            allowance,
            epoch,
            regains_authority,
            missed,
            is_truncated,
        } = back;
        self.rooms.forget_absent(errand.player);
        world.presence.depart(session.player());
        world.presence.arrive(errand.player);
        world.presence.sit(errand.player);
        session.become_player(errand.player, allowance, epoch);
        connection.place = Some(Place::Seated(room_ref));
        self.count_member(true);
        self.post.counters.reconnections.add(1);
        self.welcome_back(at, room_ref, &missed, is_truncated, now);
        if regains_authority {
            self.announce_authority(room_ref, now);
        }
        self.plan_with_newcomer(room_ref, now);
        Ok(())
    }

    fn welcome_back(&mut self, at: MemberRef, room_ref: RoomRef, missed: &[MissedEvent], is_truncated: bool, now: Now) {
        let world = Arc::clone(&self.world);
        let settings = &world.settings;
        let Some(version) = self
            .post
            .connections
            .get(at)
            .map(|connection| connection.session.dialect().version)
        else {
            return;
        };
        let Some(room) = self.rooms.get(room_ref) else { return };
        let Some(seat) = room.roster().seat(at) else { return };
        let texts = texts(missed, version, room.authority(), seat.player());
        let snapshot = settings.snapshot(room, seat.player(), room.lobby_state(), now, &self.post.counters);
        let mut reconnected = Reconnected {
            room: snapshot,
            missed_events: Vec::new(),
            replay: match settings.reconnection.event_limit {
                0 => Replay::Unavailable,
                _ if is_truncated => Replay::Truncated,
                _ => Replay::Complete,
            },
        };
        // The newest that fit; the snapshot itself always goes first.
        let mut snapshot_json = Vec::new();
        ServerMessage::Reconnected(reconnected.clone()).write_json(version, &mut snapshot_json);
        let told_bytes = snapshot_json.len() + SLACK_BYTES;
        let mut room_left = settings.messages.max_outbound_bytes.saturating_sub(told_bytes);
        let kept = texts
            .iter()
            .rev()
            .take_while(|text| {
                let bytes = text.get().len() + 1;
                let fits = bytes <= room_left;
                room_left = room_left.saturating_sub(bytes);
                fits
            })
            .count();
        if kept < texts.len() {
            reconnected.replay = Replay::Truncated;
        }
        reconnected.missed_events = texts[texts.len() - kept..].iter().map(|text| &**text).collect();
        self.post
            .answer(at, &ServerMessage::Reconnected(reconnected), now.mono_ms, settings);
        let returned = ServerMessage::PlayerReconnected {
            player: room.player_info(seat),
        };
        let event = self
            .post
            .announce(room, Some(at), Some(seat.player()), &returned, now.mono_ms, settings);
        self.keep_event(room_ref, event);
    }

    /// Keeps an event for those who are absent from a room.
    pub(super) fn keep_event(&mut self, room_ref: RoomRef, event: Option<MissedEvent>) {
        let limit = self.world.settings.reconnection.event_limit;
        if let (Some(event), Some(room)) = (event, self.rooms.get_mut(room_ref)) {
            room.keep_event(event, limit);
        }
    }

    /// A token that leads to a room.
    pub(super) fn draw_token(&mut self, room_ref: RoomRef) -> Option<ReconnectToken> {
        let slot = self.rooms.get(room_ref)?.id().slot();
        Some(ReconnectToken::in_slot(slot, self.random_bytes()))
    }

    /// Whether the seat of a connection that ends with this code is kept for its player.
    pub(super) fn keeps_seat(&self, code: Option<CloseCode>) -> bool {
        self.world.settings.reconnection.is_enabled
            && !self.world.is_draining()
            && !matches!(code, Some(CloseCode::RoomInactive | CloseCode::Kicked))
    }

    /// Forgets the players who stayed away from a room for too long.
    pub(super) fn forget_expired_absences(&mut self, room_ref: RoomRef, now: Now) {
        let forgotten = self
            .rooms
            .get_mut(room_ref)
            .map(|room| room.forget_expired(now.mono_ms));
        for player in forgotten.into_iter().flatten() {
            self.rooms.forget_absent(player);
        }
    }
}

impl Settings {
    /// Whether the room can be told, without what was missed, to a player who comes back to it.
    fn can_tell_return(&self, room: &Room, player: PlayerId, version: ProtocolVersion, now: Now) -> bool {
        let relay_type = self.rooms.relay_type_of(room.game_name());
        let has_started = room.peer_session().is_some();
        room.snapshot_for_return(player, relay_type).is_some_and(|mut room| {
            if self.peer_sessions.pregathers_ice && !has_started {
                // As if the player could use them; nothing is told yet, so nothing is counted.
                room.ice_servers = self.peer_sessions.ice.list_for(player, now, &CounterSet::default());
            }
            let back = ServerMessage::Reconnected(Reconnected {
                room,
                missed_events: Vec::new(),
                replay: Replay::Unavailable,
            });
            let mut json = Vec::new();
            back.write_json(version, &mut json);
            json.len() + SLACK_BYTES <= self.messages.max_outbound_bytes
        })
    }
}

/// The missed events as a reader of `version` is told them. A change of the authority that no longer holds is left out.
fn texts(
    missed: &[MissedEvent],
    version: ProtocolVersion,
    authority: Option<PlayerId>,
    reader: PlayerId,
) -> Vec<Box<RawValue>> {
    let text = |event: &MissedEvent| match &event.telling {
        Telling::Verbatim { .. } => event.telling.verbatim(version).map(str::to_owned),
        Telling::Authority(told) if *told == authority => {
            let you_are_authority = authority == Some(reader);
            let mut json = Vec::new();
            ServerMessage::AuthorityChanged {
                authority_player: authority,
                you_are_authority,
            }
            .write_json(version, &mut json);
            String::from_utf8(json).ok()
        }
        Telling::Authority(_) => None,
    };
    missed
        .iter()
        .filter_map(text)
        .filter_map(|text| RawValue::from_string(text).ok())
        .collect()
}
