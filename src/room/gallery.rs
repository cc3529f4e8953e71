//! Who watches a room without a seat in it.

use thiserror::Error;

use super::{Member, MemberRef, Room};
use crate::protocol::server_message::{SpectatorInfo, SpectatorSnapshot};
use crate::protocol::{AppId, ErrorCode, PlayerId, Secret, WallTime, fold_name};

/// Somebody who wants to watch. The name is already validated; it need not be unique.
#[derive(Debug)]
pub struct Visitor<'a> {
    /// The connection's id.
    pub player: PlayerId,
    /// Where the shard finds the connection, and what it reads.
    pub member: Member,
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
    /// The refusal as clients read it.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::NotFound => ErrorCode::RoomNotFound,
            Self::Password => ErrorCode::PasswordRequired,
            Self::Banned => ErrorCode::Banned,
            Self::Full => ErrorCode::TooManySpectators,
        }
    }
}

/// A spectator.
#[derive(Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Spectator {
    player: PlayerId,
    name: Box<str>,
    connected_at: WallTime,
}

impl Spectator {
    fn info(&self) -> SpectatorInfo<'_> {
        SpectatorInfo {
            id: self.player,
            name: &self.name,
            connected_at: self.connected_at,
        }
    }
}

/// Everybody who watches, in two tables in step, as in the [`Roster`](super::Roster).
#[derive(Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Gallery {
    members: Vec<Member>,
    spectators: Vec<Spectator>,
}

impl Gallery {
    /// How many watch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Where to reach everybody.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Everybody, as room mates see them.
    #[must_use]
    pub fn infos(&self) -> Vec<SpectatorInfo<'_>> {
        self.spectators.iter().map(Spectator::info).collect()
    }

    /// Where to reach a spectator, and its name.
    pub(super) fn find(&self, player: PlayerId) -> Option<(MemberRef, &str)> {
        let index = self
            .spectators
            .iter()
            .position(|spectator| spectator.player == player)?;
        Some((self.members[index].link, &self.spectators[index].name))
    }

    fn position(&self, link: MemberRef) -> Option<usize> {
        self.members.iter().position(|member| member.link == link)
    }

    /// A spectator, as room mates see it.
    #[must_use]
    pub fn info(&self, link: MemberRef) -> Option<SpectatorInfo<'_>> {
        self.position(link).map(|index| self.spectators[index].info())
    }

    pub(super) fn relink(&mut self, mut place_of: impl FnMut(PlayerId) -> MemberRef) {
        for (member, spectator) in self.members.iter_mut().zip(&self.spectators) {
            member.link = place_of(spectator.player);
        }
    }

    /// Whether the tables are in step, as those out of an archive may not be.
    pub(super) fn is_coherent(&self) -> bool {
        self.members.len() == self.spectators.len()
    }
}

impl Room {
    /// Who watches the room.
    #[must_use]
    pub const fn gallery(&self) -> &Gallery {
        &self.gallery
    }

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
        self.gallery.members.push(visitor.member);
        self.gallery.spectators.push(Spectator {
            player: visitor.player,
            name: visitor.name.into(),
            connected_at: wall,
        });
        Ok(())
    }

    /// Ends a spectator's watching. Returns who it was.
    pub fn stop_watching(&mut self, link: MemberRef, now_ms: u64) -> Option<PlayerId> {
        let index = self.gallery.position(link)?;
        self.touch(now_ms);
        self.gallery.members.swap_remove(index);
        Some(self.gallery.spectators.swap_remove(index).player)
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
