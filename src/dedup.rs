//! Which ids were seen before: the newest of them, for a while.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;

/// Remembers ids, so that what comes more than once is taken once. It holds so many at most, and forgets whichever was seen
/// longest ago.
#[derive(Debug)]
pub struct Dedup {
    seen: LruCache<String, Instant>,
    remembers_for: Duration,
}

impl Dedup {
    /// Remembers so many ids, each for so long after it was last seen.
    #[must_use]
    pub fn new(ids: NonZeroUsize, remembers_for: Duration) -> Self {
        Self {
            seen: LruCache::new(ids),
            remembers_for,
        }
    }

    /// Whether an id is seen for the first time, as far as is remembered; from now on it is.
    pub fn is_new(&mut self, id: &str, now: Instant) -> bool {
        let before = self.seen.put(id.to_owned(), now);
        before.is_none_or(|seen| now.saturating_duration_since(seen) > self.remembers_for)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_new_once_for_a_while_and_as_long_as_it_fits() {
        let mut dedup = Dedup::new(NonZeroUsize::new(2).expect("two"), Duration::from_secs(10));
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        assert!(dedup.is_new("a", at(0)));
        assert!(!dedup.is_new("a", at(9)), "seen again, so remembered for longer");
        assert!(!dedup.is_new("a", at(19)));
        assert!(dedup.is_new("a", at(30)), "too long ago");
        assert!(dedup.is_new("b", at(30)) && dedup.is_new("c", at(30)));
        assert!(dedup.is_new("a", at(30)), "pushed out");
    }
}
