//! Room operations: room requests whose answer repeats their id.
//!
//! A connection has at most one request in service, so the id waits on the connection, also while it moves to another
//! shard, and the first answer takes it. Promises that an operation is answered once and that no other message carries
//! its id; whether an answer is wrapped is decided here and nowhere else.

use crate::protocol::{ErrorCode, ProtocolVersion, Refusal, RoomOperation, RoomRequest};
use crate::room::ConnectionKey;
use crate::shard::Shard;
use crate::shard::state::connection::State;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Serves `RoomOperation`.
    pub(in crate::shard) fn room_operation(&mut self, at: ConnectionKey, operation: RoomOperation, now: Now) {
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
            return self.refuse(at, Refusal::new(code, advice), now);
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
}
