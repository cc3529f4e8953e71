//! Seats of lost connections: kept for a while, given back once.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::protocol::server_message::{Reconnected, Replay};
use crate::protocol::{ErrorCode, PlayerId, ProtocolVersion, Refusal, ServerMessage};
use crate::room::{Claim, ConnectionKey, Member, MissedEvent, Return, Room};
use crate::shard::Shard;
use crate::shard::state::gallery_news::SMALL_GALLERY;
use crate::shard::state::room_event::RoomNews;
use crate::shard::state::room_key::RoomKey;
use crate::shard::state::standing::Place;
use crate::shard::state::transfer::{PendingRequest, PendingReturn};
use crate::shard::world::counters::CounterSet;
use crate::shard::world::now::Now;
use crate::shard::world::settings::Settings;

/// What a `Reconnected` may have beyond what is worked out of it beforehand: an operation's id, some digits.
const SLACK_BYTES: usize = 160;

impl<L> Shard<L> {
    /// Gives a player its seat back, in a room whose home is here. If it is not, that is to be asked at another home.
    pub(in crate::shard) fn give_back_seat(
        &mut self,
        at: ConnectionKey,
        pending: &PendingReturn,
        now: Now,
    ) -> Result<Option<PendingRequest>, Refusal> {
        let gone = || {
            let text = "nothing is kept of that player; join again";
            Refusal::new(ErrorCode::ReconnectionFailed, text)
        };
        let Some(room_key) = self.rooms.with_record_of(pending.player, pending.slot()) else {
            // A token that is wrong leads anywhere; whether it is, only the room's home can say.
            return pending
                .to_rooms_home()
                .map(|next| Some(PendingRequest::Return(next)))
                .ok_or_else(gone);
        };
        let world = Arc::clone(&self.world);
        let next_token = self.draw_token(room_key).ok_or_else(gone)?;
        let connection = self
            .post
            .connections
            .get_mut(at)
            .expect("the connection is being served");
        let room = self.rooms.get_mut(room_key).ok_or_else(gone)?;
        let session = &connection.session;
        let terms = self.access.terms(session.app());
        let claim = Claim {
            player: pending.player,
            token: &pending.token,
            certificate: session.demanded_certificate(),
            room_id: pending.room_id,
            member: Member {
                connection: at,
                dialect: session.dialect(),
            },
            next_token,
            abilities: session.abilities(),
            app: session.app(),
            app_seat_limit: terms.and_then(|terms| terms.max_players_per_room),
        };
        let (version, waiting_bytes) = (session.dialect().version, connection.outbox.unsent_bytes());
        let fits = |room: &Room| {
            let answer_bytes = world.settings.bytes_of_return(room, pending.player, version, now);
            answer_bytes.is_some_and(|bytes| bytes <= world.settings.largest_answer_bytes(waiting_bytes))
        };
        let back = room.redeem(claim, fits, now.mono_ms)?;
        let Return {
            allowance,
            epoch,
            regains_authority,
            missed,
            is_truncated,
        } = back;
        connection.become_player(pending.player, allowance, epoch, &self.census);
        connection.occupy(Place::Seated(room_key), &mut self.census);
        self.find_app_meter(at);
        self.note_place(at, "came back to a seat");
        self.note_news(room_key, now, |_| RoomNews::Returned { player: pending.player });
        self.post.counters.reconnections.add(1);
        self.post.counters.players_joined.add(1);
        let credentials_before = self.post.counters.turn_credentials.get();
        self.welcome_back(at, room_key, &missed, is_truncated, now);
        self.note_credentials(room_key, credentials_before);
        self.note_gallery_seen(room_key, at);
        if regains_authority {
            self.announce_authority(room_key, now);
        }
        self.plan_with_newcomer(room_key, now);
        Ok(None)
    }

    fn welcome_back(
        &mut self,
        at: ConnectionKey,
        room_key: RoomKey,
        missed: &[MissedEvent],
        is_truncated: bool,
        now: Now,
    ) {
        let world = Arc::clone(&self.world);
        let settings = &world.settings;
        let Some(connection) = self.post.connections.get(at) else {
            return;
        };
        let (version, waiting_bytes) = (connection.session.dialect().version, connection.outbox.unsent_bytes());
        let Some(room) = self.rooms.get(room_key) else { return };
        let Some(seat) = room.roster().seat(at) else { return };
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
        // The snapshot itself always goes first.
        let mut snapshot_json = Vec::new();
        ServerMessage::Reconnected(reconnected.clone()).write_json(version, &mut snapshot_json);
        let told_bytes = snapshot_json.len() + SLACK_BYTES;
        let room_left = settings.replay_bytes(told_bytes, waiting_bytes);
        let (texts, is_all) = texts(missed, room, seat.player(), version, room_left);
        if !is_all {
            reconnected.replay = Replay::Truncated;
        }
        reconnected.missed_events = texts.iter().map(|text| &**text).collect();
        self.post
            .answer(at, &ServerMessage::Reconnected(reconnected), now.mono_ms, settings);
        let returned = ServerMessage::PlayerReconnected {
            player: room.player_info(seat),
        };
        let event = self.post.announce(room, Some(at), &returned, now.mono_ms, settings);
        self.keep_event(room_key, event);
    }
}

impl Settings {
    /// How long the answer to a player who comes back is without what was missed; `None` if it cannot.
    fn bytes_of_return(&self, room: &Room, player: PlayerId, version: ProtocolVersion, now: Now) -> Option<usize> {
        let has_started = room.peer_session().is_some();
        let mut room = room.snapshot_for_return(player, self.rooms.relay_type_of(room.game_name()))?;
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
        Some(json.len() + SLACK_BYTES)
    }

    /// The longest answer that a connection can take for which so much waits. An empty outbox takes any single frame.
    fn largest_answer_bytes(&self, waiting_bytes: usize) -> usize {
        let outbox_bytes = match waiting_bytes {
            0 => usize::MAX,
            _ => self.outbox.max_bytes.saturating_sub(waiting_bytes),
        };
        self.messages.max_outbound_bytes.min(outbox_bytes)
    }

    /// How much of what was missed may be told with an answer of so many bytes. Half of what is left of the outbox stays
    /// free: what happens next goes in behind it.
    fn replay_bytes(&self, told_bytes: usize, waiting_bytes: usize) -> usize {
        let outbox_bytes = self.outbox.max_bytes.saturating_sub(told_bytes + waiting_bytes) / 2;
        self.messages
            .max_outbound_bytes
            .saturating_sub(told_bytes)
            .min(outbox_bytes)
    }
}

/// What was missed, as a reader of `version` is told it, oldest first: the newest that fit into so many bytes, and whether
/// these are all. Version 2 reads the whole gallery with each change of it: of a large one only the newest change is told.
fn texts(
    missed: &[MissedEvent],
    room: &Room,
    reader: PlayerId,
    version: ProtocolVersion,
    mut room_left: usize,
) -> (Vec<Box<RawValue>>, bool) {
    let reads_galleries = version < ProtocolVersion::V3;
    let is_large = room.gallery().len() > SMALL_GALLERY;
    let mut has_read_gallery = false;
    let mut texts = Vec::new();
    let mut is_all = true;
    for event in missed.iter().rev() {
        let mut everybody = Vec::new();
        if reads_galleries && event.is_of_gallery() {
            if is_large && std::mem::replace(&mut has_read_gallery, true) {
                continue;
            }
            everybody = room.gallery().infos();
        }
        let Some(message) = event.message(reader, room.authority(), everybody) else {
            continue; // no longer true
        };
        let mut json = Vec::new();
        message.write_json(version, &mut json);
        if json.len() >= room_left {
            is_all = false;
            break;
        }
        room_left -= json.len() + 1;
        let text = String::from_utf8(json).expect("JSON is UTF-8");
        texts.push(RawValue::from_string(text).expect("JSON as it was written"));
    }
    texts.reverse();
    (texts, is_all)
}
