//! Where the loop finds a socket that has not been upgraded.

use crate::shard::TableKey;

/// Where the loop finds a socket that has not been upgraded. Stale ones are harmless: the generation tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UpgradeKey {
    index: u32,
    generation: u32,
}

impl TableKey for UpgradeKey {
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
