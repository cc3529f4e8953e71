//! What the shards of a process share, from one process to the next.

use std::sync::Arc;

use crate::shard::world::World;
use crate::shard::world::admission::{AdmissionLimits, FrozenHandshakes};
use crate::shard::world::settings::Settings;
use crate::shard::world::slots::SlotKey;

/// What the shards of a process share and the next process must have. Keep it as secret as the slot key in it.
#[derive(Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct FrozenWorld {
    pub(super) slot_key: SlotKey,
    pub(super) handshakes: FrozenHandshakes,
}

impl World {
    /// The world of a process that takes over from another one: its slot key and its rates go on. What addresses have missed
    /// with room codes begins anew: that is a window's guesses more for whoever guesses, once.
    #[must_use]
    pub fn thaw(
        settings: Settings,
        limits: AdmissionLimits,
        shards: u16,
        frozen: FrozenWorld,
        now_ms: u64,
    ) -> Arc<Self> {
        let FrozenWorld { slot_key, handshakes } = frozen;
        let world = Self::new(settings, limits, shards, slot_key);
        world.ledger.thaw_handshakes(handshakes, now_ms);
        world
    }

    /// What the shards share and the next process must have. The world goes on unchanged.
    #[must_use]
    pub fn freeze(&self, now_ms: u64) -> FrozenWorld {
        FrozenWorld {
            slot_key: self.slot_key,
            handshakes: self.ledger.freeze_handshakes(now_ms),
        }
    }
}
