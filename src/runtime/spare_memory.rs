//! Memory that the allocator keeps although nobody uses it goes back to the system after many have left.
//!
//! glibc gives freed memory back only from the top of an arena, where something small usually lies: 3,000 connections that
//! held 60 kB each left 193 MiB resident for good, against 14 MiB before they came (`tests/own_process/memory_comes_back.rs`).
//! Trimming takes every arena's lock in turn, and a shard that allocates meanwhile waits for its own: so it is done by the
//! supervisor's thread, and only when there is much to give back. That wait is 20 to 36 ms after 3,000 blocks of 60 kB, and
//! nothing after 9,000 idle players. Mapping large blocks singly (`M_MMAP_THRESHOLD` 32 KiB) would spare it, but made relaying
//! messages of 60 kB cost 88 µs per delivery instead of 51.

use std::time::Instant;

/// Fewer departures than this are not worth it, in connections.
const FEWEST_DEPARTURES: usize = 256;

/// When to give memory back.
#[derive(Debug, Default)]
pub struct SpareMemory {
    /// The most connections since memory was last given back.
    peak: usize,
}

impl SpareMemory {
    /// Gives memory back if at least a quarter of the connections have left since the last time, and at least 256. `peak` is
    /// the most that there were since the last look. Call it every few seconds, from no shard's thread.
    pub fn look(&mut self, peak: usize, connections: usize) {
        if self.is_due(peak, connections) {
            let began = Instant::now();
            trim();
            tracing::debug!(
                connections,
                took_ms = began.elapsed().as_millis() as u64,
                "spare memory was given back"
            );
        }
    }

    fn is_due(&mut self, peak: usize, connections: usize) -> bool {
        self.peak = self.peak.max(peak).max(connections);
        let departures = self.peak - connections;
        let is_due = departures >= FEWEST_DEPARTURES.max(self.peak / 4);
        if is_due {
            self.peak = connections;
        }
        is_due
    }
}

#[cfg(target_env = "gnu")]
fn trim() {
    // SAFETY: has no requirements; it takes the allocator's own locks.
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries give back what is free by themselves.
#[cfg(not(target_env = "gnu"))]
const fn trim() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_when_many_have_left_and_not_again_until_many_more_have() {
        let mut spare = SpareMemory::default();
        let looks = [
            (3_000, 3_000, false),
            (3_000, 2_251, false),
            (2_251, 2_250, true),
            (2_250, 2_250, false),
            (2_250, 1_994, false),
            (1_994, 1_600, true),
        ];
        for (peak, connections, is_due) in looks {
            assert_eq!(spare.is_due(peak, connections), is_due, "{connections}");
        }
    }

    #[test]
    fn who_came_and_left_between_two_looks_counts_too_and_few_are_not_worth_it() {
        let mut spare = SpareMemory::default();
        assert!(!spare.is_due(255, 0));
        assert!(spare.is_due(256, 0));
        assert!(!spare.is_due(0, 0));
    }
}
