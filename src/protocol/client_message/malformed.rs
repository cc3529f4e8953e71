//! What is said of a frame that breaks a rule.

use crate::protocol::json::InvalidJson;

/// The frame is no message of the protocol. Answer `INVALID_INPUT` and go on: nothing of the frame has had an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid client message: not a known message with the fields and value types the protocol gives it")]
pub struct MalformedMessage;

impl From<InvalidJson> for MalformedMessage {
    fn from(_: InvalidJson) -> Self {
        Self
    }
}
