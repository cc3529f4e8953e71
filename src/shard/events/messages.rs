//! A message from a client, on its way to the handler of its subject.

use crate::protocol::game_data::Content;
use crate::protocol::{
    ClientMessage, CloseCode, ErrorCode, GameData, GameDataFormat, Refusal, ServerMessage, explain, parse,
};
use crate::room::ConnectionKey;
use crate::session::Stage;
use crate::shard::Shard;
use crate::shard::events::turn::Flow;
use crate::shard::refusal::too_large;
use crate::shard::state::connection::Connection;
use crate::shard::world::counters::CounterSet;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Serves a text message.
    pub fn on_text(&mut self, at: ConnectionKey, text: &str, now: Now) -> Flow {
        let was_data = self.event(now, |shard| shard.serve_text(at, text, now));
        if was_data { self.flow_of_data() } else { self.flow(at) }
    }

    /// Serves a binary message: game data in the sender's negotiated encoding.
    pub fn on_binary(&mut self, at: ConnectionKey, frame: &[u8], now: Now) -> Flow {
        self.event(now, |shard| shard.serve_binary(at, frame, now));
        self.flow_of_data()
    }

    /// Serves a text message; says whether it was game data, which sends nobody away.
    #[inline]
    fn serve_text(&mut self, at: ConnectionKey, text: &str, now: Now) -> bool {
        let Some(connection) = self.post.connections.get_mut(at) else {
            return false;
        };
        self.rooms.last_decisions().serve(connection.home());
        connection.last_activity_ms = now.mono_ms;
        let is_fresh = connection.session.stage() == Stage::Fresh;
        match connection.hear(&self.post.counters, now) {
            Reception::Served => {}
            Reception::Proven if self.proves_text(at, text, now) => {}
            Reception::Ignored | Reception::Proven => return false,
        }
        let limit = self.world.settings.messages.max_inbound_bytes;
        if text.len() > limit {
            self.refuse(at, too_large(text.len(), limit), now);
            return false;
        }
        match parse(text) {
            Ok(ClientMessage::Authenticate(request)) => self.authenticate(at, &request, now),
            Ok(_) if is_fresh && !self.goes_ahead(at, now) => {}
            Ok(ClientMessage::GameData(GameData { payload, class, key })) => {
                self.relay(at, Content::Json { payload, class, key }, now);
                return true;
            }
            Ok(message) => self.serve_in_turn(at, message, now),
            Err(_) => self.refuse(at, Refusal::new(ErrorCode::InvalidInput, explain(text)), now),
        }
        false
    }

    #[inline]
    fn serve_binary(&mut self, at: ConnectionKey, frame: &[u8], now: Now) {
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        self.rooms.last_decisions().serve(connection.home());
        let format = connection.session.dialect().format;
        let is_fresh = connection.session.stage() == Stage::Fresh;
        let payload = match connection.hear(&self.post.counters, now) {
            Reception::Served => frame,
            Reception::Proven => match self.proven_payload(at, frame, now) {
                Some(payload) => payload,
                None => return,
            },
            Reception::Ignored => return,
        };
        if is_fresh && !self.goes_ahead(at, now) {
            return;
        }
        let limit = self.world.settings.messages.max_inbound_bytes;
        let counts = if format == GameDataFormat::Json {
            let advice = "binary messages need a binary game_data_format; negotiate one in Authenticate";
            self.refuse_input(at, advice, now);
            true
        } else if payload.len() > limit {
            self.refuse(at, too_large(payload.len(), limit), now);
            false
        } else {
            self.relay(at, Content::Binary { format, payload }, now)
        };
        if counts && let Some(connection) = self.post.connections.get_mut(at) {
            connection.last_activity_ms = now.mono_ms;
        }
    }

    /// Notes that a control frame arrived: a sign of life.
    pub fn on_control_frame(&mut self, at: ConnectionKey, now: Now) {
        if let Some(connection) = self.post.connections.get_mut(at) {
            connection.last_activity_ms = now.mono_ms;
            connection.hear(&self.post.counters, now);
        }
    }

    /// Notes that a pong arrived: a sign of life, and perhaps the answer to a ping of ours.
    pub fn on_pong(&mut self, at: ConnectionKey, payload: &[u8], now: Now) {
        if let Some(connection) = self.post.connections.get_mut(at)
            && let Some(ping) = connection.ping.take_if(|ping| ping.payload == payload)
            && connection.probe.take().is_some()
        {
            self.timings.ping.record(now.mono_us.saturating_sub(ping.sent_at_us), 1);
        }
        self.on_control_frame(at, now);
    }

    /// Whether a client may go ahead without a handshake, which it has not made. Where it must, the connection ends.
    #[cold]
    fn goes_ahead(&mut self, at: ConnectionKey, now: Now) -> bool {
        if self.access.requires_handshake() {
            let text = "send Authenticate first: this server asks who connects";
            let why = Refusal::new(ErrorCode::MissingAppId, text);
            self.close(at, CloseCode::Unregistered, Some(why), now);
            return false;
        }
        if let Some(connection) = self.post.connections.get_mut(at) {
            connection.session.skip_handshake();
        }
        self.tell_of_drain(at, now);
        true
    }

    /// Serves a request. What it makes the room say counts against the room's share, as game data does: readiness alone,
    /// toggled by one, is told to everybody.
    fn serve_in_turn(&mut self, at: ConnectionKey, message: ClientMessage<'_>, now: Now) {
        let room_before = self.room_of(at);
        let bytes_before = self.post.outgoing.queued_bytes();
        self.serve(at, message, now);
        let bytes = self.post.outgoing.queued_bytes() - bytes_before;
        if bytes > 0
            && let Some(room_key) = room_before.or_else(|| self.room_of(at))
        {
            self.rooms.charge_turn(room_key, &mut self.turn, bytes as usize);
        }
    }

    fn serve(&mut self, at: ConnectionKey, message: ClientMessage<'_>, now: Now) {
        match message {
            ClientMessage::GameData(_) | ClientMessage::Authenticate(_) => unreachable!("served by the caller"),
            ClientMessage::JoinRoom(request) => self.join_room(at, request, now),
            ClientMessage::LeaveRoom => self.leave_room(at, now),
            ClientMessage::PlayerReady => self.player_ready(at, now),
            ClientMessage::StartGame => self.start_game(at, now),
            ClientMessage::AuthorityRequest { become_authority } => self.authority_request(at, become_authority, now),
            ClientMessage::ProvideConnectionInfo(info) => self.provide_connection_info(at, info, now),
            ClientMessage::Ping => self.reply(at, &ServerMessage::Pong, now),
            ClientMessage::Reconnect(request) => self.reconnect(at, &request, now),
            ClientMessage::JoinAsSpectator(request) => self.join_as_spectator(at, &request, now),
            ClientMessage::LeaveSpectator => self.leave_spectator(at, now),
            ClientMessage::Signal(signal) => self.signal(at, &signal, now),
            ClientMessage::TransportStatus(status) => self.transport_status(at, status, now),
            ClientMessage::RoomOperation(operation) => self.room_operation(at, operation, now),
        }
    }
}

/// What becomes of a message that has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reception {
    /// It is served.
    Served,
    /// It is served if it proves where it comes from.
    Proven,
    /// The connection is over, or about to move.
    Ignored,
}

impl<L> Connection<L> {
    /// Notes a sign of life; says whether messages of this connection are served.
    fn hear(&mut self, counters: &CounterSet, now: Now) -> Reception {
        self.last_inbound_ms = now.mono_ms;
        // Not told by comparing times: over loopback the answer comes within the millisecond of the question.
        if self.probe.take().is_some() {
            counters.pings_cancelled.add(1);
        }
        self.has_spoken = true;
        match (self.is_open(), self.session.is_bound()) {
            (false, _) => Reception::Ignored,
            (true, false) => Reception::Served,
            (true, true) => Reception::Proven,
        }
    }
}
