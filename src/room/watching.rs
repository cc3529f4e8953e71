//! Who may watch a room, and what it is shown.

use thiserror::Error;

use super::{Room, Spot, Watcher};
use crate::protocol::server_message::SpectatorSnapshot;
use crate::protocol::{AppId, ErrorCode, PlayerId, Reason, Secret, WallTime, fold_name};

/// Somebody who wants to watch. The name is already validated; it need not be unique.
#[derive(Debug)]
pub struct Visitor<'a> {
    /// The connection's id.
    pub player: PlayerId,
    /// Where the connection is found, and what it reads.
    pub spot: Spot,
    /// The connection's application.
    pub app: Option<&'a AppId>,
    /// The display name.
    pub name: &'a str,
    /// The password given.
    pub password: Option<&'a Secret>,
}

/// Why a place in the gallery was refused. The room is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WatchRefusal {
    /// The room is another application's: for this visitor it does not exist.
    #[error("there is no such room; check the code")]
    NotFound,
    /// The password is missing, wrong, or was given to an open room.
    #[error("the password does not fit this room; ask its host")]
    Password,
    /// The room's authority keeps this visitor out.
    #[error("you are banned from this room")]
    Banned,
    /// Every place is taken.
    #[error("no more spectators fit into this room")]
    Full,
}

impl WatchRefusal {
    /// Whether the code or the password was not the room's: what somebody who guesses is told.
    #[must_use]
    pub const fn is_miss(self) -> bool {
        matches!(self, Self::NotFound | Self::Password)
    }
}

impl Reason for WatchRefusal {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound => ErrorCode::RoomNotFound,
            Self::Password => ErrorCode::PasswordRequired,
            Self::Banned => ErrorCode::Banned,
            Self::Full => ErrorCode::TooManySpectators,
        }
    }
}

impl Room {
    /// Lets a visitor watch.
    ///
    /// # Errors
    ///
    /// The first rule that the visitor fails, in the protocol's order.
    pub fn watch(&mut self, visitor: Visitor<'_>, now_ms: u64, wall: WallTime) -> Result<(), WatchRefusal> {
        if !self.is_visible_to(visitor.app) {
            return Err(WatchRefusal::NotFound);
        }
        if self.password.as_ref() != visitor.password {
            return Err(WatchRefusal::Password);
        }
        if self.bans.hold(visitor.player, &fold_name(visitor.name)) {
            return Err(WatchRefusal::Banned);
        }
        if self
            .max_spectators
            .is_some_and(|limit| self.gallery.len() >= usize::from(limit))
        {
            return Err(WatchRefusal::Full);
        }
        self.touch(now_ms);
        self.record.spectators_joined += 1;
        self.record.note_version(visitor.spot.dialect().version);
        self.gallery.add(visitor.spot, visitor.player, visitor.name, wall);
        Ok(())
    }

    /// Ends a spectator's watching. Returns who it was.
    pub fn stop_watching(&mut self, watcher: Watcher, now_ms: u64) -> Option<PlayerId> {
        let gone = self.gallery.remove(watcher)?;
        self.record.spectators_left += 1;
        self.touch(now_ms);
        Some(gone)
    }

    /// The room as a new spectator sees it.
    #[must_use]
    pub fn spectator_snapshot(&self, spectator: PlayerId) -> SpectatorSnapshot<'_> {
        SpectatorSnapshot {
            room_id: self.id,
            room_code: &self.code,
            spectator_id: spectator,
            game_name: &self.game_name,
            current_players: self.roster.seats().map(|seat| self.player_info(seat)).collect(),
            current_spectators: self.gallery.infos(),
            lobby_state: self.lobby_state(),
        }
    }
}
