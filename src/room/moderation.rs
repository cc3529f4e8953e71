//! What a room's authority may do: remove those who are there, keep them out, change the door, and hand itself on.
//!
//! A ban is kept by the player's id and by its name, which is all that the server knows of a person; see
//! `docs/adr/009-what-a-ban-holds-against.md`.

use thiserror::Error;

use super::{ConnectionKey, Room, Watcher};
use crate::protocol::{ErrorCode, PlayerId, Reason, RoomCode, Secret, fold_name};

/// Why the authority's wish was not granted. The room is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ModerationRefusal {
    /// Another player leads the room, or nobody does.
    #[error("only the room's authority may do that")]
    NotAuthority,
    /// The authority meant itself.
    #[error("you cannot do that to yourself; leave the room instead")]
    Itself,
    /// Nobody who is to be removed is in the room, or could come back to it.
    #[error("nobody in this room has that id")]
    TargetNotFound,
    /// Nobody who sits in the room has the id that the authority is to go to.
    #[error("no player in this room has that id")]
    HeirNotFound,
}

impl Reason for ModerationRefusal {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotAuthority => ErrorCode::NotRoomAuthority,
            Self::Itself => ErrorCode::InvalidInput,
            Self::TargetNotFound => ErrorCode::KickTargetNotFound,
            Self::HeirNotFound => ErrorCode::TransferTargetNotFound,
        }
    }
}

/// Whom a removal met, and so what is left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// Somebody with a seat: end the connection, which frees the seat.
    Seated(ConnectionKey),
    /// Somebody who watches: take it out of the gallery.
    Watching(Watcher),
    /// Somebody who was absent: nothing, its record opens nothing any more.
    Absent,
}

impl Room {
    /// Whether a player may moderate the room.
    ///
    /// # Errors
    ///
    /// [`ModerationRefusal::NotAuthority`], for everybody in a room that was created without an authority.
    pub fn check_authority(&self, player: PlayerId) -> Result<(), ModerationRefusal> {
        if self.authority == Some(player) {
            Ok(())
        } else {
            Err(ModerationRefusal::NotAuthority)
        }
    }

    /// Removes a player who sits here, watches, or may come back. It may join again at once.
    ///
    /// # Errors
    ///
    /// The first rule that fails, in the protocol's order.
    pub fn kick(&mut self, by: PlayerId, target: PlayerId, now_ms: u64) -> Result<Removed, ModerationRefusal> {
        self.remove(by, target, now_ms).map(|(removed, _)| removed)
    }

    /// Removes a player as [`kick`](Self::kick) does, and keeps it out: by its id, and by its name unless another player
    /// of the room has that name.
    ///
    /// # Errors
    ///
    /// The first rule that fails, in the protocol's order.
    pub fn ban(&mut self, by: PlayerId, target: PlayerId, now_ms: u64) -> Result<Removed, ModerationRefusal> {
        let (removed, folded_name) = self.remove(by, target, now_ms)?;
        let is_shared = self.has_player_named(&folded_name, target);
        self.bans.add(target, (!is_shared).then_some(folded_name));
        Ok(removed)
    }

    /// Whom a removal meets, and its name's caseless form. Of the room itself only the record of an absent player changes.
    fn remove(
        &mut self,
        by: PlayerId,
        target: PlayerId,
        now_ms: u64,
    ) -> Result<(Removed, Box<str>), ModerationRefusal> {
        self.check_authority(by)?;
        if target == by {
            return Err(ModerationRefusal::Itself);
        }
        self.take_out(target, now_ms).ok_or(ModerationRefusal::TargetNotFound)
    }

    /// Removes a player whom the server's operator does not want here, as [`kick`](Self::kick) does. `None`: nobody who is here
    /// or may come back has that id.
    pub fn expel(&mut self, target: PlayerId, now_ms: u64) -> Option<Removed> {
        self.take_out(target, now_ms).map(|(removed, _)| removed)
    }

    fn take_out(&mut self, target: PlayerId, now_ms: u64) -> Option<(Removed, Box<str>)> {
        let removed = if let Some((member, seat)) = self.roster.member_of(target) {
            (Removed::Seated(member.connection), seat.folded_name().into())
        } else if let Some((watcher, name)) = self.gallery.find(target) {
            (Removed::Watching(watcher), fold_name(name).into())
        } else if let Some(folded_name) = self.disconnected_seats.disown(target) {
            (Removed::Absent, folded_name)
        } else {
            return None;
        };
        self.touch(now_ms);
        Some(removed)
    }

    /// Whether a player other than `except` sits here, or may come back, under a name.
    fn has_player_named(&self, folded_name: &str, except: PlayerId) -> bool {
        let seats = self.roster.seats().chain(self.disconnected_seats.seats());
        let mut others = seats.filter(|seat| seat.player() != except);
        others.any(|seat| seat.folded_name() == folded_name)
    }

    /// Lifts a ban, if there is one.
    ///
    /// # Errors
    ///
    /// [`ModerationRefusal::NotAuthority`].
    pub fn unban(&mut self, by: PlayerId, target: PlayerId, now_ms: u64) -> Result<(), ModerationRefusal> {
        self.check_authority(by)?;
        self.bans.lift(target);
        self.touch(now_ms);
        Ok(())
    }

    /// Changes what joiners must know; those who are inside stay. Returns whether there is a password now.
    ///
    /// # Errors
    ///
    /// [`ModerationRefusal::NotAuthority`].
    pub fn set_access(
        &mut self,
        by: PlayerId,
        password: Option<Secret>,
        now_ms: u64,
    ) -> Result<bool, ModerationRefusal> {
        self.check_authority(by)?;
        self.password = password;
        self.touch(now_ms);
        Ok(self.password.is_some())
    }

    /// Gives the room another code. Whoever keeps rooms by name has to follow.
    pub fn set_code(&mut self, code: RoomCode, now_ms: u64) {
        self.code = code;
        self.touch(now_ms);
    }

    /// Hands the authority to another player who sits here.
    ///
    /// # Errors
    ///
    /// The first rule that fails, in the protocol's order.
    pub fn transfer_authority(&mut self, by: PlayerId, heir: PlayerId, now_ms: u64) -> Result<(), ModerationRefusal> {
        self.check_authority(by)?;
        if heir == by {
            return Err(ModerationRefusal::Itself);
        }
        if self.roster.seat_of(heir).is_none() {
            return Err(ModerationRefusal::HeirNotFound);
        }
        self.authority = Some(heir);
        self.record.authority_transfers += 1;
        self.touch(now_ms);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
