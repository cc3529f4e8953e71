//! Who leads a room. At most one player does, and nobody inherits the role.

use thiserror::Error;

use super::Room;
use crate::protocol::{ErrorCode, PlayerId, Reason};

/// Why the authority did not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AuthorityRefusal {
    /// The room was created without an authority.
    #[error("this room was created without an authority")]
    NotSupported,
    /// Somebody holds it, perhaps the requester.
    #[error("the authority is held; its holder must release it first")]
    Held,
    /// Only the holder can release it.
    #[error("only the holder can release the authority")]
    NotHolder,
}

impl Reason for AuthorityRefusal {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotSupported => ErrorCode::AuthorityNotSupported,
            Self::Held => ErrorCode::AuthorityConflict,
            Self::NotHolder => ErrorCode::AuthorityDenied,
        }
    }
}

impl Room {
    /// Who leads the room.
    #[must_use]
    pub const fn authority(&self) -> Option<PlayerId> {
        self.authority
    }

    /// Gives the authority to `player`, if nobody holds it.
    ///
    /// # Errors
    ///
    /// When the room has no such role, or somebody holds it: `player` too.
    pub fn claim_authority(&mut self, player: PlayerId, now_ms: u64) -> Result<(), AuthorityRefusal> {
        if !self.supports_authority {
            return Err(AuthorityRefusal::NotSupported);
        }
        if self.authority.is_some() {
            return Err(AuthorityRefusal::Held);
        }
        self.authority = Some(player);
        self.record.authority_transfers += 1;
        self.touch(now_ms);
        Ok(())
    }

    /// Takes the authority from `player`, who held it.
    ///
    /// # Errors
    ///
    /// When the room has no such role, or `player` does not hold it.
    pub fn release_authority(&mut self, player: PlayerId, now_ms: u64) -> Result<(), AuthorityRefusal> {
        if !self.supports_authority {
            return Err(AuthorityRefusal::NotSupported);
        }
        if self.authority != Some(player) {
            return Err(AuthorityRefusal::NotHolder);
        }
        self.authority = None;
        self.touch(now_ms);
        Ok(())
    }
}
