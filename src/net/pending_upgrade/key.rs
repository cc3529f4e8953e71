//! Where the loop finds a socket that has not been upgraded.

use crate::shard::table_key;

/// Where the loop finds a socket that has not been upgraded. Stale ones are harmless: the generation tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UpgradeKey {
    index: u32,
    generation: u32,
}

table_key!(UpgradeKey);
