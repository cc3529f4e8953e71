//! Who has named how many codes that led nowhere.
//!
//! Owns a count for each source that has, over fixed windows. Promises that it knows at most [`SOURCES`] of them, whoever
//! comes from however many addresses. Where a stripe is full, a newcomer takes the place of the source that has missed
//! least, *and its count*: so what was counted is never lost, and nobody gets rid of its own count by bringing others,
//! before all that a stripe knows have reached the limit. That takes 65,536 sources and 7.8 million misses in a window;
//! whoever is not known may look even then, for to keep out everybody who did not guess would be worse. Must never know a
//! code.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::budget::Window;
use crate::shard::world::source::Source;
use crate::shard::world::stripes::Stripes;

/// The most sources that are known at once. All of them take 1.6 MB.
const SOURCES: usize = 65_536;

/// So many locks, so that shards seldom meet.
const STRIPES: usize = 1_024;

/// Few enough to be looked through.
const SOURCES_PER_STRIPE: usize = SOURCES / STRIPES;

/// How often a source may miss.
#[derive(Debug, Clone, Copy)]
pub(super) struct GuessLimit {
    /// In one window.
    pub(super) misses: u32,
    /// How long that is, in milliseconds.
    pub(super) window_ms: u64,
}

/// What became of a miss that was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// Whether another source was forgotten for it.
    pub has_displaced: bool,
}

/// What is known of everybody.
#[derive(Debug)]
pub(super) struct Guesses {
    stripes: Stripes<Mutex<Stripe>>,
    /// The latest source that has reached its limit, until somebody asks.
    latest: Mutex<Option<Source>>,
}

/// What is known of the sources of one stripe. They share a window, which begins with the first miss after the last one.
#[derive(Debug, Default)]
struct Stripe {
    window: Option<Window>,
    misses: Vec<(Source, u32)>,
}

impl Default for Guesses {
    fn default() -> Self {
        Self {
            stripes: Stripes::new(STRIPES),
            latest: Mutex::default(),
        }
    }
}

impl Guesses {
    /// Whether a source may name a code; if not, in how many seconds it may.
    pub(super) fn check(&self, source: Source, limit: GuessLimit, now_ms: u64) -> Result<(), u64> {
        let mut stripe = lock(self.stripes.of(&source));
        stripe.forget_old(limit.window_ms, now_ms);
        match stripe.window {
            Some(window) if stripe.misses_of(source) >= limit.misses => {
                Err(window.seconds_left(limit.window_ms, now_ms))
            }
            _ => Ok(()),
        }
    }

    /// Counts a code of a source that led nowhere.
    pub(super) fn note(&self, source: Source, limit: GuessLimit, now_ms: u64) -> Noted {
        let mut stripe = lock(self.stripes.of(&source));
        stripe.forget_old(limit.window_ms, now_ms);
        stripe.window.get_or_insert(Window::begin(now_ms));
        let (misses, noted) = stripe.add(source);
        drop(stripe);
        if misses == limit.misses {
            *lock(&self.latest) = Some(source);
        }
        noted
    }

    /// The latest source that has reached its limit since this was last asked. Waits for nobody: who asks at each tick
    /// asks again.
    pub(super) fn take_latest(&self) -> Option<Source> {
        self.latest.try_lock().ok()?.take()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code under the locks can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stripe {
    /// Begins anew, and gives its memory back, once the window is over.
    fn forget_old(&mut self, window_ms: u64, now_ms: u64) {
        if self.window.is_some_and(|mut window| window.roll(window_ms, now_ms)) {
            *self = Self::default();
        }
    }

    fn misses_of(&self, source: Source) -> u32 {
        let own = self.misses.iter().find(|(known, _)| *known == source);
        own.map_or(0, |(_, misses)| *misses)
    }

    /// Counts a miss. Returns how many that makes.
    fn add(&mut self, source: Source) -> (u32, Noted) {
        let known = self.misses.iter().position(|(known, _)| *known == source);
        let (index, has_displaced) = match known {
            Some(index) => (index, false),
            None if self.misses.len() < SOURCES_PER_STRIPE => {
                self.misses.push((source, 0));
                (self.misses.len() - 1, false)
            }
            None => {
                let by_count = self.misses.iter().enumerate().min_by_key(|(_, (_, misses))| *misses);
                let (least, _) = by_count.expect("a full stripe is not empty");
                self.misses[least].0 = source;
                (least, true)
            }
        };
        let (_, misses) = &mut self.misses[index];
        *misses = misses.saturating_add(1);
        (*misses, Noted { has_displaced })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::session::ClientAddress;
    use crate::shard::world::source::SourceRule;

    const LIMIT: GuessLimit = GuessLimit {
        misses: 120,
        window_ms: 60_000,
    };

    fn source(number: u32) -> Source {
        SourceRule::DEFAULT.source(ClientAddress::own(Ipv4Addr::from_bits(number).into()))
    }

    fn known(guesses: &Guesses) -> usize {
        guesses.stripes.iter().map(|stripe| lock(stripe).misses.len()).sum()
    }

    #[test]
    fn a_source_may_miss_so_often_in_a_window_and_is_told_when_it_may_again() {
        let guesses = Guesses::default();
        for _ in 0..LIMIT.misses {
            assert_eq!(guesses.check(source(1), LIMIT, 1_000), Ok(()));
            assert_eq!(guesses.take_latest(), None);
            guesses.note(source(1), LIMIT, 1_000);
        }
        assert_eq!(
            guesses.take_latest(),
            Some(source(1)),
            "it has reached the limit just now"
        );
        assert_eq!(guesses.take_latest(), None, "said once");
        assert_eq!(guesses.check(source(1), LIMIT, 21_000), Err(40));
        assert_eq!(guesses.check(source(2), LIMIT, 21_000), Ok(()), "nobody else is meant");
        assert_eq!(guesses.check(source(1), LIMIT, 60_999), Err(1));
        assert_eq!(guesses.check(source(1), LIMIT, 61_000), Ok(()));
        assert_eq!(known(&guesses), 0, "what is over is forgotten");
    }

    #[test]
    fn a_flood_of_sources_is_bounded_and_frees_nobody_who_has_reached_the_limit() {
        const FLOOD: u32 = 400_000;
        let guesses = Guesses::default();
        for _ in 0..LIMIT.misses {
            guesses.note(source(0), LIMIT, 0);
        }
        let noted = (1..=FLOOD).map(|number| guesses.note(source(number), LIMIT, 1));
        let displaced = noted.filter(|noted| noted.has_displaced).count();
        assert!(known(&guesses) <= SOURCES, "{} sources are known", known(&guesses));
        assert_eq!(displaced, 1 + FLOOD as usize - known(&guesses), "each is counted");
        assert!(guesses.check(source(0), LIMIT, 1).is_err(), "the flood has freed it");
        // Who comes now has the count of a newcomer, and not that of a guesser.
        assert_eq!(guesses.check(source(FLOOD + 1), LIMIT, 1), Ok(()));
    }

    #[test]
    fn sources_that_push_each_other_out_inherit_what_was_counted() {
        let mut stripe = Stripe::default();
        for number in 0..SOURCES_PER_STRIPE as u32 {
            assert_eq!(stripe.add(source(number)), (1, Noted { has_displaced: false }));
            stripe.add(source(number));
        }
        // Two newcomers in turn: neither ever finds a place that has missed less often than itself.
        let mut most = 0;
        for round in 0..64 * 118 {
            let newcomer = source(1_000 + round % 2);
            let misses = stripe.misses_of(newcomer);
            most = most.max(stripe.add(newcomer).0);
            assert!(stripe.misses_of(newcomer) > misses);
        }
        assert!(most >= LIMIT.misses, "{most} of them were counted");
        assert_eq!(stripe.misses.len(), SOURCES_PER_STRIPE);
    }

    #[test]
    fn nothing_is_lost_when_many_shards_count_at_once() {
        let guesses = Guesses::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..10_000 {
                        guesses.note(source(number % 4), LIMIT, 5);
                    }
                });
            }
        });
        for number in 0..4 {
            assert_eq!(
                lock(guesses.stripes.of(&source(number))).misses_of(source(number)),
                10_000
            );
        }
    }
}
