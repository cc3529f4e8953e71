//! How many of something each key has.
//!
//! Owns the counts and their locks. Promises that a key without any is not kept, and that no lock is held while more than
//! the entries of one stripe move.

use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ahash::AHashMap;

use crate::shard::world::stripes::Stripes;

/// At 200,000 keys a stripe has some 200.
const STRIPES: usize = 1_024;

/// Counts by key, shared by all shards.
#[derive(Debug)]
pub(super) struct Tally<K> {
    counts: Stripes<Mutex<AHashMap<K, usize>>>,
}

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self {
            counts: Stripes::new(STRIPES),
        }
    }
}

impl<K: Eq + Hash> Tally<K> {
    /// The count of a key, locked.
    pub(super) fn entry(&self, key: K) -> Entry<'_, K> {
        // No code under the lock can panic half-way through a change.
        let counts = self.counts.of(&key).lock().unwrap_or_else(PoisonError::into_inner);
        Entry { counts, key }
    }
}

/// The count of one key, which nobody else can change meanwhile.
#[derive(Debug)]
pub(super) struct Entry<'a, K> {
    counts: MutexGuard<'a, AHashMap<K, usize>>,
    key: K,
}

impl<K: Eq + Hash> Entry<'_, K> {
    pub(super) fn count(&self) -> usize {
        self.counts.get(&self.key).copied().unwrap_or(0)
    }

    /// Adds one.
    pub(super) fn add(mut self) {
        *self.counts.entry(self.key).or_default() += 1;
    }

    /// Takes one.
    pub(super) fn release(mut self) {
        let count = self.counts.get_mut(&self.key).expect("what was admitted is counted");
        *count -= 1;
        if *count == 0 {
            self.counts.remove(&self.key);
        }
    }
}
