//! Outages: when nothing was delivered at all although something was owed. Found in ticks, so that an outage is told to a
//! hundredth of a second however long the test is.

/// What is known is known to so much.
pub(crate) const TICK_NS: u64 = 10_000_000;
/// A shorter silence may be latency.
const MIN_GAP_TICKS: usize = 50;

/// In which ticks something happened.
#[derive(Debug, Clone)]
pub(crate) struct Ticks {
    words: Vec<u64>,
    count: usize,
}

/// A stretch of time in which nothing was delivered, from the beginning of the measured window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    /// When the first message was due that did not come.
    pub(crate) stopped_ns: u64,
    /// Missing when nothing came until the end.
    pub(crate) back_ns: Option<u64>,
}

impl Ticks {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            words: vec![0; count.div_ceil(64)],
            count,
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn mark(&mut self, tick: usize) {
        self.words[tick / 64] |= 1 << (tick % 64);
    }

    pub(crate) fn is_marked(&self, tick: usize) -> bool {
        self.words[tick / 64] & (1 << (tick % 64)) != 0
    }

    /// Adds those of another thread.
    pub(crate) fn add(&mut self, other: &Self) {
        for (ours, theirs) in self.words.iter_mut().zip(&other.words) {
            *ours |= theirs;
        }
    }

    /// Takes these for ticks with deliveries and finds where there are none before tick `until`, although something was due.
    pub(crate) fn gaps(&self, until: usize, is_due: impl Fn(usize) -> bool) -> Vec<Gap> {
        let until = until.min(self.count);
        let mut gaps = Vec::new();
        let mut waits_since: Option<usize> = None;
        let mut end = |since: Option<usize>, tick: usize, back: bool| {
            let since = since.filter(|since| tick - since >= MIN_GAP_TICKS);
            gaps.extend(since.map(|since| Gap {
                stopped_ns: since as u64 * TICK_NS,
                back_ns: back.then_some(tick as u64 * TICK_NS),
            }));
        };
        for tick in 0..until {
            if self.is_marked(tick) {
                end(waits_since.take(), tick, true);
            } else if waits_since.is_none() && is_due(tick) {
                waits_since = Some(tick);
            }
        }
        end(waits_since, until, false);
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three seconds with deliveries in these ticks.
    fn delivered(ticks: impl IntoIterator<Item = usize>) -> Ticks {
        let mut all = Ticks::new(300);
        ticks.into_iter().for_each(|tick| all.mark(tick));
        all
    }

    #[test]
    fn silence_until_the_end_is_an_outage_without_a_return() {
        let gaps = delivered(0..120).gaps(300, |_| true);
        assert_eq!(
            gaps,
            [Gap {
                stopped_ns: 120 * TICK_NS,
                back_ns: None
            }]
        );
    }

    #[test]
    fn silence_in_the_middle_ends_with_the_next_delivery() {
        let gaps = delivered((0..120).chain(200..300)).gaps(300, |_| true);
        assert_eq!(
            gaps,
            [Gap {
                stopped_ns: 120 * TICK_NS,
                back_ns: Some(200 * TICK_NS)
            }]
        );
    }

    #[test]
    fn where_nothing_is_due_or_it_comes_soon_there_is_no_outage() {
        let sparse = delivered([0, 100, 200]);
        let due = |tick: usize| tick.is_multiple_of(100);
        assert_eq!(sparse.gaps(300, due), [], "a message a second");
        let late = delivered([30, 130, 230]);
        assert_eq!(late.gaps(300, due), [], "0.3 s late each");
        assert_eq!(delivered(0..300).gaps(300, |_| true), []);
        assert_eq!(delivered([]).gaps(300, |_| false), []);
        assert_eq!(delivered([]).gaps(300, |_| true).len(), 1);
    }

    #[test]
    fn a_delivery_to_another_thread_is_a_delivery() {
        let mut ours = delivered(0..100);
        ours.add(&delivered(100..300));
        assert_eq!(ours.gaps(300, |_| true), []);
    }
}
