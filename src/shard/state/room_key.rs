//! Where a room is.

use crate::shard::state::table::table_key;

/// A room's place on its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomKey {
    index: u32,
    generation: u32,
}

table_key!(RoomKey);
