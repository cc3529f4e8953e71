//! Who watches a room without a seat in it.
//!
//! A spectator is reached here, or through one of the room's outposts: a place of which the room knows the number and what
//! is read there, and nothing more.

use thiserror::Error;

use super::{Member, MemberRef, Room};
use crate::protocol::server_message::{SpectatorInfo, SpectatorSnapshot};
use crate::protocol::{AppId, Dialect, ErrorCode, PlayerId, Secret, WallTime, fold_name};

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

/// Where a spectator's connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    /// Where the room is.
    Here(Member),
    /// At an outpost of the room.
    Outpost {
        /// Which; what the number means is the shard's.
        number: u16,
        /// What the connection reads.
        dialect: Dialect,
    },
}

/// Which spectator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watcher {
    /// One whose connection is where the room is.
    Here(MemberRef),
    /// One at an outpost.
    Outpost {
        /// Which outpost.
        number: u16,
        /// Who.
        player: PlayerId,
    },
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

/// A spectator at an outpost.
#[derive(Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Distant {
    spectator: Spectator,
    outpost: u16,
    dialect: Dialect,
}

/// Everybody who watches: those who are here in two tables in step, as in the [`Roster`](super::Roster), and those at
/// outposts.
#[derive(Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Gallery {
    members: Vec<Member>,
    spectators: Vec<Spectator>,
    distant: Vec<Distant>,
    /// How many at outposts read what. Not archived: everybody thaws here.
    #[rkyv(with = rkyv::with::Skip)]
    read_afar: Vec<(Dialect, usize)>,
}

impl Gallery {
    /// How many watch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len() + self.distant.len()
    }

    /// Whether nobody does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where to reach everybody who is not at an outpost.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Whether anybody watches at an outpost.
    #[must_use]
    pub fn has_outposts(&self) -> bool {
        !self.distant.is_empty()
    }

    /// What is read at outposts, each dialect once, and by how many.
    pub fn read_afar(&self) -> impl Iterator<Item = (Dialect, usize)> + '_ {
        self.read_afar.iter().copied()
    }

    fn add_distant(&mut self, distant: Distant) {
        let dialect = distant.dialect;
        match self.read_afar.iter_mut().find(|(known, _)| *known == dialect) {
            Some((_, count)) => *count += 1,
            None => self.read_afar.push((dialect, 1)),
        }
        self.distant.push(distant);
    }

    fn remove_distant(&mut self, number: u16, player: PlayerId) -> Option<PlayerId> {
        let of = |distant: &Distant| distant.outpost == number && distant.spectator.player == player;
        let index = self.distant.iter().position(of)?;
        let Distant { spectator, dialect, .. } = self.distant.swap_remove(index);
        if let Some(at) = self.read_afar.iter().position(|(known, _)| *known == dialect) {
            self.read_afar[at].1 -= 1;
            if self.read_afar[at].1 == 0 {
                self.read_afar.swap_remove(at);
            }
        }
        Some(spectator.player)
    }

    /// Everybody, as room mates see them.
    #[must_use]
    pub fn infos(&self) -> Vec<SpectatorInfo<'_>> {
        self.everybody().map(Spectator::info).collect()
    }

    fn everybody(&self) -> impl Iterator<Item = &Spectator> {
        let distant = self.distant.iter().map(|distant| &distant.spectator);
        self.spectators.iter().chain(distant)
    }

    /// Where to reach a spectator, and its name.
    pub(super) fn find(&self, player: PlayerId) -> Option<(Watcher, &str)> {
        let here = self.members.iter().zip(&self.spectators);
        let here = here.map(|(member, spectator)| (Watcher::Here(member.link), spectator));
        let distant = self.distant.iter().map(|distant| {
            let number = distant.outpost;
            (Watcher::Outpost { number, player }, &distant.spectator)
        });
        let (watcher, spectator) = here.chain(distant).find(|(_, spectator)| spectator.player == player)?;
        Some((watcher, &spectator.name))
    }

    /// A spectator, as room mates see it.
    #[must_use]
    pub fn info(&self, player: PlayerId) -> Option<SpectatorInfo<'_>> {
        // Asked of whoever came last, nearly always.
        let newest = [
            self.spectators.last(),
            self.distant.last().map(|distant| &distant.spectator),
        ];
        let mut known = newest.into_iter().flatten().chain(self.everybody());
        known.find(|spectator| spectator.player == player).map(Spectator::info)
    }

    /// Everybody is here now.
    pub(super) fn relink(&mut self, mut place_of: impl FnMut(PlayerId) -> MemberRef) {
        for (member, spectator) in self.members.iter_mut().zip(&self.spectators) {
            member.link = place_of(spectator.player);
        }
        self.read_afar.clear();
        for Distant { spectator, dialect, .. } in self.distant.drain(..) {
            let link = place_of(spectator.player);
            self.members.push(Member { link, dialect });
            self.spectators.push(spectator);
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
        let spectator = Spectator {
            player: visitor.player,
            name: visitor.name.into(),
            connected_at: wall,
        };
        match visitor.spot {
            Spot::Here(member) => {
                self.gallery.members.push(member);
                self.gallery.spectators.push(spectator);
            }
            Spot::Outpost { number, dialect } => self.gallery.add_distant(Distant {
                spectator,
                outpost: number,
                dialect,
            }),
        }
        Ok(())
    }

    /// Ends a spectator's watching. Returns who it was.
    pub fn stop_watching(&mut self, watcher: Watcher, now_ms: u64) -> Option<PlayerId> {
        let gallery = &mut self.gallery;
        let gone = match watcher {
            Watcher::Here(link) => {
                let index = gallery.members.iter().position(|member| member.link == link)?;
                gallery.members.swap_remove(index);
                gallery.spectators.swap_remove(index).player
            }
            Watcher::Outpost { number, player } => gallery.remove_distant(number, player)?,
        };
        self.touch(now_ms);
        Some(gone)
    }

    /// How many of those who sit or watch are reached here rather than at an outpost.
    #[must_use]
    pub fn members_here(&self) -> usize {
        self.roster.len() + self.gallery.members.len()
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
