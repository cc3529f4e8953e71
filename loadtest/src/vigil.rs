//! How long a thread has waited for the server, less the time in which it stood still itself: stopped, or on a machine that
//! was. Patience is measured by this, since nothing can be heard by who does not listen.

use std::ops::Range;

/// Between two looks at the clock a waiting thread is never away for so long unless it is kept from running.
const STANDSTILL_NS: u64 = 1_000_000_000;
/// A standstill counts for so much, so that a thread that does little else comes to an end too.
const COUNTED_NS: u64 = 50_000_000;

/// The waiting of one thread.
#[derive(Debug, Default)]
pub(crate) struct Vigil {
    seen_ns: u64,
    /// When it stood still, in order.
    absences: Vec<Range<u64>>,
}

impl Vigil {
    /// From `now_ns` on the thread looks often.
    pub(crate) fn begin(now_ns: u64) -> Self {
        Self {
            seen_ns: now_ns,
            absences: Vec::new(),
        }
    }

    /// The thread looks at the clock.
    pub(crate) fn look(&mut self, now_ns: u64) {
        if now_ns > self.seen_ns + STANDSTILL_NS {
            self.absences.push(self.seen_ns + COUNTED_NS..now_ns);
        }
        self.seen_ns = now_ns;
    }

    /// When it stood still so far, in order.
    pub(crate) fn absences(&self) -> &[Range<u64>] {
        &self.absences
    }

    /// For how long the thread has waited at `now_ns` for something that it expects since `since_ns`.
    pub(crate) fn waited_ns(&self, since_ns: u64, now_ns: u64) -> u64 {
        let within = |absence: &Range<u64>| absence.end.min(now_ns).saturating_sub(absence.start.max(since_ns));
        let absent_ns: u64 = self.absences.iter().map(within).sum();
        now_ns.saturating_sub(since_ns) - absent_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_standstill_is_no_waiting() {
        let mut vigil = Vigil::begin(0);
        for now_ns in [SECOND, 2 * SECOND, 42 * SECOND, 43 * SECOND] {
            vigil.look(now_ns);
        }
        let waited = |since_ns| vigil.waited_ns(since_ns, 43 * SECOND);
        assert_eq!(waited(SECOND), 2 * SECOND + COUNTED_NS);
        assert_eq!(waited(20 * SECOND), SECOND, "expected since the standstill");
        assert_eq!(waited(42 * SECOND + 7), SECOND - 7);
        assert_eq!(waited(43 * SECOND + 7), 0, "the kernel's stamps may be a little ahead");
        assert_eq!(vigil.waited_ns(SECOND, 2 * SECOND), SECOND, "before it");
    }

    #[test]
    fn who_only_stands_still_comes_to_an_end_too() {
        let mut vigil = Vigil::begin(0);
        (1..=100).for_each(|turn| vigil.look(turn * 2 * SECOND));
        assert_eq!(vigil.waited_ns(0, 200 * SECOND), 100 * COUNTED_NS);
    }
}
