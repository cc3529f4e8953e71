//! Verdicts that still hold, by everything that was asked.
//!
//! Owns the digests of questions, never a question itself: it may have a credential in it. Promises to keep a bounded number;
//! when it has that many, the one that ends first makes way.

use std::collections::{BTreeSet, HashMap};

use ahash::RandomState;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::session::Verdict;

/// Verdicts that are kept. With the longest reasons and names they have some 5 MiB.
const PLACES: usize = 4_096;

/// What stands for a question.
pub(super) type Key = [u8; 32];

/// What stands for a question as it is posted.
pub(super) fn key(question: &[u8]) -> Key {
    Sha256::digest(question).into()
}

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Cache {
    kept: HashMap<Key, (Instant, Verdict), RandomState>,
    ends: BTreeSet<(Instant, Key)>,
}

impl Cache {
    /// The verdict on a question, if one still holds.
    pub(super) fn find(&mut self, key: &Key, now: Instant) -> Option<Verdict> {
        let (end, verdict) = self.kept.get(key)?;
        if now < *end {
            return Some(verdict.clone());
        }
        self.forget(*key);
        None
    }

    /// Keeps a verdict until `end`.
    pub(super) fn keep(&mut self, key: Key, verdict: Verdict, end: Instant) {
        self.forget(key);
        if self.kept.len() == PLACES
            && let Some((_, first)) = self.ends.first().copied()
        {
            self.forget(first);
        }
        self.kept.insert(key, (end, verdict));
        self.ends.insert((end, key));
    }

    fn forget(&mut self, key: Key) {
        if let Some((end, _)) = self.kept.remove(&key) {
            self.ends.remove(&(end, key));
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

    #[test]
    fn a_verdict_holds_until_its_end_and_for_its_question_alone() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let end = now + Duration::from_secs(5);
        cache.keep(key(b"a"), no(1), end);
        assert_eq!(cache.find(&key(b"a"), now), Some(no(1)));
        assert_eq!(cache.find(&key(b"b"), now), None);
        assert_eq!(cache.find(&key(b"a"), end), None);
        assert!(cache.kept.is_empty() && cache.ends.is_empty());
    }

    #[test]
    fn whoever_ends_first_makes_way() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let at = |number: usize| now + Duration::from_secs(number as u64 + 1);
        for number in 0..=PLACES {
            cache.keep(key(&number.to_be_bytes()), no(number), at(number));
        }
        assert_eq!(cache.kept.len(), PLACES);
        assert_eq!(cache.find(&key(&0_usize.to_be_bytes()), now), None);
        assert_eq!(cache.find(&key(&1_usize.to_be_bytes()), now), Some(no(1)));
        cache.keep(key(&1_usize.to_be_bytes()), no(7), at(7));
        assert_eq!(
            (cache.kept.len(), cache.ends.len()),
            (PLACES, PLACES),
            "renewed in its place"
        );
    }
}
