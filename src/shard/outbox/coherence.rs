//! Whether what came out of an archive is an outbox: its parts fit together, and nothing that is done to it can fail.

use crate::shard::outbox::entry::{Entry, Kind};
use crate::shard::outbox::storage::{FIRST_NUMBER, Storage};

impl Storage {
    /// Whether the parts fit together.
    pub(super) fn is_coherent(&self) -> bool {
        let living = |kind: Kind| {
            self.entries
                .iter()
                .filter(move |entry| !entry.is_dead && entry.kind == kind)
                .count()
        };
        let kinds = [Kind::Report, Kind::Fence, Kind::Reliable, Kind::Latest, Kind::Volatile];
        if kinds
            .iter()
            .any(|kind| self.living[*kind as usize] as usize != living(*kind))
        {
            return false;
        }
        let end = self.first_number.saturating_add(self.entries.len() as u64);
        let fences = u64::from(self.living[Kind::Fence as usize]);
        if !self.holes.is_coherent(fences) || !self.told.is_coherent(end) {
            return false;
        }
        if self.bytes.is_empty() {
            let has_no_frames = self.entries.is_empty() && self.dead_frames == 0 && self.dead_bytes == 0;
            return has_no_frames && self.cut_bytes == 0 && self.has_coherent_droppables() && !self.holes.is_empty();
        }
        let numbers = FIRST_NUMBER / 2..u64::MAX / 2;
        self.entries.iter().all(|entry| entry.length() > 0)
            && self.entries.front().is_some_and(|head| self.cut_bytes < head.length())
            && self.length_of(0..self.entries.len()) == self.bytes.len()
            && numbers.contains(&self.first_number)
            && self.has_coherent_dead()
            && self.has_coherent_droppables()
    }

    fn has_coherent_dead(&self) -> bool {
        let dead = || self.entries.iter().filter(|entry| entry.is_dead);
        self.dead_frames == dead().count()
            && self.dead_bytes == dead().map(Entry::length).sum::<usize>()
            && self.dead_bytes < self.bytes.len()
            && (self.cut_bytes == 0 || !self.entries[0].is_dead)
    }

    /// Every living frame that may be taken back is listed, and no other.
    fn has_coherent_droppables(&self) -> bool {
        let mut frames = (self.first_number..)
            .zip(&self.entries)
            .skip(usize::from(self.cut_bytes > 0));
        let [latest, volatile] = self.droppables.lists();
        let (mut latest, mut volatile) = (latest.iter(), volatile.iter());
        frames.all(|(number, entry)| {
            let known = match entry.kind {
                _ if entry.is_dead => return true,
                Kind::Report | Kind::Fence | Kind::Reliable => return true,
                Kind::Latest => latest.next(),
                Kind::Volatile => volatile.next(),
            };
            known.is_some_and(|known| {
                known.number == number
                    && Some(known.origin.class) == entry.kind.droppable()
                    && known.fences_before <= self.holes.fences()
            })
        }) && latest.next().is_none()
            && volatile.next().is_none()
    }
}
