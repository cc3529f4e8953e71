//! Which handshakes count against an application's rate.
//!
//! Owns one window of sixty seconds per application that has a rate; only listed applications have. Promises that the count
//! is exact, that no handshake costs more than a few steps and the growth of one stripe, whatever the rate, and that a
//! window keeps little more than what counts: each handshake forgets more old ones than it adds.

mod queue;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ahash::AHashMap;

use crate::clock::{ClockChange, Moments};
use crate::protocol::AppId;
use crate::shard::world::admission::handshakes::queue::Queue;
use crate::shard::world::source::Source;
use crate::shard::world::stripes::Stripes;

/// How long a handshake counts against its application's rate.
pub(super) const WINDOW_MS: u64 = 60_000;

/// Old handshakes that each new one forgets.
const FORGOTTEN_AT_ONCE: usize = 4;

/// Stripes of applications, and of the sources of each.
const STRIPES: usize = 64;

/// The windows of all applications.
#[derive(Debug)]
pub(super) struct Handshakes {
    windows: Stripes<Mutex<Windows>>,
}

type Windows = AHashMap<AppId, Window>;

/// How many handshakes one application may have in a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    per_minute: usize,
    /// Of these, from one source.
    per_source: usize,
}

impl Rate {
    /// One source may use half, and at least one.
    pub(super) fn shared(per_minute: usize) -> Self {
        Self {
            per_minute,
            per_source: (per_minute / 2).max(1),
        }
    }

    /// One source may use all.
    pub(super) const fn unshared(per_minute: usize) -> Self {
        Self {
            per_minute,
            per_source: per_minute,
        }
    }
}

/// The latest handshakes of one application.
#[derive(Debug)]
struct Window {
    /// Oldest first; some at the front may count no more.
    recent: Queue<(u64, Source)>,
    /// The same, of each source.
    by_source: Stripes<AHashMap<Source, VecDeque<u64>>>,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self {
            windows: Stripes::new(STRIPES),
        }
    }
}

impl Handshakes {
    fn windows(&self, app: &AppId) -> MutexGuard<'_, Windows> {
        lock(self.windows.of(app))
    }

    /// Counts a handshake, if the application's rate and the share that its source has of it allow it.
    pub(super) fn admit(&self, app: &AppId, source: Source, rate: Rate, now_ms: u64) -> bool {
        let mut windows = self.windows(app);
        match windows.get_mut(app) {
            Some(window) => window.admit(source, rate, now_ms),
            None => windows.entry(app.clone()).or_default().admit(source, rate, now_ms),
        }
    }

    /// What counts, for an archive.
    pub(super) fn freeze(&self, now_ms: u64) -> FrozenHandshakes {
        let mut frozen = FrozenHandshakes::default();
        for windows in self.windows.iter() {
            let windows = lock(windows);
            let recent = windows
                .iter()
                .map(|(app, window)| (app.clone(), window.recent.iter().copied().collect()));
            frozen.by_app.extend(recent);
        }
        frozen.change_clock(ClockChange::freeze(now_ms));
        frozen
    }

    /// Counts the handshakes of an archive again.
    pub(super) fn thaw(&self, mut frozen: FrozenHandshakes, now_ms: u64) {
        frozen.change_clock(ClockChange::thaw(now_ms));
        for (app, recent) in frozen.by_app {
            let mut windows = self.windows(&app);
            let window = windows.entry(app).or_default();
            for (at_ms, source) in recent {
                window.note(source, at_ms);
            }
        }
    }
}

fn lock(windows: &Mutex<Windows>) -> MutexGuard<'_, Windows> {
    // No code under the lock can panic half-way through a change.
    windows.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Window {
    fn default() -> Self {
        Self {
            recent: Queue::default(),
            by_source: Stripes::new(STRIPES),
        }
    }
}

impl Window {
    fn admit(&mut self, source: Source, rate: Rate, now_ms: u64) -> bool {
        self.forget_some(now_ms);
        let is_over = |at_ms: u64| has_left(at_ms, now_ms);
        let in_all = self.recent.len() - self.recent.partition_point(|(at_ms, _)| is_over(*at_ms));
        let own = self.by_source.of(&source).get(&source);
        let from_source = own.map_or(0, |own| own.len() - own.partition_point(|at_ms| is_over(*at_ms)));
        let is_admitted = in_all < rate.per_minute && from_source < rate.per_source;
        if is_admitted {
            self.note(source, now_ms);
        }
        is_admitted
    }

    fn note(&mut self, source: Source, at_ms: u64) {
        // Shards read their clocks once per turn, and one may come here with a moment that is a turn old.
        let at_ms = self.recent.back().map_or(at_ms, |(newest_ms, _)| at_ms.max(*newest_ms));
        self.recent.push_back((at_ms, source));
        self.by_source
            .of_mut(&source)
            .entry(source)
            .or_default()
            .push_back(at_ms);
    }

    fn forget_some(&mut self, now_ms: u64) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            let Some((_, source)) = self.recent.pop_front_if(|(at_ms, _)| has_left(*at_ms, now_ms)) else {
                return;
            };
            let sources = self.by_source.of_mut(&source);
            if let Some(own) = sources.get_mut(&source) {
                own.pop_front();
                if own.is_empty() {
                    sources.remove(&source);
                }
            }
        }
    }
}

const fn has_left(at_ms: u64, now_ms: u64) -> bool {
    at_ms.saturating_add(WINDOW_MS) <= now_ms
}

/// Handshakes that count against a rate, out of an archive or on their way into one.
#[derive(Debug, Clone, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct FrozenHandshakes {
    by_app: Vec<(AppId, Vec<(u64, Source)>)>,
}

impl Moments for FrozenHandshakes {
    fn change_clock(&mut self, change: ClockChange) {
        let Self { by_app } = self;
        for (at_ms, _) in by_app.iter_mut().flat_map(|(_, recent)| recent) {
            change.apply(at_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::session::ClientAddress;
    use crate::shard::world::source::SourceRule;

    fn address(number: u32) -> Source {
        SourceRule::DEFAULT.source(ClientAddress::own(Ipv4Addr::from_bits(number).into()))
    }

    #[test]
    fn a_long_silence_is_forgotten_a_little_at_a_time_and_counts_at_once() {
        const RATE: usize = 5_000;
        let mut window = Window::default();
        for number in 0..RATE as u32 {
            assert!(window.admit(address(number / 10), Rate::shared(RATE), 0));
        }
        assert!(
            !window.admit(address(1), Rate::shared(RATE), WINDOW_MS - 1),
            "the rate is used up"
        );
        assert_eq!(window.recent.len(), RATE);
        // The whole rate is there again at once, and the whole share of an address that had used a part of it.
        for number in 1..=RATE / 2 {
            assert!(window.admit(address(0), Rate::shared(RATE), WINDOW_MS));
            let expected = number + RATE.saturating_sub(number * FORGOTTEN_AT_ONCE);
            assert_eq!(window.recent.len(), expected, "a few are forgotten at a time");
        }
        assert!(!window.admit(address(0), Rate::shared(RATE), WINDOW_MS));
        assert!((0..RATE / 2).all(|number| window.admit(address(1 + number as u32), Rate::shared(RATE), WINDOW_MS)));
        assert!(!window.admit(address(1), Rate::shared(RATE), WINDOW_MS));
    }

    #[test]
    fn who_has_left_the_window_is_not_kept() {
        let mut window = Window::default();
        for minute in 0..20 {
            for number in 0..100 {
                let from = address(minute * 100 + number);
                assert!(window.admit(from, Rate::shared(100), u64::from(minute) * WINDOW_MS));
            }
        }
        assert!(window.recent.len() <= 100 + 100, "{}", window.recent.len());
        let kept: usize = window.by_source.iter().map(|sources| sources.len()).sum();
        assert!(kept <= 200, "{kept} sources");
    }

    #[test]
    fn a_moment_that_is_a_turn_old_does_not_come_before_a_newer_one() {
        let mut window = Window::default();
        assert!(window.admit(address(1), Rate::shared(10), 1_000) && window.admit(address(2), Rate::shared(10), 990));
        assert_eq!(
            window.recent.iter().map(|(at_ms, _)| *at_ms).collect::<Vec<_>>(),
            [1_000, 1_000]
        );
    }
}
