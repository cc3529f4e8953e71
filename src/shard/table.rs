//! A table whose places are reused and whose references notice it.

use crate::room::MemberRef;

/// Generations have this many values and then begin anew: thirty bits, so that a reference and two bits more fit into 64.
const GENERATIONS: u32 = 1 << 30;

/// One place: its holder, and how many holders it has had.
#[derive(Debug)]
struct Place<T> {
    generation: u32,
    holder: Option<T>,
}

/// Values by [`MemberRef`]. A reference outlives what it refers to and then finds nothing.
#[derive(Debug)]
pub(crate) struct Table<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Table<T> {
    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Puts a value in and says where.
    pub(crate) fn insert(&mut self, value: T) -> MemberRef {
        if let Some(index) = self.free.pop() {
            let place = &mut self.places[index as usize];
            place.holder = Some(value);
            return MemberRef {
                index,
                generation: place.generation,
            };
        }
        let index = u32::try_from(self.places.len()).expect("a shard has fewer than 2^32 connections and rooms");
        self.places.push(Place {
            generation: 0,
            holder: Some(value),
        });
        MemberRef { index, generation: 0 }
    }

    /// Takes a value out.
    pub(crate) fn remove(&mut self, at: MemberRef) -> Option<T> {
        let place = self
            .places
            .get_mut(at.index as usize)
            .filter(|place| place.generation == at.generation)?;
        let value = place.holder.take()?;
        place.generation = (place.generation + 1) % GENERATIONS;
        self.free.push(at.index);
        Some(value)
    }

    /// The value there, if it still is.
    pub(crate) fn get(&self, at: MemberRef) -> Option<&T> {
        self.places
            .get(at.index as usize)
            .filter(|place| place.generation == at.generation)?
            .holder
            .as_ref()
    }

    /// The value there, if it still is.
    pub(crate) fn get_mut(&mut self, at: MemberRef) -> Option<&mut T> {
        self.places
            .get_mut(at.index as usize)
            .filter(|place| place.generation == at.generation)?
            .holder
            .as_mut()
    }

    /// Every value with the reference that it had, taken out of the table.
    pub(super) fn into_values(self) -> impl Iterator<Item = (MemberRef, T)> {
        self.places.into_iter().enumerate().filter_map(|(index, place)| {
            let at = MemberRef {
                index: index as u32,
                generation: place.generation,
            };
            place.holder.map(|value| (at, value))
        })
    }

    /// Every value with its reference.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (MemberRef, &T)> {
        self.places.iter().enumerate().filter_map(|(index, place)| {
            let at = MemberRef {
                index: index as u32,
                generation: place.generation,
            };
            place.holder.as_ref().map(|value| (at, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_reference_finds_nothing() {
        let mut table = Table::default();
        let first = table.insert("first");
        assert_eq!(table.remove(first), Some("first"));
        let second = table.insert("second");
        assert_eq!(second.index, first.index, "the place is reused");
        assert_eq!((table.get(first), table.get(second)), (None, Some(&"second")));
        assert_eq!(table.remove(first), None);
        assert_eq!(table.len(), 1);
        assert_eq!(table.iter().collect::<Vec<_>>(), [(second, &"second")]);
    }
}
