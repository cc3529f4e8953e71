//! Room operations: room requests whose answer repeats their id.
//!
//! A connection has at most one request in service, so the id waits on the connection, also while it moves to another
//! shard, and the first answer takes it. Promises that an operation is answered once and that no other message carries
//! its id; whether an answer is wrapped is decided here and nowhere else.

use crate::protocol::{
    ErrorCode, OperationAnswer, OperationId, OperationResult, ProtocolVersion, RoomOperation, RoomRequest,
    ServerMessage,
};
use crate::room::MemberRef;
use crate::shard::post::Post;
use crate::shard::state::connection::State;
use crate::shard::world::settings::Settings;
use crate::shard::{Now, Shard};

impl<L> Shard<L> {
    /// Serves `RoomOperation`.
    pub(in crate::shard) fn room_operation(&mut self, at: MemberRef, operation: RoomOperation, now: Now) {
        let version = self.version_of(at);
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        if !connection.session.has_operation_ids() {
            let advice =
                "room operations need the room_operation_ids capability; ask for it, or use the plain messages";
            let code = match version {
                Some(ProtocolVersion::V3) => ErrorCode::InvalidInput,
                _ => ErrorCode::UnsupportedProtocolVersion,
            };
            return self.refuse(at, advice, code, now);
        }
        connection.operation = Some(operation.operation_id);
        match operation.request {
            RoomRequest::JoinRoom(request) => self.join_room(at, request, now),
            // Without a seat the plain request has no answer; an operation always has.
            RoomRequest::LeaveRoom if self.require_seat(at, now).is_none() => {}
            RoomRequest::LeaveRoom => self.leave_room(at, now),
            RoomRequest::Reconnect(request) => self.reconnect(at, &request, now),
            RoomRequest::JoinAsSpectator(request) => self.join_as_spectator(at, &request, now),
            RoomRequest::LeaveSpectator => self.leave_spectator(at, now),
            RoomRequest::KickPlayer { player_id } => self.kick_player(at, player_id, now),
            RoomRequest::BanPlayer { player_id } => self.ban_player(at, player_id, now),
            RoomRequest::UnbanPlayer { player_id } => self.unban_player(at, player_id, now),
            RoomRequest::SetRoomAccess { password } => self.set_room_access(at, password, now),
            RoomRequest::RegenerateRoomCode => self.regenerate_room_code(at, now),
            RoomRequest::TransferAuthority { player_id } => self.transfer_authority(at, player_id, now),
        }
        debug_assert!(
            self.post.connections.get(at).is_none_or(|connection| {
                connection.operation.is_none() || !matches!(connection.state, State::Open)
            }),
            "an operation was served and not answered"
        );
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
