//! Splitting frozen shards among another number of shards.

use ahash::AHashMap;

use crate::protocol::RoomId;
use crate::shard::frozen::{FrozenPlace, FrozenShard, FrozenState};
use crate::shard::world::World;
use crate::shard::world::id::ShardId;
use crate::shard::world::slots::Slot;

/// What one shard of the new process takes in.
#[must_use = "dropping a portion closes its connections"]
pub struct Portion<R> {
    pub(super) shard: ShardId,
    pub(super) frozen: FrozenShard<R>,
}

impl<R> Portion<R> {
    /// The shard that it is for.
    #[must_use]
    pub const fn shard(&self) -> ShardId {
        self.shard
    }

    /// What is in it.
    #[must_use]
    pub const fn frozen(&self) -> &FrozenShard<R> {
        &self.frozen
    }
}

/// Why archives that were read without a fault make no whole. Nothing was taken over: let the old process go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Incoherent {
    /// A room's code leads to another slot than its id.
    #[error("room {0} was frozen under another slot key; hand over the world's archive of the same process")]
    SlotKey(RoomId),
    /// Two rooms have one id.
    #[error("room {0} is there twice; hand over each shard's archive once")]
    TwoRooms(RoomId),
    /// A connection sits in a room that is not there.
    #[error("room {0} has members and is missing; hand over the archives of all shards")]
    NoRoom(RoomId),
    /// The parts of a room do not fit together.
    #[error("room {0} is damaged")]
    Room(RoomId),
    /// The parts of an outbox do not fit together.
    #[error("the outbox of a connection is damaged")]
    Outbox,
}

/// Splits frozen shards among the shards of `world`, however many there are: rooms go to the shard that owns their slot,
/// members with their room, connections on the way to a room of a known name to its home, and all others to the shard
/// that has the fewest.
///
/// # Errors
///
/// What does not fit together.
pub fn deal<R>(frozen: Vec<FrozenShard<R>>, world: &World) -> Result<Vec<Portion<R>>, Incoherent> {
    let next_sweep_ms = frozen.iter().map(|shard| shard.next_sweep_ms).min().unwrap_or(u64::MAX);
    let mut portions: Vec<_> = (0..world.shards())
        .map(|number| Portion {
            shard: ShardId(number),
            frozen: FrozenShard {
                rooms: Vec::new(),
                connections: Vec::new(),
                next_sweep_ms,
            },
        })
        .collect();
    let mut homes: AHashMap<RoomId, ShardId> = AHashMap::new();
    let (mut rooms, mut connections) = (Vec::new(), Vec::new());
    for shard in frozen {
        rooms.extend(shard.rooms);
        connections.extend(shard.connections);
    }
    for frozen in rooms {
        let room = &frozen.room;
        let slot = Slot::new(room.id().slot());
        if world.slot_key.slot_of(room.game_name(), room.code()) != slot {
            return Err(Incoherent::SlotKey(room.id()));
        }
        if !room.is_coherent() {
            return Err(Incoherent::Room(room.id()));
        }
        let home = world.slots.owner(slot);
        if homes.insert(room.id(), home).is_some() {
            return Err(Incoherent::TwoRooms(room.id()));
        }
        portions[home.index()].frozen.rooms.push(frozen);
    }
    let mut free = Vec::new();
    for connection in connections {
        if !connection.traveller.outbox.is_coherent() {
            return Err(Incoherent::Outbox);
        }
        let home = match (connection.place.map(FrozenPlace::room), &connection.state) {
            (Some(room), _) => Some(*homes.get(&room).ok_or(Incoherent::NoRoom(room))?),
            (None, FrozenState::Departing(pending)) => pending.home(world),
            (
                None,
                FrozenState::Open
                | FrozenState::LeavingGallery
                | FrozenState::AwaitingBackend(_)
                | FrozenState::Closing { .. },
            ) => None,
        };
        match home {
            Some(home) => portions[home.index()].frozen.connections.push(connection),
            None => free.push(connection),
        }
    }
    for connection in free {
        let idlest = portions
            .iter_mut()
            .min_by_key(|portion| portion.frozen.connections.len())
            .expect("a world has shards");
        idlest.frozen.connections.push(connection);
    }
    Ok(portions)
}
