//! Refusals, against the budget that each connection has for them.
//!
//! Whoever is refused too often is closed, so everything here stands above closing.

use super::Shard;
use crate::protocol::{CloseCode, ErrorCode, PlayerId, Refusal, ServerMessage};
use crate::room::ConnectionKey;
use crate::shard::refusal::no_seat;
use crate::shard::state::room_key::RoomKey;
use crate::shard::world::now::Now;
use crate::shard::world::refusals::RefusalReason;

impl<L> Shard<L> {
    /// Refuses a request with an `Error`.
    pub(super) fn refuse(&mut self, at: ConnectionKey, why: impl Into<Refusal>, now: Now) {
        self.reply(at, &why.into().to_error(), now);
    }

    /// Refuses a message that makes no sense here.
    pub(super) fn refuse_input(&mut self, at: ConnectionKey, text: &'static str, now: Now) {
        self.refuse(at, Refusal::new(ErrorCode::InvalidInput, text), now);
    }

    /// Sends a refusal, or a `Pong`, against the connection's budget for such replies.
    pub(super) fn reply(&mut self, at: ConnectionKey, message: &ServerMessage<'_>, now: Now) {
        if let Some((code, text)) = message.refusal() {
            self.note_refusal(at, RefusalReason::Error(code), text, now);
        }
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        if connection
            .session
            .allowance
            .charge_reply(&self.world.settings.budgets, now.mono_ms)
        {
            self.answer(at, message, now);
        } else {
            self.post.counters.replies_limited.add(1);
            let text = "too many requests that had to be refused; slow down";
            let why = Refusal::new(ErrorCode::RateLimitExceeded, text);
            self.close(at, CloseCode::InboundRateLimited, Some(why), now);
        }
    }

    /// Where a connection sits; one without a seat is refused.
    pub(super) fn require_seat(&mut self, at: ConnectionKey, now: Now) -> Option<(RoomKey, PlayerId)> {
        let seat = self.seat_of(at);
        if seat.is_none() {
            self.refuse(at, no_seat(), now);
        }
        seat
    }
}
