//! Where a room lives: (game name, room code) → slot → shard.
//!
//! The 4,096 slots are fixed for ever; which shard owns a slot is a small table that every shard reads. The hash is
//! SipHash-2-4 under a key of the deployment's, so that clients cannot aim at one shard, and so that every process which
//! has the key agrees on it, whatever its version. Vectors are in `docs/adr/001-slots-and-keyed-hash.md` and below.

use std::hash::Hasher;
use std::sync::atomic::{AtomicU16, Ordering};

use siphasher::sip::SipHasher24;

use crate::protocol::RoomCode;
use crate::shard::world::id::ShardId;

/// How many slots there are.
pub const SLOT_COUNT: usize = 4096;

/// One of the fixed slots that rooms are hashed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(u16);

impl Slot {
    /// The slot of that number; only its low twelve bits count.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number & (SLOT_COUNT as u16 - 1))
    }

    /// The slot's number, below 4,096.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// The secret that slots are hashed under. Never printed.
#[derive(Clone, Copy, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct SlotKey([u8; 16]);

impl SlotKey {
    /// A key from sixteen random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The slot of a room.
    #[must_use]
    pub fn slot_of(&self, game_name: &str, room_code: &RoomCode) -> Slot {
        self.hash(game_name, room_code).slot()
    }

    /// The hash of a room's name.
    pub(in crate::shard) fn hash(&self, game_name: &str, room_code: &RoomCode) -> NameHash {
        self.hash_names(game_name, room_code.as_str()).ending(&[])
    }

    /// The hashes of the names in a game whose codes begin with `stem`.
    pub(in crate::shard) fn hash_names(&self, game_name: &str, stem: &str) -> NameHashes {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(game_name.as_bytes());
        // No name and no code holds this byte, so the pair cannot be split in two ways.
        hasher.write(&[0xff]);
        hasher.write(stem.as_bytes());
        NameHashes(hasher)
    }
}

/// The hashes of rooms' names that begin alike: what they share is hashed once.
#[derive(Clone)]
pub(in crate::shard) struct NameHashes(SipHasher24);

impl NameHashes {
    /// The hash of the name that ends so.
    pub(in crate::shard) fn ending(&self, tail: &[u8]) -> NameHash {
        let mut hasher = self.0;
        hasher.write(tail);
        NameHash(hasher.finish())
    }
}

/// It holds the key.
impl std::fmt::Debug for NameHashes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NameHashes([redacted])")
    }
}

/// The hash of a room's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) struct NameHash(u64);

impl NameHash {
    /// The slot of the room.
    pub(in crate::shard) const fn slot(self) -> Slot {
        Slot::new((self.0 >> 52) as u16)
    }
}

impl std::fmt::Debug for SlotKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SlotKey([redacted])")
    }
}

/// Which shard owns which slot. Read by every shard without a lock.
#[derive(Debug)]
pub struct SlotTable {
    owners: Box<[AtomicU16]>,
}

impl SlotTable {
    /// Slots dealt out evenly to `shards` shards.
    ///
    /// # Panics
    ///
    /// When `shards` is 0.
    #[must_use]
    pub fn even(shards: u16) -> Self {
        assert!(shards > 0, "slots need a shard to live on");
        Self {
            owners: (0..SLOT_COUNT as u16)
                .map(|slot| AtomicU16::new(slot % shards))
                .collect(),
        }
    }

    /// The shard that owns a slot.
    #[must_use]
    pub fn owner(&self, slot: Slot) -> ShardId {
        ShardId(self.owners[usize::from(slot.0)].load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(game_name: &str, code: &str) -> u16 {
        let key = SlotKey::new(std::array::from_fn(|index| index as u8));
        key.slot_of(
            game_name,
            &RoomCode::parse(code, code.len()).expect("a well-formed code"),
        )
        .number()
    }

    #[test]
    fn the_hash_is_pinned_by_vectors() {
        let seen = [
            slot("tide-pool", "K7QW2M"),
            slot("reef racer", "ABC234"),
            slot("räuber", "ZZZZZZ"),
            slot("", "A"),
        ];
        assert_eq!(seen, [2628, 3286, 1543, 13]);
    }

    #[test]
    fn a_name_hashes_alike_wherever_it_is_cut() {
        let key = SlotKey::new([3; 16]);
        let code = RoomCode::parse("REEFRACERS22", 12).expect("a well-formed code");
        for cut in 0..=12 {
            let (stem, tail) = code.as_str().split_at(cut);
            let hash = key.hash_names("tide-pool", stem).ending(tail.as_bytes());
            assert_eq!(hash, key.hash("tide-pool", &code), "cut at {cut}");
        }
        assert!(!format!("{:?}", key.hash_names("tide-pool", "A")).contains('3'));
    }

    #[test]
    fn every_shard_owns_its_even_share() {
        let table = SlotTable::even(3);
        let mut owned = [0; 3];
        for number in 0..SLOT_COUNT as u16 {
            owned[table.owner(Slot::new(number)).index()] += 1;
        }
        assert_eq!(owned, [1366, 1365, 1365]);
    }
}
