//! Who gets a seat, and what is left when one is freed.

use super::Room;
use super::roster::{ConnectionKey, Newcomer, Seat};
use crate::protocol::{ErrorCode, PlayerId, Reason, Stamp, WallTime};

/// Why a seat was refused. The room is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JoinRefusal {
    /// The room is another application's: for this player it does not exist.
    #[error("there is no such room; check the code")]
    NotFound,
    /// The password is missing, wrong, or was given to an open room.
    #[error("the password does not fit this room; ask its host")]
    Password,
    /// The room's authority keeps this player out.
    #[error("you are banned from this room")]
    Banned,
    /// Somebody sits there under this name.
    #[error("that name is taken in this room; choose another")]
    NameTaken,
    /// Every seat is taken.
    #[error("the room is full")]
    Full,
    /// The game runs between peers, in a way that the joiner cannot.
    #[error("the players of this room are connected in a way that you did not negotiate")]
    Session,
}

impl JoinRefusal {
    /// Whether the code or the password was not the room's: what somebody who guesses is told.
    #[must_use]
    pub const fn is_miss(self) -> bool {
        matches!(self, Self::NotFound | Self::Password)
    }
}

impl Reason for JoinRefusal {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound => ErrorCode::RoomNotFound,
            Self::Password => ErrorCode::PasswordRequired,
            Self::Banned => ErrorCode::Banned,
            // Not a slip: the protocol's code for a taken name.
            Self::NameTaken => ErrorCode::RoomCreationFailed,
            Self::Full => ErrorCode::RoomFull,
            Self::Session => ErrorCode::RoomSessionIncompatible,
        }
    }
}

/// What a departure means to those who stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure {
    /// Who left.
    pub player: PlayerId,
    /// The last stamp that the player used.
    pub last: Stamp,
    /// Whether the room lost its authority.
    pub held_authority: bool,
}

impl Room {
    /// Seats the creator, who leads the room if it can be led.
    pub fn seat_creator(&mut self, newcomer: Newcomer<'_>, now_ms: u64, wall: WallTime) {
        debug_assert!(self.roster.is_empty(), "a room is created once");
        self.authority = self.supports_authority.then_some(newcomer.player);
        self.record.created_at = wall;
        self.seat(newcomer, now_ms, wall);
    }

    /// Seats a joiner. A room that belonged to nobody becomes the joiner's application's.
    ///
    /// # Errors
    ///
    /// The first rule that the joiner fails, in the protocol's order.
    pub fn join(&mut self, newcomer: Newcomer<'_>, now_ms: u64, wall: WallTime) -> Result<(), JoinRefusal> {
        if !self.is_visible_to(newcomer.app) {
            return Err(JoinRefusal::NotFound);
        }
        // An open room refuses a password too: the joiner meant another room.
        if self.password.as_ref() != newcomer.password {
            return Err(JoinRefusal::Password);
        }
        if self.bans.hold(newcomer.player, &newcomer.folded_name) {
            return Err(JoinRefusal::Banned);
        }
        if self.roster.has_name(&newcomer.folded_name) {
            return Err(JoinRefusal::NameTaken);
        }
        if self.roster.len() >= self.seats(newcomer.app_seat_limit) {
            return Err(JoinRefusal::Full);
        }
        if self.session_excludes(newcomer.abilities) {
            return Err(JoinRefusal::Session);
        }
        if self.owner.is_none() {
            self.owner = newcomer.app.cloned();
        }
        self.seat(newcomer, now_ms, wall);
        Ok(())
    }

    fn seat(&mut self, newcomer: Newcomer<'_>, now_ms: u64, wall: WallTime) {
        self.touch(now_ms);
        self.record.note_version(newcomer.member.dialect.version);
        self.roster.seat_newcomer(newcomer, wall);
        self.record.note_seated(self.roster.len());
    }

    /// Frees a member's seat. The authority is not handed on.
    pub fn leave(&mut self, connection: ConnectionKey, now_ms: u64) -> Option<Departure> {
        self.free_seat(connection, now_ms).map(|(_, departure)| departure)
    }

    pub(super) fn free_seat(&mut self, connection: ConnectionKey, now_ms: u64) -> Option<(Seat, Departure)> {
        let seat = self.roster.remove(connection)?;
        self.touch(now_ms);
        self.record.players_left += 1;
        let held_authority = self.authority == Some(seat.player());
        if held_authority {
            self.authority = None;
        }
        let departure = Departure {
            player: seat.player(),
            last: seat.stamp(),
            held_authority,
        };
        Some((seat, departure))
    }
}
