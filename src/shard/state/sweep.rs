//! When the rooms are looked over, and how far that is.

/// When the rooms are looked over, and how far that is.
#[derive(Debug)]
pub(in crate::shard) struct Sweep {
    pub(in crate::shard) next_ms: u64,
    /// Where to go on.
    pub(in crate::shard) place: Option<usize>,
    /// When the sweep began that goes on, or was the last.
    pub(in crate::shard) began_ms: u64,
}

impl Sweep {
    /// The first sweep begins at `first_ms`.
    pub(in crate::shard) const fn planned(first_ms: u64) -> Self {
        Self {
            next_ms: first_ms,
            place: None,
            began_ms: first_ms,
        }
    }

    /// When there is something to do next; 0 in the middle of a sweep.
    pub(in crate::shard) const fn next_ms(&self) -> u64 {
        match self.place {
            Some(_) => 0,
            None => self.next_ms,
        }
    }

    /// Begins no later than that.
    pub(in crate::shard) fn hasten(&mut self, at_ms: u64) {
        self.next_ms = self.next_ms.min(at_ms);
    }
}
