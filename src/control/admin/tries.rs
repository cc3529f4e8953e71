//! How often somebody may show a wrong token.
//!
//! Owns the wrong tries of the last minute by source. Promises that no source has more than five, on whichever way, and that
//! what it remembers is bounded: when too many sources have tried in one minute, all further ones are one. Who is on loopback is
//! not exempt, and all who are behind a proxy that says nothing of them are one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::session::ClientAddress;
use crate::shard::{Source, SourceRule};

/// Wrong tries that a source has in a window.
const TRIES: u32 = 5;

/// How long a window is.
const WINDOW: Duration = Duration::from_secs(60);

/// Sources that are remembered: 1 MiB.
const MAX_SOURCES: usize = 16_384;

/// How often it is looked for sources that can be forgotten, when there are too many.
const FORGET_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Tries {
    sources: SourceRule,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    of_sources: HashMap<Source, Tried>,
    /// Of all for whom there was no room.
    of_others: Option<Tried>,
    forgot: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Tried {
    since: Instant,
    count: u32,
}

impl Tried {
    fn left(&self, now: Instant) -> Option<Duration> {
        WINDOW
            .checked_sub(now.duration_since(self.since))
            .filter(|left| !left.is_zero())
    }
}

impl Tries {
    pub(super) fn new(sources: SourceRule) -> Self {
        Self {
            sources,
            known: Mutex::default(),
        }
    }

    /// Whether whoever is at this address is listened to; `Err`: how long it has to wait.
    pub(super) fn may_try(&self, address: ClientAddress, now: Instant) -> Result<(), Duration> {
        let mut known = self.known();
        let tried = known.of(self.sources.source(address), now);
        match tried.and_then(|tried| Some((tried.count, tried.left(now)?))) {
            Some((count, left)) if count >= TRIES => Err(left),
            _ => Ok(()),
        }
    }

    /// Notes that somebody there has shown a wrong token.
    pub(super) fn note_wrong(&self, address: ClientAddress, now: Instant) {
        let source = self.sources.source(address);
        let mut known = self.known();
        let fresh = Tried { since: now, count: 0 };
        let tried = if known.has_room_for(source, now) {
            known.of_sources.entry(source).or_insert(fresh)
        } else {
            known.of_others.get_or_insert(fresh)
        };
        if tried.left(now).is_none() {
            *tried = fresh;
        }
        tried.count += 1;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// What counts for a source.
    fn of(&mut self, source: Source, now: Instant) -> Option<Tried> {
        if self.has_room_for(source, now) {
            self.of_sources.get(&source).copied()
        } else {
            self.of_others
        }
    }

    fn has_room_for(&mut self, source: Source, now: Instant) -> bool {
        if self.of_sources.len() < MAX_SOURCES || self.of_sources.contains_key(&source) {
            return true;
        }
        if self
            .forgot
            .is_none_or(|forgot| now.duration_since(forgot) >= FORGET_EVERY)
        {
            self.forgot = Some(now);
            self.of_sources.retain(|_, tried| tried.left(now).is_some());
        }
        self.of_sources.len() < MAX_SOURCES
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(number: u32) -> ClientAddress {
        ClientAddress::own(Ipv4Addr::from_bits(number).into())
    }

    fn granted(tries: &Tries, address: ClientAddress, at: Instant) -> usize {
        (0..1_000)
            .filter(|_| {
                let may_try = tries.may_try(address, at).is_ok();
                if may_try {
                    tries.note_wrong(address, at);
                }
                may_try
            })
            .count()
    }

    #[test]
    fn five_a_minute_and_five_more_in_the_next() {
        let tries = Tries::new(SourceRule::DEFAULT);
        let begin = Instant::now();
        let own = ClientAddress::own(Ipv4Addr::LOCALHOST.into());
        assert_eq!(granted(&tries, own, begin), 5);
        assert_eq!(granted(&tries, own, begin + WINDOW - Duration::from_millis(1)), 0);
        assert_eq!(granted(&tries, address(7), begin), 5, "of another address");
        assert_eq!(granted(&tries, own, begin + WINDOW), 5);
        let later = begin + 3 * WINDOW;
        assert!(
            (0..1_000).all(|_| tries.may_try(own, later).is_ok()),
            "right ones are not counted"
        );
    }

    #[test]
    fn a_subscriber_with_many_addresses_is_one_and_so_are_all_behind_one_proxy() {
        let tries = Tries::new(SourceRule::DEFAULT);
        let now = Instant::now();
        let of_v6 = |host: u16| ClientAddress::own(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host).into());
        assert_eq!(
            (0..1_000).map(|host| granted(&tries, of_v6(host), now)).sum::<usize>(),
            5
        );
        let shared = ClientAddress::shared(Ipv4Addr::new(192, 0, 2, 1).into());
        assert_eq!(granted(&tries, shared, now), 5);
    }

    #[test]
    fn of_too_many_sources_the_further_ones_are_one() {
        let tries = Tries::new(SourceRule::DEFAULT);
        let begin = Instant::now();
        for number in 0..MAX_SOURCES as u32 {
            assert_eq!(granted(&tries, address(number), begin), 5);
        }
        let further = |first: u32, at| {
            (first..first + 100)
                .map(|number| granted(&tries, address(1_000_000 + number), at))
                .sum::<usize>()
        };
        assert_eq!(further(0, begin + Duration::from_secs(2)), 5);
        assert_eq!(tries.known().of_sources.len(), MAX_SOURCES);
        assert_eq!(
            granted(&tries, address(7), begin + Duration::from_secs(3)),
            0,
            "and none is forgotten"
        );
        assert_eq!(further(100, begin + WINDOW + Duration::from_secs(3)), 500);
    }
}
