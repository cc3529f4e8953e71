//! What the shard draws: ids, tokens, nonces, codes. All from its one seed.

use std::sync::Arc;

use rand_chacha::rand_core::RngCore;

use super::Shard;
use crate::auth::token_binding::NONCE_BYTES;
use crate::protocol::{PlanId, ReconnectToken, RoomCode, RoomId};
use crate::shard::state::code_search::{DRAWS_PER_SHARD, Draw, Drawn};
use crate::shard::state::room_key::RoomKey;
use crate::shard::world::slots::{NameHash, Slot};

impl<L> Shard<L> {
    /// Sixteen random bytes, for the caller's own ids.
    pub fn draw_random(&mut self) -> [u8; 16] {
        self.random_bytes()
    }

    pub(super) fn random_bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.random.fill_bytes(&mut bytes);
        bytes
    }

    pub(super) fn draw_nonce(&mut self) -> [u8; NONCE_BYTES] {
        let mut nonce = [0; NONCE_BYTES];
        self.random.fill_bytes(&mut nonce);
        nonce
    }

    pub(super) fn draw_generation(&mut self) -> PlanId {
        PlanId::from_random(self.random_bytes())
    }

    pub(super) fn draw_room_id(&mut self, slot: Slot) -> RoomId {
        RoomId::in_slot(slot.number(), self.random_bytes())
    }

    /// A token that leads to a room.
    pub(super) fn draw_token(&mut self, room_key: RoomKey) -> Option<ReconnectToken> {
        let slot = self.rooms.get(room_key)?.id().slot();
        Some(ReconnectToken::in_slot(slot, self.random_bytes()))
    }

    /// A code that leads to this shard and that no room has.
    pub(super) fn draw_free_code(&mut self, game_name: &str) -> Option<(RoomCode, NameHash)> {
        let world = Arc::clone(&self.world);
        let mut draw = Draw::new(&world, game_name, &mut || self.random.next_u64());
        let most = DRAWS_PER_SHARD * usize::from(world.shards());
        let mut budget = most;
        let leads_here = |slot| world.slots.owner(slot) == self.id;
        match draw.go_on(&self.rooms, game_name, (&mut budget, most), leads_here) {
            Drawn::Fits(code, name) => Some((code, name)),
            Drawn::Nothing | Drawn::NotYet => None,
        }
    }
}
