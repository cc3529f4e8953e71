//! Readiness, the start of the game, authority, and how members can be reached directly.

use crate::protocol::{ConnectionInfo, Refusal, ServerMessage};
use crate::room::ConnectionKey;
use crate::shard::Shard;
use crate::shard::refusal::{no_seat, too_large};
use crate::shard::state::flight::Decision;
use crate::shard::state::room_event::RoomNews;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    pub(in crate::shard) fn player_ready(&mut self, at: ConnectionKey, now: Now) {
        let Some((room_key, _)) = self.require_seat(at, now) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        match room.toggle_ready(at, now.mono_ms) {
            Err(refusal) => self.refuse(at, refusal, now),
            Ok(()) => {
                let message = self.lobby_message(room_key);
                self.announce(room_key, &message, now);
            }
        }
    }

    pub(in crate::shard) fn start_game(&mut self, at: ConnectionKey, now: Now) {
        let Some((room_key, player)) = self.require_seat(at, now) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        if let Err(refusal) = room.start(player, now.mono_ms) {
            return self.refuse(at, refusal, now);
        }
        self.record(room_key, player, Decision::Started, now);
        self.note_news(room_key, now, |room| RoomNews::GameStarted {
            players: room.roster().len() as u16,
        });
        let room = self.rooms.get(room_key).expect("looked up above");
        let settings = &self.world.settings;
        let peers = room.peers(settings.rooms.relay_type_of(room.game_name()));
        let starting = ServerMessage::GameStarting { peers };
        self.post.tell_room(room, None, &starting, now.mono_ms, settings);
        self.begin_peer_session(room_key, now);
    }

    pub(in crate::shard) fn authority_request(&mut self, at: ConnectionKey, claim: bool, now: Now) {
        let Some((room_key, player)) = self.seat_of(at) else {
            return self.refuse_authority(at, &no_seat(), now);
        };
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        let decided = if claim {
            room.claim_authority(player, now.mono_ms)
        } else {
            room.release_authority(player, now.mono_ms)
        };
        match decided {
            Err(refusal) => self.refuse_authority(at, &refusal.into(), now),
            Ok(()) => {
                if !claim {
                    self.record(room_key, player, Decision::LeadsNoMore, now);
                }
                self.tell(at, &ServerMessage::AuthorityResponse { refusal: None }, now);
                self.announce_authority(room_key, now);
            }
        }
    }

    fn refuse_authority(&mut self, at: ConnectionKey, why: &Refusal, now: Now) {
        let refusal = Some(why);
        self.reply(at, &ServerMessage::AuthorityResponse { refusal }, now);
    }

    pub(in crate::shard) fn provide_connection_info(&mut self, at: ConnectionKey, info: ConnectionInfo, now: Now) {
        let limit = self.world.settings.messages.max_connection_info_bytes;
        let bytes = info.to_json().len();
        if bytes > limit {
            return self.refuse(at, too_large(bytes, limit), now);
        }
        let Some((room_key, _)) = self.require_seat(at, now) else {
            return;
        };
        if let Some(room) = self.rooms.get_mut(room_key) {
            room.set_connection_info(at, info);
        }
        self.plan_with_endpoint(at, room_key, now);
    }
}
