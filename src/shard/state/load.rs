//! How busy the shard has been of late.

/// What is a second old counts for a third.
const MEMORY_US: f64 = 1e6;

/// Between two looks at least.
const SHORTEST_LOOK_US: u64 = 10_000;

/// The most that one look counts for: a process that stood still in the middle of a turn was not busy for all that time.
const LONGEST_LOOK_US: u64 = 100_000;

/// How busy the shard has been of late.
#[derive(Debug, Default)]
pub(in crate::shard) struct Load {
    /// Spent in turns since the last look.
    worked_us: u64,
    looked_us: u64,
    busy: f64,
}

impl Load {
    /// A turn took so long, and has ended now. Says whether the figure is worked out anew.
    pub(in crate::shard) fn note_turn(&mut self, took_us: u64, now_us: u64) -> bool {
        self.worked_us += took_us;
        let span_us = now_us.saturating_sub(self.looked_us);
        if span_us < SHORTEST_LOOK_US {
            return false;
        }
        self.looked_us = now_us;
        let share = (std::mem::take(&mut self.worked_us) as f64 / span_us as f64).min(1.0);
        let weight = 1.0 - (-(span_us.min(LONGEST_LOOK_US) as f64) / MEMORY_US).exp();
        self.busy += (share - self.busy) * weight;
        true
    }

    /// The share of its time that the shard has spent in turns, 0 to 1.
    pub(in crate::shard) const fn busy(&self) -> f64 {
        self.busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A look every 10 ms, so much of them in turns.
    fn work(load: &mut Load, from_us: u64, looks: u64, took_us: u64) -> u64 {
        (1..=looks).fold(from_us, |_, look| {
            let now_us = from_us + look * 10_000;
            load.note_turn(took_us, now_us);
            now_us
        })
    }

    #[test]
    fn what_goes_on_is_believed_within_seconds_and_a_burst_is_not() {
        let mut load = Load::default();
        let now_us = work(&mut load, 0, 500, 3_000);
        assert!((load.busy() - 0.3).abs() < 0.01, "{}", load.busy());
        let now_us = work(&mut load, now_us, 10, 10_000);
        assert!(load.busy() < 0.4, "a tenth of a second: {}", load.busy());
        let now_us = work(&mut load, now_us, 400, 10_000);
        assert!(load.busy() > 0.97, "{}", load.busy());
        work(&mut load, now_us, 400, 0);
        assert!(load.busy() < 0.03, "{}", load.busy());
    }

    #[test]
    fn a_standstill_is_no_work() {
        let mut load = Load::default();
        let now_us = work(&mut load, 0, 500, 1_000);
        load.note_turn(30_000_000, now_us + 30_000_000);
        assert!(load.busy() < 0.2, "{}", load.busy());
    }
}
