//! What a room has to say, to whom, and when.
//!
//! Must never refuse, close or seat anybody.

pub(super) mod gallery_news;
pub(super) mod plans;
pub(super) mod room;

use crate::protocol::{OperationAnswer, OperationId, OperationResult, ProtocolVersion, ServerMessage};
use crate::room::MemberRef;
use crate::session::Stage;
use crate::shard::Shard;
use crate::shard::post::Post;
use crate::shard::world::now::Now;
use crate::shard::world::settings::Settings;

impl<L> Post<L> {
    /// Answers the request in service: under its id if it came with one. A refusal that has no form of its own among the
    /// results is then told as `OperationFailed`.
    pub(in crate::shard) fn answer(
        &mut self,
        to: MemberRef,
        message: &ServerMessage<'_>,
        now_ms: u64,
        settings: &Settings,
    ) {
        let operation = self
            .connections
            .get_mut(to)
            .and_then(|connection| connection.operation.take());
        let Some(operation_id) = operation else {
            return self.tell(to, message, now_ms, settings);
        };
        self.tell(to, &under(operation_id, message), now_ms, settings);
    }
}

impl<L> Shard<L> {
    /// Tells a connection of the announced stop, unless it has been told, or reads nothing of the kind, or has not
    /// finished its handshake: clients expect nothing else before.
    pub(in crate::shard) fn tell_of_drain(&mut self, at: MemberRef, now: Now) {
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
    pub(in crate::shard) fn tell(&mut self, at: MemberRef, message: &ServerMessage<'_>, now: Now) {
        self.post.tell(at, message, now.mono_ms, &self.world.settings);
    }

    /// Answers the request in service, beyond every budget of refusals.
    pub(in crate::shard) fn answer(&mut self, at: MemberRef, message: &ServerMessage<'_>, now: Now) {
        self.post.answer(at, message, now.mono_ms, &self.world.settings);
    }

    /// Answers a request that comes as an operation only.
    pub(in crate::shard) fn answer_operation(&mut self, at: MemberRef, result: OperationResult<'_>, now: Now) {
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

/// An answer under the id of its request.
pub(in crate::shard) fn under<'a>(operation_id: OperationId, message: &'a ServerMessage<'a>) -> ServerMessage<'a> {
    let result = match *message {
        ServerMessage::Error { message, error_code } => OperationAnswer::Own(OperationResult::OperationFailed {
            reason: message,
            error_code,
        }),
        _ => OperationAnswer::Plain(message),
    };
    ServerMessage::RoomOperationResult { operation_id, result }
}
