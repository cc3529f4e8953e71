//! Large galleries, spread over the shards.
//!
//! Players and the first spectators of a room live at its home. Spectators above a limit stay on the shard that accepted
//! them, which keeps an *outpost* of the room: home gathers what the room says in a turn in one bulletin, each frame
//! encoded once per shape, and sends it to each outpost by reference; the outpost puts it into the outboxes of its
//! watchers, in slices, so that a gallery of thousands delays nobody for long. The home is the only one who numbers, admits
//! and removes.
//!
//! What shards say to each other are [`ShardMessage`](super::message::ShardMessage)s. Between two shards they keep their order, and so
//! a spectator gets nothing of a room before its snapshot and misses nothing after it.

use std::collections::VecDeque;

use ahash::AHashMap;

use crate::protocol::{PlayerId, RoomId};
use crate::room::ConnectionKey;
use crate::shard::exchange::message::OutpostMail;
use crate::shard::exchange::outpost::Outpost;
use crate::shard::exchange::registry::STRIPES;
use crate::shard::world::stripes::Stripes;

/// The outposts that a shard keeps of rooms, its own among them.
#[derive(Debug)]
pub(in crate::shard) struct Outposts {
    by_room: Stripes<AHashMap<RoomId, Outpost>>,
    /// Outposts that have mail, each once, unless they are gathering or [taken](Self::take_busy).
    busy: VecDeque<RoomId>,
    /// Outposts that let bulletins gather, each once.
    gathering: Vec<RoomId>,
}

impl Default for Outposts {
    fn default() -> Self {
        Self {
            by_room: Stripes::new(STRIPES),
            busy: VecDeque::new(),
            gathering: Vec::new(),
        }
    }
}

impl Outposts {
    pub(in crate::shard) fn get_mut(&mut self, room: RoomId) -> Option<&mut Outpost> {
        self.by_room.of_mut(&room).get_mut(&room)
    }

    /// All of them, with the rooms that they are of.
    pub(in crate::shard) fn iter(&self) -> impl Iterator<Item = (&RoomId, &Outpost)> {
        self.by_room.iter().flatten()
    }

    /// The same, to change them.
    pub(in crate::shard) fn iter_mut(&mut self) -> impl Iterator<Item = (&RoomId, &mut Outpost)> {
        self.by_room.iter_mut().flatten()
    }

    pub(in crate::shard) fn receive(&mut self, room: RoomId, mail: OutpostMail) {
        let outpost = self.by_room.of_mut(&room).entry(room).or_default();
        if !outpost.has_mail() {
            self.busy.push_back(room);
        } else if !matches!(mail, OutpostMail::Bulletin(_))
            && let Some(index) = self.gathering.iter().position(|known| *known == room)
        {
            // Somebody waits for it, and it comes behind what has gathered.
            self.gathering.swap_remove(index);
            self.busy.push_back(room);
        }
        outpost.receive(mail);
    }

    /// Whether mail is let gather.
    pub(in crate::shard) const fn gathers(&self) -> bool {
        !self.gathering.is_empty()
    }

    /// Whether there is mail that may be served.
    pub(in crate::shard) fn has_mail(&self) -> bool {
        !self.busy.is_empty()
    }

    /// When mail that was let gather may be served.
    pub(in crate::shard) fn next_pass_ms(&self) -> Option<u64> {
        let next_ms = |room| self.by_room.of(room).get(room).map_or(0, Outpost::next_pass_ms);
        self.gathering.iter().map(next_ms).min()
    }

    /// Lets mail be served that has gathered for long enough.
    pub(in crate::shard) fn release(&mut self, now_ms: u64) {
        let Self {
            by_room,
            busy,
            gathering,
        } = self;
        gathering.retain(|room| {
            let Some(outpost) = by_room.of_mut(room).get_mut(room) else {
                return false;
            };
            let gathers = outpost.next_pass_ms() > now_ms;
            if !gathers {
                outpost.gather_no_more();
                busy.push_back(*room);
            }
            gathers
        });
    }

    /// The next outpost to serve. [Put it back](Self::put_back) when it was served.
    pub(in crate::shard) fn take_busy(&mut self) -> Option<RoomId> {
        self.busy.pop_front()
    }

    /// Sees to what is left to serve of an outpost, and forgets one that has nobody and nothing.
    pub(in crate::shard) fn put_back(&mut self, room: RoomId, now_ms: u64) {
        let outposts = self.by_room.of_mut(&room);
        let Some(outpost) = outposts.get(&room) else {
            return;
        };
        if outpost.is_over() {
            outposts.remove(&room);
        } else if outpost.may_gather(now_ms) {
            self.gathering.push(room);
        } else if outpost.has_mail() {
            self.busy.push_back(room);
        }
    }

    /// Takes a connection out of an outpost. Says who it was.
    pub(in crate::shard) fn remove(&mut self, room: RoomId, at: ConnectionKey) -> Option<PlayerId> {
        let outposts = self.by_room.of_mut(&room);
        let outpost = outposts.get_mut(&room)?;
        let removed = outpost.remove(at);
        if outpost.is_over() {
            outposts.remove(&room);
        }
        removed
    }
}
