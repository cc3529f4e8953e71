//! Getting ready, and starting the game.

use thiserror::Error;

use super::{ConnectionKey, Room};
use crate::protocol::{ErrorCode, PlayerId, Reason};

/// Why readiness did not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReadyRefusal {
    /// The game runs; there is nothing to get ready for.
    #[error("the game has already started")]
    Started,
}

impl Reason for ReadyRefusal {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Started => ErrorCode::InvalidRoomState,
        }
    }
}

/// Why the game did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum StartRefusal {
    /// It runs already.
    #[error("the game has already started")]
    Started,
    /// Another player leads the room.
    #[error("only the room's authority may start the game")]
    NotAuthority,
    /// Somebody is not ready.
    #[error("every player must be ready before the game starts")]
    NotReady,
}

impl Reason for StartRefusal {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Started => ErrorCode::InvalidRoomState,
            Self::NotAuthority => ErrorCode::GameStartForbidden,
            Self::NotReady => ErrorCode::GameStartNotReady,
        }
    }
}

impl Room {
    /// Who is ready.
    #[must_use]
    pub fn ready_players(&self) -> Vec<PlayerId> {
        self.roster
            .seats()
            .filter(|seat| seat.is_ready())
            .map(super::Seat::player)
            .collect()
    }

    /// Whether every seated player is ready. An empty room is not.
    #[must_use]
    pub fn all_ready(&self) -> bool {
        !self.roster.is_empty() && self.roster.seats().all(super::Seat::is_ready)
    }

    /// Toggles a member's readiness.
    ///
    /// # Errors
    ///
    /// When the game has started.
    pub fn toggle_ready(&mut self, connection: ConnectionKey, now_ms: u64) -> Result<(), ReadyRefusal> {
        if self.is_started {
            return Err(ReadyRefusal::Started);
        }
        self.touch(now_ms);
        if let Some(seat) = self.roster.seat_mut(connection) {
            seat.toggle_ready();
        }
        // Nobody whose readiness was kept is still ready once somebody else has toggled.
        self.disconnected_seats.unready_all();
        Ok(())
    }

    /// Starts the game. One ready player is enough.
    ///
    /// # Errors
    ///
    /// The first rule that fails, in the protocol's order.
    pub fn start(&mut self, player: PlayerId, now_ms: u64) -> Result<(), StartRefusal> {
        if self.is_started {
            return Err(StartRefusal::Started);
        }
        if self.authority.is_some_and(|authority| authority != player) {
            return Err(StartRefusal::NotAuthority);
        }
        if !self.all_ready() {
            return Err(StartRefusal::NotReady);
        }
        self.is_started = true;
        self.touch(now_ms);
        Ok(())
    }
}
