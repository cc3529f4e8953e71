//! What only a room operation is answered with (v3).

use serde::Serialize;

use super::{ErrorCode, PlayerId, RoomCode};

/// What only a room operation is answered with. The same for every receiver.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", content = "data")]
pub enum OperationResult<'a> {
    /// The operation was refused, and its kind has no refusal of its own.
    OperationFailed {
        /// For people.
        reason: &'a str,
        /// For programs.
        error_code: ErrorCode,
    },
    /// The receiver removed somebody.
    PlayerKicked {
        /// Whom.
        player_id: PlayerId,
    },
    /// The receiver removed somebody and keeps it out.
    PlayerBanned {
        /// Whom.
        player_id: PlayerId,
    },
    /// The receiver lifted a ban, if there was one.
    PlayerUnbanned {
        /// Whose.
        player_id: PlayerId,
    },
    /// The receiver sealed the room or opened it.
    RoomAccessUpdated {
        /// Whether joiners must know a password now.
        requires_password: bool,
    },
    /// The receiver gave the room another code; nobody else is told.
    RoomCodeRegenerated {
        /// The code under which the room is found from now on.
        room_code: &'a RoomCode,
    },
    /// The receiver handed the authority over.
    AuthorityTransferred {
        /// To whom.
        player_id: PlayerId,
    },
}
