//! Refusals that several requests share.

use crate::protocol::{ErrorCode, Refusal};

pub(super) fn no_seat() -> Refusal {
    Refusal::new(ErrorCode::NotInRoom, "you are not in a room; join one first")
}

pub(super) fn no_such_room() -> Refusal {
    Refusal::new(ErrorCode::RoomNotFound, "there is no such room; check the code")
}

pub(super) fn not_watching() -> Refusal {
    Refusal::new(ErrorCode::NotASpectator, "you are not watching a room")
}

pub(super) fn overloaded() -> Refusal {
    let text = "the room's server core is overloaded; try again in a moment";
    Refusal::new(ErrorCode::ServiceUnavailable, text)
}

pub(super) fn too_busy() -> Refusal {
    let text = "the server is too busy for another room; try again later or on another server";
    Refusal::new(ErrorCode::ServiceUnavailable, text)
}

#[cold]
pub(super) fn too_large(bytes: usize, limit_bytes: usize) -> Refusal {
    let text = format!("the message has {bytes} bytes and the limit is {limit_bytes}; send less at once");
    Refusal::new(ErrorCode::MessageTooLarge, text)
}

pub(super) fn draining(instead: &str) -> Refusal {
    let text = format!("the server is about to stop; {instead}");
    Refusal::new(ErrorCode::ServerDraining, text)
}
