//! Why a request is refused.

use crate::protocol::ErrorCode;

/// Why a request was refused: the text for people and the code for programs.
pub(super) type Failure = (String, ErrorCode);

pub(super) fn no_such_room() -> Failure {
    ("there is no such room; check the code".into(), ErrorCode::RoomNotFound)
}

pub(super) fn draining(instead: &str) -> Failure {
    (
        format!("the server is about to stop; {instead}"),
        ErrorCode::ServerDraining,
    )
}
