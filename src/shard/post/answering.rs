//! Answers to requests: under the id of the request, if it came with one.

use super::Post;
use crate::protocol::{OperationAnswer, OperationId, OperationResult, ServerMessage};
use crate::room::ConnectionKey;
use crate::shard::world::settings::Settings;

impl<L> Post<L> {
    /// Answers the request in service: under its id if it came with one. A refusal that has no form of its own among the
    /// results is then told as `OperationFailed`.
    pub(in crate::shard) fn answer(
        &mut self,
        to: ConnectionKey,
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
