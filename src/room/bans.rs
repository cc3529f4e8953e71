//! Who is kept out of a room.

use std::collections::VecDeque;

use crate::protocol::PlayerId;

/// The most bans that a room keeps; the oldest is forgotten for a newer one.
pub(super) const MAX_BANS: usize = 256;

/// Somebody who is kept out for the life of the room.
#[derive(Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Ban {
    player: PlayerId,
    /// The name's caseless form; `None` where another player had the name, who would be kept out with the banned one.
    folded_name: Option<Box<str>>,
}

/// Everybody who is kept out, oldest first.
#[derive(Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Bans(pub(super) VecDeque<Ban>);

impl Bans {
    /// Whether somebody of that id or that name is kept out.
    pub(super) fn hold(&self, player: PlayerId, folded_name: &str) -> bool {
        let bans = &mut self.0.iter();
        bans.any(|ban| ban.player == player || ban.folded_name.as_deref() == Some(folded_name))
    }

    /// Keeps a player out; the oldest ban is forgotten when there are too many.
    pub(super) fn add(&mut self, player: PlayerId, folded_name: Option<Box<str>>) {
        if self.0.len() == MAX_BANS {
            self.0.pop_front();
        }
        self.0.push_back(Ban { player, folded_name });
    }

    /// Lets a player in again.
    pub(super) fn lift(&mut self, player: PlayerId) {
        self.0.retain(|ban| ban.player != player);
    }
}
