//! Verdicts that still hold, by everything that was asked.
//!
//! Owns the digests of questions, never a question itself: it may have a credential in it. Promises to keep a bounded number, and
//! that nobody pushes out what was said to others: a source that has its share gives up its own, and when all places are taken
//! the source that has most does; each the one that ends first.

use std::collections::{BTreeSet, HashMap};

use ahash::RandomState;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::control::crowds::GROUPS;
use crate::session::Verdict;

/// Verdicts that are kept. With the longest reasons and names they have some 5 MiB.
const PLACES: usize = 4_096;

/// Of those, how many of one source.
const SHARE: usize = 256;

/// Where those are that come from no source of their own. They have no share: who is behind them nobody knows.
const OF_NO_SOURCE: usize = GROUPS;

/// What stands for a question.
pub(super) type Key = [u8; 32];

/// What stands for a question as it is posted.
pub(super) fn key(question: &[u8]) -> Key {
    Sha256::digest(question).into()
}

/// What is kept.
#[derive(Debug)]
pub(super) struct Cache {
    kept: HashMap<Key, Kept, RandomState>,
    /// By groups of sources, in the order in which they end.
    ends: Vec<BTreeSet<(Instant, Key)>>,
}

#[derive(Debug)]
struct Kept {
    verdict: Verdict,
    end: Instant,
    group: usize,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            kept: HashMap::default(),
            ends: vec![BTreeSet::new(); GROUPS + 1],
        }
    }
}

impl Cache {
    /// The verdict on a question, if one still holds.
    pub(super) fn find(&mut self, key: &Key, now: Instant) -> Option<Verdict> {
        let Kept { verdict, end, .. } = self.kept.get(key)?;
        if now < *end {
            return Some(verdict.clone());
        }
        self.forget(*key);
        None
    }

    /// Keeps a verdict until `end`. `group` is that of the source that asked, if it is one.
    pub(super) fn keep(&mut self, key: Key, group: Option<usize>, verdict: Verdict, end: Instant) {
        self.forget(key);
        let has_its_share = |group: &usize| self.ends[*group].len() == SHARE;
        let is_full = self.kept.len() == PLACES;
        let makes_way = group.filter(has_its_share).or_else(|| {
            let by_number = |group: &usize| self.ends[*group].len();
            is_full.then(|| (0..=OF_NO_SOURCE).max_by_key(by_number))?
        });
        if let Some(makes_way) = makes_way
            && let Some((_, first)) = self.ends[makes_way].first().copied()
        {
            self.forget(first);
        }
        let group = group.unwrap_or(OF_NO_SOURCE);
        self.kept.insert(key, Kept { verdict, end, group });
        self.ends[group].insert((end, key));
    }

    fn forget(&mut self, key: Key) {
        if let Some(Kept { end, group, .. }) = self.kept.remove(&key) {
            self.ends[group].remove(&(end, key));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn no(reason: usize) -> Verdict {
        Verdict::Denied(reason.to_string().into())
    }

    fn numbered(number: usize) -> Key {
        key(&number.to_be_bytes())
    }

    #[test]
    fn a_verdict_holds_until_its_end_and_for_its_question_alone() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let end = now + Duration::from_secs(5);
        cache.keep(key(b"a"), Some(7), no(1), end);
        assert_eq!(cache.find(&key(b"a"), now), Some(no(1)));
        assert_eq!(cache.find(&key(b"b"), now), None);
        assert_eq!(cache.find(&key(b"a"), end), None);
        assert!(cache.kept.is_empty() && cache.ends.iter().all(BTreeSet::is_empty));
    }

    #[test]
    fn whoever_ends_first_makes_way_and_what_is_renewed_keeps_its_place() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let at = |number: usize| now + Duration::from_secs(number as u64 + 1);
        for number in 0..=PLACES {
            cache.keep(numbered(number), None, no(number), at(number));
        }
        assert_eq!(cache.kept.len(), PLACES, "of those without a source all places");
        assert_eq!(cache.find(&numbered(0), now), None);
        assert_eq!(cache.find(&numbered(1), now), Some(no(1)));
        cache.keep(numbered(1), None, no(7), at(7));
        assert_eq!((cache.kept.len(), cache.ends[OF_NO_SOURCE].len()), (PLACES, PLACES));
    }

    #[test]
    fn a_flood_pushes_out_its_own() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let at = |secs: usize| now + Duration::from_secs(secs as u64 + 1);
        // Ten who play, each from elsewhere, and whose verdicts end soon.
        for player in 0..10 {
            cache.keep(numbered(player), Some(player), no(player), at(0));
        }
        let mut number = 10;
        let mut flood = |cache: &mut Cache, group: usize, count: usize| {
            for _ in 0..count {
                cache.keep(numbered(number), Some(group), no(number), at(number));
                number += 1;
            }
        };
        flood(&mut cache, 100, 3 * PLACES);
        assert_eq!(cache.kept.len(), 10 + SHARE, "a source has its share");
        for group in 101..200 {
            flood(&mut cache, group, SHARE);
        }
        assert_eq!(cache.kept.len(), PLACES);
        for player in 0..10 {
            assert_eq!(
                cache.find(&numbered(player), now),
                Some(no(player)),
                "of those who play"
            );
        }
        let ends: usize = cache.ends.iter().map(BTreeSet::len).sum();
        assert_eq!(ends, PLACES);
    }
}
