//! Something small per stripe of keys, where one large map would do.
//!
//! A map that grows moves all that it holds: at 100,000 entries that is milliseconds, in which its shard serves nobody, or
//! every shard waits for its lock. Spread over stripes it never grows as a whole: one stripe does, with the few hundred
//! entries that it has. Promises that a key always leads to the same stripe; which one is hashed under a key of the map's
//! own, so that nobody can aim at one. Must never be asked for all entries on a path that has to be short.

use std::hash::Hash;
use std::iter;

use ahash::RandomState;

/// So many values of one kind, of which each key has one.
#[derive(Debug)]
pub(in crate::shard) struct Stripes<T> {
    hashed: RandomState,
    stripes: Box<[T]>,
}

impl<T: Default> Stripes<T> {
    /// So many stripes.
    pub(in crate::shard) fn new(count: usize) -> Self {
        debug_assert!(count.is_power_of_two(), "a stripe is found by the bits of a hash");
        Self {
            hashed: RandomState::new(),
            stripes: iter::repeat_with(T::default).take(count).collect(),
        }
    }
}

impl<T> Stripes<T> {
    /// The stripe of a key.
    pub(in crate::shard) fn of(&self, key: &(impl Hash + ?Sized)) -> &T {
        &self.stripes[self.index(key)]
    }

    /// The stripe of a key.
    pub(in crate::shard) fn of_mut(&mut self, key: &(impl Hash + ?Sized)) -> &mut T {
        let index = self.index(key);
        &mut self.stripes[index]
    }

    /// All of them.
    pub(in crate::shard) fn iter(&self) -> impl Iterator<Item = &T> {
        self.stripes.iter()
    }

    /// All of them.
    pub(in crate::shard) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.stripes.iter_mut()
    }

    fn index(&self, key: &(impl Hash + ?Sized)) -> usize {
        self.hashed.hash_one(key) as usize & (self.stripes.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use ahash::AHashMap;

    use super::*;

    #[test]
    fn no_stripe_ever_holds_more_than_a_few_hundred_of_many_entries() {
        const ENTRIES: usize = 200_000;
        let mut maps: Stripes<AHashMap<usize, usize>> = Stripes::new(1_024);
        for key in 0..ENTRIES {
            maps.of_mut(&key).insert(key, key + 1);
        }
        assert!((0..ENTRIES).all(|key| maps.of(&key).get(&key) == Some(&(key + 1))));
        let held: Vec<_> = maps.iter().map(|map| map.len()).collect();
        assert_eq!(held.iter().sum::<usize>(), ENTRIES);
        // 195 on average; twice as many would be thirteen standard deviations.
        let most = held.into_iter().max();
        assert!(most < Some(2 * ENTRIES / 1_024), "{most:?} entries grow in one step");
    }
}
