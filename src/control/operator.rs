//! What the operator asks about rooms and does to them, whether through the library or on the control plane itself.
//!
//! Promises that a shard is asked a stretch at a time and never waited for longer than it may take. That the operator may do
//! this is the caller's to know.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::shards::{Shards, Silent, ask, order};
use crate::net::Peers;
use crate::protocol::{PlayerId, RoomId};
use crate::shard::{RoomDetail, RoomView, ShardId, Slot, World};

/// How long a shard may take to show all its rooms, stretch by stretch.
const WITHIN: Duration = Duration::from_secs(3);

/// Rooms that are shown at most.
pub const MAX_ROOMS: usize = 10_000;

/// Spectators of a room that are shown at most.
const MAX_SPECTATORS: usize = 1_000;

/// Rooms, as they were when their shards were asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomList {
    /// 10,000 of them at most, in no order.
    pub rooms: Vec<RoomView>,
    /// How many there are.
    pub count: u64,
}

/// Asks and orders in the operator's name.
#[derive(Debug)]
pub(super) struct Operator {
    world: Arc<World>,
    shards: Arc<Shards>,
}

impl Operator {
    pub(super) fn new(world: Arc<World>, shards: Arc<Shards>) -> Self {
        Self { world, shards }
    }

    /// All rooms.
    pub(super) async fn rooms(&self) -> Result<RoomList, Silent> {
        let mut all = RoomList::default();
        for shard in (0..self.shards.peers().len() as u16).map(ShardId) {
            let most = MAX_ROOMS - all.rooms.len();
            let told = timeout(WITHIN, rooms_of(Arc::clone(self.shards.peers()), shard, most)).await;
            let part = told.ok().flatten().ok_or(Silent(shard))?;
            all.rooms.extend(part.rooms);
            all.count += part.count;
        }
        Ok(all)
    }

    /// One room, if it is there.
    pub(super) async fn room(&self, room: RoomId) -> Result<Option<RoomDetail>, Silent> {
        let home = self.home_of(room);
        let shown = ask(Arc::clone(self.shards.peers()), home, move |shard, now| {
            shard.room_detail(room, MAX_SPECTATORS, now)
        });
        shown.await.ok_or(Silent(home))
    }

    /// Removes somebody from a room. `false`: the room is not there, or nobody of that id is in it.
    pub(super) async fn kick(&self, room: RoomId, player: PlayerId) -> Result<bool, Silent> {
        let home = self.home_of(room);
        let kicked = order(Arc::clone(self.shards.peers()), home, move |shard, now| {
            shard.expel(room, player, now)
        });
        kicked.await.ok_or(Silent(home))
    }

    /// Closes a room. `false`: it is not there.
    pub(super) async fn close_room(&self, room: RoomId) -> Result<bool, Silent> {
        let home = self.home_of(room);
        let closed = order(Arc::clone(self.shards.peers()), home, move |shard, now| {
            shard.close_room(room, now)
        });
        closed.await.ok_or(Silent(home))
    }

    /// Where a room lives, if it does: its id leads there.
    fn home_of(&self, room: RoomId) -> ShardId {
        self.world.slots.owner(Slot::new(room.slot()))
    }
}

async fn rooms_of(peers: Peers, shard: ShardId, most: usize) -> Option<RoomList> {
    let (mut found, mut from) = (RoomList::default(), 0);
    loop {
        let left = most - found.rooms.len();
        let part = ask(Arc::clone(&peers), shard, move |shard, now| {
            shard.room_views(from, left, now)
        })
        .await?;
        found.rooms.extend(part.rooms);
        found.count += part.count;
        match part.next {
            Some(next) => from = next,
            None => return Some(found),
        }
    }
}
