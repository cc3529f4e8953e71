//! Whether the game's backend is silent, as far as it has been asked.
//!
//! Decides about those whom there is no turn or no place to ask about: where `access_check.fail_open` is set they are let in while
//! the backend is silent. Promises that a backend is silent only while it answers nobody, so that nobody brings it about by
//! asking much, and that this is forgotten when it is not seen anew.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::session::NoVerdict;

/// For how long it is remembered, beyond what two questions may take: of those that wait for a turn when it begins the last one
/// ends by then, and one that was asked after them.
const BEYOND: Duration = Duration::from_secs(1);

/// How much of its time a question must have had for its silence to be the backend's.
pub(super) fn most(timeout: Duration) -> Duration {
    timeout / 8 * 7
}

/// Whether the backend is silent. The control plane notes it, shards read it; neither waits.
#[derive(Debug)]
pub(in crate::control) struct Silence {
    begun: Instant,
    /// When it last answered, in milliseconds from the beginning.
    answered_ms: AtomicU64,
    /// Until when it is taken to be silent, in the same; 0: it is not.
    until_ms: AtomicU64,
}

impl Silence {
    pub(in crate::control) fn new(begun: Instant) -> Self {
        Self {
            begun,
            answered_ms: AtomicU64::new(0),
            until_ms: AtomicU64::new(0),
        }
    }

    /// Notes that it has answered.
    // Relaxed: whoever sees it late asks as it was a moment ago.
    pub(super) fn note_answer(&self, now: Instant) {
        self.answered_ms.store(self.ms(now), Ordering::Relaxed);
        self.until_ms.store(0, Ordering::Relaxed);
    }

    /// Notes that somebody had no answer, who may have waited for so long. If others have had theirs meanwhile, it answers.
    pub(in crate::control) fn note_none(&self, timeout: Duration, now: Instant) {
        let unheard_ms = self.ms(now).saturating_sub(self.answered_ms.load(Ordering::Relaxed));
        if u128::from(unheard_ms) >= most(timeout).as_millis() {
            let until = now + 2 * timeout + BEYOND;
            self.until_ms.store(self.ms(until), Ordering::Relaxed);
        }
    }

    /// Whether it is silent.
    pub(in crate::control) fn is_known(&self, now: Instant) -> bool {
        self.ms(now) < self.until_ms.load(Ordering::Relaxed)
    }

    /// Why somebody has no verdict for whom it was not asked.
    pub(in crate::control) fn of_the_unasked(&self, now: Instant) -> NoVerdict {
        if self.is_known(now) {
            NoVerdict::Unreachable
        } else {
            NoVerdict::Crowded
        }
    }

    fn ms(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.begun).as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(2);

    fn begun() -> (Silence, impl Fn(u64) -> Instant) {
        let begun = Instant::now();
        (Silence::new(begun), move |ms| begun + Duration::from_millis(ms))
    }

    #[test]
    fn a_backend_that_answers_others_is_not_silent() {
        let (silence, at) = begun();
        silence.note_answer(at(10_000));
        silence.note_none(TIMEOUT, at(11_000));
        assert_eq!(silence.of_the_unasked(at(11_000)), NoVerdict::Crowded);
        silence.note_none(TIMEOUT, at(12_000));
        assert_eq!(silence.of_the_unasked(at(12_000)), NoVerdict::Unreachable);
        silence.note_answer(at(12_001));
        assert_eq!(silence.of_the_unasked(at(12_001)), NoVerdict::Crowded);
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let (silence, at) = begun();
        silence.note_none(TIMEOUT, at(60_000));
        assert!(silence.is_known(at(64_999)));
        assert!(!silence.is_known(at(65_000)));
    }
}
