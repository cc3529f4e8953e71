//! What will not come, by pair: places of a stream that the server has told it leaves out.
//!
//! A gap may be told before the stream has come to it. The account never rests inside a gap: its next sequence is always
//! one that may still come.

use std::collections::HashMap;
use std::ops::Range;

/// Gaps of a pair that are remembered behind its next sequence, to know a delivery of what was told to be missing.
const REMEMBERED: usize = 512;

/// Why a place is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Superseded,
    DroppedFull,
    VolatileDropped,
    UnsupportedFormat,
    /// Its sender was gone before the server had accepted it.
    Unaccepted,
}

/// Places in a row that are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Gap {
    places: Range<u32>,
    why: Why,
}

/// The gaps of all pairs.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// In order and without overlap, by pair.
    of_pair: HashMap<u32, Vec<Gap>>,
    /// Places at or beyond the next sequence of their pair.
    ahead: u64,
}

impl Gaps {
    /// No stream is about to come to a gap.
    pub(super) fn none_ahead(&self) -> bool {
        self.ahead == 0
    }

    /// Why this place is left out, if it is.
    pub(super) fn why(&self, pair: u32, sequence: u32) -> Option<Why> {
        let gaps = self.of_pair.get(&pair)?;
        let at = gaps.partition_point(|gap| gap.places.end <= sequence);
        gaps.get(at)
            .filter(|gap| gap.places.contains(&sequence))
            .map(|gap| gap.why)
    }

    /// Notes that a place, which is in no gap yet, is left out; `next` is the pair's next sequence.
    pub(super) fn add(&mut self, pair: u32, next: u32, sequence: u32, why: Why) {
        let gaps = self.of_pair.entry(pair).or_default();
        let at = gaps.partition_point(|gap| gap.places.end <= sequence);
        self.ahead += u64::from(sequence >= next);
        if let Some(before) = at.checked_sub(1).map(|before| &mut gaps[before])
            && before.places.end == sequence
            && before.why == why
        {
            before.places.end += 1;
        } else {
            let places = sequence..sequence + 1;
            gaps.insert(at, Gap { places, why });
        }
        if gaps.len() > 2 * REMEMBERED {
            let behind = gaps.partition_point(|gap| gap.places.end <= next);
            gaps.drain(..behind.saturating_sub(REMEMBERED));
        }
    }

    /// The stream of a pair moves from `next` to `sequence`, which is in no gap: what is skipped without being in one.
    pub(super) fn pass(&mut self, pair: u32, next: u32, sequence: u32) -> Vec<Range<u32>> {
        let skipped = self.outside(pair, next, sequence);
        let left_out = skipped.iter().map(ExactSizeIterator::len).sum::<usize>() as u32;
        self.ahead -= u64::from(sequence - next - left_out);
        skipped
    }

    /// What is in no gap from the next sequence of a pair up to `end`, which is in none either.
    pub(super) fn outside(&self, pair: u32, next: u32, end: u32) -> Vec<Range<u32>> {
        let mut outside = Vec::new();
        let mut at = next;
        for gap in self.from(pair, next) {
            if gap.places.start >= end {
                break;
            }
            outside.push(at..gap.places.start);
            at = gap.places.end;
        }
        outside.push(at..end);
        outside
    }

    /// Where a stream that has come to `at` goes on: beyond the gaps that begin there.
    pub(super) fn beyond(&mut self, pair: u32, at: u32) -> u32 {
        let mut beyond = at;
        for gap in self.from(pair, at) {
            if gap.places.start > beyond {
                break;
            }
            beyond = gap.places.end;
        }
        self.ahead -= u64::from(beyond - at);
        beyond
    }

    /// Places of a pair left out at or beyond its next sequence.
    pub(super) fn ahead_of(&self, pair: u32, next: u32) -> u32 {
        self.from(pair, next).iter().map(|gap| gap.places.len() as u32).sum()
    }

    /// The stream of a pair, which has come to `next`, begins anew elsewhere.
    pub(super) fn forget(&mut self, pair: u32, next: u32) {
        self.ahead -= u64::from(self.ahead_of(pair, next));
        self.of_pair.remove(&pair);
    }

    /// The gaps of a pair from its next sequence on, which is never inside one.
    fn from(&self, pair: u32, next: u32) -> &[Gap] {
        let gaps = self.of_pair.get(&pair).map(Vec::as_slice).unwrap_or_default();
        &gaps[gaps.partition_point(|gap| gap.places.end <= next)..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: u32 = 3;

    fn with(places: &[(u32, Why)]) -> Gaps {
        let mut gaps = Gaps::default();
        for &(sequence, why) in places {
            gaps.add(PAIR, 0, sequence, why);
        }
        gaps
    }

    fn skipped(gaps: &mut Gaps, next: u32, sequence: u32) -> Vec<u32> {
        gaps.pass(PAIR, next, sequence).into_iter().flatten().collect()
    }

    #[test]
    fn what_is_in_no_gap_is_skipped() {
        let mut gaps = with(&[
            (7, Why::Superseded),
            (2, Why::DroppedFull),
            (3, Why::DroppedFull),
            (4, Why::Superseded),
        ]);
        assert_eq!((gaps.ahead, gaps.ahead_of(PAIR, 0)), (4, 4));
        assert_eq!(skipped(&mut gaps, 0, 6), [0, 1, 5]);
        assert_eq!(gaps.beyond(PAIR, 7), 8);
        assert!(gaps.none_ahead());
        assert_eq!(gaps.why(PAIR, 4), Some(Why::Superseded), "it is remembered");
        assert_eq!(gaps.why(PAIR, 5), None);
    }

    #[test]
    fn a_stream_goes_on_beyond_all_gaps_in_a_row() {
        let mut gaps = with(&[(1, Why::Superseded), (2, Why::Unaccepted), (4, Why::Superseded)]);
        assert_eq!(gaps.beyond(PAIR, 1), 3);
        assert_eq!(gaps.beyond(PAIR, 3), 3);
        assert_eq!(gaps.ahead, 1);
        gaps.forget(PAIR, 3);
        assert!(gaps.none_ahead());
    }

    #[test]
    fn only_gaps_far_behind_are_forgotten() {
        let mut gaps = Gaps::default();
        for number in 0..3 * REMEMBERED as u32 {
            let next = gaps.beyond(PAIR, 2 * number);
            gaps.add(PAIR, next, 2 * number, Why::Superseded);
            assert_eq!(gaps.beyond(PAIR, 2 * number), 2 * number + 1);
        }
        let last = 2 * (3 * REMEMBERED as u32 - 1);
        assert!(gaps.why(PAIR, last - 2 * 500).is_some());
        assert!(gaps.why(PAIR, 0).is_none());
        assert!(gaps.none_ahead());
    }
}
