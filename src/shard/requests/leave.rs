//! `LeaveRoom`.

use crate::protocol::ServerMessage;
use crate::room::ConnectionKey;
use crate::shard::Shard;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Serves `LeaveRoom`. Without a seat there is no answer, by the protocol's rule.
    pub(in crate::shard) fn leave_room(&mut self, at: ConnectionKey, now: Now) {
        if self.seat_of(at).is_some() {
            self.answer(at, &ServerMessage::RoomLeft, now);
            self.leave_place(at, false, now);
        }
    }
}
