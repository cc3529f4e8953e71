//! What a room has to say, to whom, and when.
//!
//! Must never refuse, close or seat anybody.

pub(super) mod gallery_news;
pub(super) mod plans;
pub(super) mod room;

use crate::protocol::{OperationAnswer, OperationResult, ProtocolVersion, ServerMessage};
use crate::room::ConnectionKey;
use crate::session::Stage;
use crate::shard::Shard;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Tells a connection of the announced stop, unless it has been told, or reads nothing of the kind, or has not
    /// finished its handshake: clients expect nothing else before.
    pub(in crate::shard) fn tell_of_drain(&mut self, at: ConnectionKey, now: Now) {
        let (Some(notice), Some(connection)) = (self.drain.notice, self.post.connections.get_mut(at)) else {
            return;
        };
        let session = &connection.session;
        if session.stage() != Stage::Fresh
            && session.dialect().version >= ProtocolVersion::V3
            && !std::mem::replace(&mut connection.knows_of_drain, true)
        {
            self.tell(at, &ServerMessage::GoingAway(notice), now);
        }
    }

    /// Sends a control message to one connection.
    pub(in crate::shard) fn tell(&mut self, at: ConnectionKey, message: &ServerMessage<'_>, now: Now) {
        self.post.tell(at, message, now.mono_ms, &self.world.settings);
    }

    /// Answers the request in service, beyond every budget of refusals.
    pub(in crate::shard) fn answer(&mut self, at: ConnectionKey, message: &ServerMessage<'_>, now: Now) {
        self.post.answer(at, message, now.mono_ms, &self.world.settings);
    }

    /// Answers a request that comes as an operation only.
    pub(in crate::shard) fn answer_operation(&mut self, at: ConnectionKey, result: OperationResult<'_>, now: Now) {
        let operation = self
            .post
            .connections
            .get_mut(at)
            .and_then(|connection| connection.operation.take());
        if let Some(operation_id) = operation {
            let result = OperationAnswer::Own(result);
            self.tell(at, &ServerMessage::RoomOperationResult { operation_id, result }, now);
        }
    }
}
