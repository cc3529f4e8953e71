//! A table whose places are reused and whose keys notice it.
//!
//! Each table has keys of a type of its own: a key to something else does not compile.
//! It grows by chunks, so that growing moves nothing: a table in one piece would copy megabytes in the turn that it fills up.

use std::marker::PhantomData;

/// Generations have this many values and then begin anew: thirty bits, so that a key and two bits more fit into 64.
const GENERATIONS: u32 = 1 << 30;

/// Places of one chunk.
const CHUNK: usize = 256;

/// One place: its holder, and how many holders it has had.
#[derive(Debug)]
struct Cell<T> {
    generation: u32,
    holder: Option<T>,
}

/// Says where in a table something is.
pub(crate) trait TableKey: Copy {
    /// The key of a place's holder of that generation.
    fn new(index: u32, generation: u32) -> Self;

    /// The place.
    fn index(self) -> u32;

    /// Which of the place's successive holders is meant.
    fn generation(self) -> u32;
}

/// Makes a type with the fields `index` and `generation` the key of a table.
macro_rules! table_key {
    ($key:ident) => {
        impl $crate::shard::TableKey for $key {
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
    };
}
pub(crate) use table_key;

/// Values by key. A key outlives what it leads to and then finds nothing.
#[derive(Debug)]
pub(crate) struct Table<K, T> {
    /// All but the last are full.
    chunks: Vec<Vec<Cell<T>>>,
    free: Vec<u32>,
    keys: PhantomData<fn() -> K>,
}

impl<K, T> Default for Table<K, T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free: Vec::new(),
            keys: PhantomData,
        }
    }
}

impl<K: TableKey, T> Table<K, T> {
    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.places() - self.free.len()
    }

    /// How many places there are, held or free.
    pub(in crate::shard) fn places(&self) -> usize {
        self.chunks
            .last()
            .map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    /// Puts a value in and says where.
    pub(crate) fn insert(&mut self, value: T) -> K {
        if let Some(index) = self.free.pop() {
            let place = self.place_mut(index).expect("a free place is a place");
            place.holder = Some(value);
            return K::new(index, place.generation);
        }
        let index = u32::try_from(self.places()).expect("a shard has fewer than 2^32 connections and rooms");
        if (index as usize).is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let chunk = self.chunks.last_mut().expect("there is a chunk with a place to spare");
        chunk.push(Cell {
            generation: 0,
            holder: Some(value),
        });
        K::new(index, 0)
    }

    /// Takes a value out.
    pub(crate) fn remove(&mut self, at: K) -> Option<T> {
        let place = self.place_of_mut(at)?;
        let value = place.holder.take()?;
        place.generation = (place.generation + 1) % GENERATIONS;
        self.free.push(at.index());
        Some(value)
    }

    /// The value there, if it still is.
    pub(crate) fn get(&self, at: K) -> Option<&T> {
        self.place(at.index())
            .filter(|place| place.generation == at.generation())?
            .holder
            .as_ref()
    }

    /// The value there, if it still is.
    pub(crate) fn get_mut(&mut self, at: K) -> Option<&mut T> {
        self.place_of_mut(at)?.holder.as_mut()
    }

    /// Who holds a place now.
    pub(in crate::shard) fn holder_of(&self, index: usize) -> Option<K> {
        let index = u32::try_from(index).ok()?;
        let place = self.place(index).filter(|place| place.holder.is_some())?;
        Some(K::new(index, place.generation))
    }

    /// Every value with the key that it had, taken out of the table.
    pub(in crate::shard) fn into_values(self) -> impl Iterator<Item = (K, T)> {
        let places = self.chunks.into_iter().flatten().enumerate();
        places.filter_map(|(index, place)| {
            let at = K::new(index as u32, place.generation);
            place.holder.map(|value| (at, value))
        })
    }

    /// Every value with its key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        let places = self.chunks.iter().flatten().enumerate();
        places.filter_map(|(index, place)| {
            let at = K::new(index as u32, place.generation);
            place.holder.as_ref().map(|value| (at, value))
        })
    }

    /// Every value.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let places = self.chunks.iter_mut().flatten();
        places.filter_map(|place| place.holder.as_mut())
    }

    fn place(&self, index: u32) -> Option<&Cell<T>> {
        self.chunks.get(index as usize / CHUNK)?.get(index as usize % CHUNK)
    }

    fn place_of_mut(&mut self, at: K) -> Option<&mut Cell<T>> {
        self.place_mut(at.index())
            .filter(|place| place.generation == at.generation())
    }

    fn place_mut(&mut self, index: u32) -> Option<&mut Cell<T>> {
        self.chunks
            .get_mut(index as usize / CHUNK)?
            .get_mut(index as usize % CHUNK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Key = (u32, u32);

    impl TableKey for Key {
        fn new(index: u32, generation: u32) -> Self {
            (index, generation)
        }

        fn index(self) -> u32 {
            self.0
        }

        fn generation(self) -> u32 {
            self.1
        }
    }

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut table = Table::<Key, _>::default();
        let first = table.insert("first");
        assert_eq!(table.remove(first), Some("first"));
        let second = table.insert("second");
        assert_eq!(second.index(), first.index(), "the place is reused");
        assert_eq!((table.get(first), table.get(second)), (None, Some(&"second")));
        assert_eq!(table.remove(first), None);
        assert_eq!(table.len(), 1);
        assert_eq!(table.iter().collect::<Vec<_>>(), [(second, &"second")]);
    }

    #[test]
    fn a_table_of_many_chunks_finds_everything_where_it_was_put() {
        let mut table = Table::<Key, _>::default();
        let all: Vec<_> = (0..3 * CHUNK).map(|value| table.insert(value)).collect();
        assert_eq!((table.len(), table.places()), (3 * CHUNK, 3 * CHUNK));
        for (value, at) in all.iter().enumerate() {
            assert_eq!(table.get(*at), Some(&value));
            assert_eq!(table.holder_of(value), Some(*at));
        }
        assert_eq!(table.remove(all[CHUNK]), Some(CHUNK));
        assert_eq!((table.len(), table.holder_of(CHUNK)), (3 * CHUNK - 1, None));
        assert_eq!(table.iter().count(), table.len());
        assert_eq!(table.holder_of(3 * CHUNK), None);
    }
}
