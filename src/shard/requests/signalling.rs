//! WebRTC signalling between two members of a room, and what members say of their connections to their peers.
//!
//! Bodies are opaque and passed on byte for byte. Plans are not consulted: a client drops what belongs to an older one.

use serde_json::value::RawValue;

use crate::budget::Charge;
use crate::protocol::{
    ErrorCode, PlayerId, ProtocolVersion, Refusal, ServerMessage, Signal, Transport, TransportStatus,
};
use crate::room::{ConnectionKey, Member};
use crate::shard::Shard;
use crate::shard::refusal::no_seat;
use crate::shard::state::room_key::RoomKey;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Serves `Signal`: to one member of the sender's room, in the order in which it came.
    pub(in crate::shard) fn signal(&mut self, at: ConnectionKey, signal: &Signal<'_>, now: Now) {
        let (from, to) = match self.check_signal(at, signal) {
            Ok(ends) => ends,
            Err(refusal) => return self.refuse_signal(at, refusal, now),
        };
        if let Charge::Refused { retry_after_secs } = self.charge_signal(at, now) {
            self.post.counters.signals_limited.add(1);
            return self.refuse_signal(at, too_many(retry_after_secs), now);
        }
        let body: &RawValue = serde_json::from_str(signal.signal).expect("it was read as JSON a moment ago");
        let passed_on = ServerMessage::Signal {
            from,
            generation: signal.generation,
            signal: body,
        };
        self.post.counters.signals_relayed.add(1);
        self.tell(to, &passed_on, now);
    }

    /// From whom to whom a signal goes; or the first rule that it breaks, in the protocol's order.
    fn check_signal(&self, at: ConnectionKey, signal: &Signal<'_>) -> Result<(PlayerId, ConnectionKey), Refusal> {
        let refuse = |text, code| Err(Refusal::new(code, text));
        let (bytes, limit) = (signal.signal.len(), self.world.settings.messages.max_signal_bytes);
        if bytes > limit {
            let text = format!("the signal has {bytes} bytes and the limit is {limit}; send less at once");
            return Err(Refusal::new(ErrorCode::SignalTooLarge, text));
        }
        let Some((room_key, from)) = self.seat_of(at) else {
            return Err(no_seat());
        };
        if signal.to == from {
            return refuse("you cannot signal yourself", ErrorCode::SignalTargetNotFound);
        }
        let roster = self.rooms.get(room_key).map(crate::room::Room::roster);
        let Some((target, seat)) = roster.and_then(|roster| roster.member_of(signal.to)) else {
            return if self.world.presence.is_seated(signal.to) {
                refuse("that player is in another room", ErrorCode::CrossRoomSignal)
            } else {
                refuse("that player is in no room", ErrorCode::SignalTargetNotFound)
            };
        };
        let sender = self.post.connections.get(at).map(|known| known.session.abilities());
        if !sender.is_some_and(|abilities| abilities.can_use(Transport::WebRtc)) {
            return refuse(
                "signalling needs protocol version 3 and the webrtc transport; name both in Authenticate",
                ErrorCode::UnsupportedTransport,
            );
        }
        if !seat.abilities().can_use(Transport::WebRtc) {
            return refuse("that player cannot use WebRTC", ErrorCode::SignalTargetNotFound);
        }
        Ok((from, target.connection))
    }

    fn charge_signal(&mut self, at: ConnectionKey, now: Now) -> Charge {
        let budgets = &self.world.settings.budgets;
        self.post.connections.get_mut(at).map_or(Charge::Accepted, |known| {
            known.session.allowance.charge_signal(budgets, now.mono_ms)
        })
    }

    /// Refuses a signal; in detail as long as the sender's budget for that lasts.
    fn refuse_signal(&mut self, at: ConnectionKey, refusal: Refusal, now: Now) {
        let budgets = &self.world.settings.budgets;
        let Some(known) = self.post.connections.get_mut(at) else {
            return;
        };
        let why = match known.session.allowance.charge_signal_refusal(budgets, now.mono_ms) {
            Charge::Accepted => refusal,
            Charge::Refused { retry_after_secs } => {
                self.post.counters.signal_errors_limited.add(1);
                too_many(retry_after_secs)
            }
        };
        self.refuse(at, why, now);
    }

    /// Serves `TransportStatus`: told to the room, and of no other effect. By the protocol's rule there is never an answer.
    pub(in crate::shard) fn transport_status(&mut self, at: ConnectionKey, status: TransportStatus, now: Now) {
        let Some(known) = self.post.connections.get(at) else {
            return;
        };
        let session = &known.session;
        if session.dialect().version < ProtocolVersion::V3 || !session.abilities().can_use(status.transport) {
            return;
        }
        let seat = self.seat_of(at);
        let last = seat.and_then(|(room_key, _)| self.rooms.get(room_key)?.roster().seat(at)?.transport_status());
        if last == Some(status) {
            return;
        }
        if self.charge_signal(at, now) != Charge::Accepted {
            return self.post.counters.signals_limited.add(1);
        }
        let counters = &self.post.counters;
        match (status.transport, status.connected) {
            (Transport::Relay, true) | (Transport::WebRtc | Transport::Direct, false) => counters.relay_fallback.add(1),
            (Transport::WebRtc | Transport::Direct, true) => counters.p2p_established.add(1),
            (Transport::Relay, false) => {}
        }
        if let Some((room_key, player)) = seat {
            self.announce_transport_status(at, room_key, player, status, now);
        }
    }

    fn announce_transport_status(
        &mut self,
        at: ConnectionKey,
        room_key: RoomKey,
        player: PlayerId,
        status: TransportStatus,
        now: Now,
    ) {
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        room.note_transport_status(at, status);
        let readers: Vec<Member> = room
            .roster()
            .members()
            .iter()
            .copied()
            .filter(|member| member.connection != at && member.dialect.version >= ProtocolVersion::V3)
            .collect();
        if readers.is_empty() {
            return;
        }
        let message = ServerMessage::PeerTransportStatus {
            peer_id: player,
            status,
        };
        self.post
            .tell_all([&readers, &[]], None, &message, now.mono_ms, &self.world.settings);
        self.post.counters.status_fanout.add(1);
    }
}

fn too_many(retry_after_secs: u64) -> Refusal {
    let text = format!("too many signals; try again in {retry_after_secs} seconds");
    Refusal::new(ErrorCode::SignalRateLimited, text)
}
