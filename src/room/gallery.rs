//! Who watches a room without a seat in it.
//!
//! A spectator is reached here, or through one of the room's outposts: a place of which the room knows the number and what
//! is read there, and nothing more.

use super::{ConnectionKey, Member};
use crate::protocol::server_message::SpectatorInfo;
use crate::protocol::{Dialect, PlayerId, WallTime};

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

impl Spot {
    /// What the connection reads.
    pub(super) const fn dialect(self) -> Dialect {
        match self {
            Self::Here(member) => member.dialect,
            Self::Outpost { dialect, .. } => dialect,
        }
    }
}

/// Which spectator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watcher {
    /// One whose connection is where the room is.
    Here(ConnectionKey),
    /// One at an outpost.
    Outpost {
        /// Which outpost.
        number: u16,
        /// Who.
        player: PlayerId,
    },
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

    /// Adds a spectator who may watch.
    pub(super) fn add(&mut self, spot: Spot, player: PlayerId, name: &str, connected_at: WallTime) {
        let spectator = Spectator {
            player,
            name: name.into(),
            connected_at,
        };
        match spot {
            Spot::Here(member) => {
                self.members.push(member);
                self.spectators.push(spectator);
            }
            Spot::Outpost { number, dialect } => {
                match self.read_afar.iter_mut().find(|(known, _)| *known == dialect) {
                    Some((_, count)) => *count += 1,
                    None => self.read_afar.push((dialect, 1)),
                }
                self.distant.push(Distant {
                    spectator,
                    outpost: number,
                    dialect,
                });
            }
        }
    }

    /// Takes a spectator away, and says who it was.
    pub(super) fn remove(&mut self, watcher: Watcher) -> Option<PlayerId> {
        match watcher {
            Watcher::Here(connection) => {
                let index = self.members.iter().position(|member| member.connection == connection)?;
                self.members.swap_remove(index);
                Some(self.spectators.swap_remove(index).player)
            }
            Watcher::Outpost { number, player } => self.remove_distant(number, player),
        }
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

    /// Everybody, and where to reach each.
    pub fn watchers(&self) -> impl Iterator<Item = (Watcher, SpectatorInfo<'_>)> {
        let here = self.members.iter().zip(&self.spectators);
        let here = here.map(|(member, spectator)| (Watcher::Here(member.connection), spectator));
        let distant = self.distant.iter().map(|Distant { spectator, outpost, .. }| {
            let (number, player) = (*outpost, spectator.player);
            (Watcher::Outpost { number, player }, spectator)
        });
        here.chain(distant)
            .map(|(watcher, spectator)| (watcher, spectator.info()))
    }

    fn everybody(&self) -> impl Iterator<Item = &Spectator> {
        let distant = self.distant.iter().map(|distant| &distant.spectator);
        self.spectators.iter().chain(distant)
    }

    /// Where to reach a spectator, and its name.
    pub(super) fn find(&self, player: PlayerId) -> Option<(Watcher, &str)> {
        let (watcher, info) = self.watchers().find(|(_, info)| info.id == player)?;
        Some((watcher, info.name))
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
    pub(super) fn relink(&mut self, mut place_of: impl FnMut(PlayerId) -> ConnectionKey) {
        for (member, spectator) in self.members.iter_mut().zip(&self.spectators) {
            member.connection = place_of(spectator.player);
        }
        self.read_afar.clear();
        for Distant { spectator, dialect, .. } in self.distant.drain(..) {
            let connection = place_of(spectator.player);
            self.members.push(Member { connection, dialect });
            self.spectators.push(spectator);
        }
    }

    /// Whether the tables are in step, as those out of an archive may not be.
    pub(super) fn is_coherent(&self) -> bool {
        self.members.len() == self.spectators.len()
    }
}
