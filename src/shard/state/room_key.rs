//! Where a room is.

use crate::shard::state::table::TableKey;

/// A room's place on its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomKey {
    index: u32,
    generation: u32,
}

impl TableKey for RoomKey {
    fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    fn index(self) -> u32 {
        self.index
    }

    fn generation(self) -> u32 {
        self.generation
    }
}
