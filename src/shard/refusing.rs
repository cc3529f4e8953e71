//! Refusals, against the budget that each connection has for them.
//!
//! Whoever is refused too often is closed, so everything here stands above closing.

use super::Shard;
use crate::protocol::{CloseCode, ErrorCode, PlayerId, ServerMessage};
use crate::room::MemberRef;
use crate::shard::state::room_ref::RoomRef;
use crate::shard::world::now::Now;

pub(super) const NO_SEAT: &str = "you are not in a room; join one first";

impl<L> Shard<L> {
    /// Refuses a request with an `Error`.
    pub(super) fn refuse(&mut self, at: MemberRef, message: &str, error_code: ErrorCode, now: Now) {
        self.reply(at, &ServerMessage::Error { message, error_code }, now);
    }

    /// Refuses a message that makes no sense here.
    pub(super) fn refuse_input(&mut self, at: MemberRef, message: &str, now: Now) {
        self.refuse(at, message, ErrorCode::InvalidInput, now);
    }

    pub(super) fn refuse_too_large(&mut self, at: MemberRef, bytes: usize, limit: usize, now: Now) {
        let message = format!("the message has {bytes} bytes and the limit is {limit}; send less at once");
        self.refuse(at, &message, ErrorCode::MessageTooLarge, now);
    }

    /// Sends a refusal, or a `Pong`, against the connection's budget for such replies.
    pub(super) fn reply(&mut self, at: MemberRef, message: &ServerMessage<'_>, now: Now) {
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        if !matches!(message, ServerMessage::Pong) {
            self.post.counters.refusals.add(1);
        }
        if connection
            .session
            .allowance
            .charge_reply(&self.world.settings.budgets, now.mono_ms)
        {
            self.answer(at, message, now);
        } else {
            let farewell = (
                "too many requests that had to be refused; slow down",
                ErrorCode::RateLimitExceeded,
            );
            self.close(at, CloseCode::InboundRateLimited, Some(farewell), now);
        }
    }

    /// Where a connection sits; one without a seat is refused.
    pub(super) fn require_seat(&mut self, at: MemberRef, now: Now) -> Option<(RoomRef, PlayerId)> {
        let seat = self.seat_of(at);
        if seat.is_none() {
            self.refuse(at, NO_SEAT, ErrorCode::NotInRoom, now);
        }
        seat
    }
}
