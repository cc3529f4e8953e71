//! How often somebody may try to show the token.
//!
//! Owns the tries of the last minute by source. Promises that no source has more than five, on whichever way, and that what
//! it remembers is bounded: of too many sources the one is forgotten whose minute began first. Who is on loopback is not
//! exempt, and all who are behind a proxy that says nothing of them are one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::session::ClientAddress;
use crate::shard::{Source, SourceRule};

/// Tries that a source has in a window.
const TRIES: u32 = 5;

/// How long a window is.
const WINDOW: Duration = Duration::from_secs(60);

/// Sources that are remembered.
const MAX_SOURCES: usize = 1_024;

#[derive(Debug)]
pub(super) struct Tries {
    sources: SourceRule,
    known: Mutex<HashMap<Source, Tried>>,
}

#[derive(Debug, Clone, Copy)]
struct Tried {
    since: Instant,
    count: u32,
}

impl Tries {
    pub(super) fn new(sources: SourceRule) -> Self {
        Self {
            sources,
            known: Mutex::default(),
        }
    }

    /// Takes one of the tries of whoever is at this address; `Err`: how long it has to wait for another.
    pub(super) fn take(&self, address: ClientAddress, now: Instant) -> Result<(), Duration> {
        let source = self.sources.source(address);
        let mut known = self.known();
        let is_over = |tried: &Tried| now.duration_since(tried.since) >= WINDOW;
        if known.len() >= MAX_SOURCES && !known.contains_key(&source) {
            known.retain(|_, tried| !is_over(tried));
            let oldest = known.iter().min_by_key(|(_, tried)| tried.since);
            if known.len() >= MAX_SOURCES
                && let Some((&oldest, _)) = oldest
            {
                known.remove(&oldest);
            }
        }
        let fresh = Tried { since: now, count: 0 };
        let tried = known.entry(source).or_insert(fresh);
        if is_over(tried) {
            *tried = fresh;
        }
        if tried.count >= TRIES {
            return Err(WINDOW.saturating_sub(now.duration_since(tried.since)));
        }
        tried.count += 1;
        Ok(())
    }

    /// Forgets the tries of somebody who knew the token.
    pub(super) fn forget(&self, address: ClientAddress) {
        let source = self.sources.source(address);
        self.known().remove(&source);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Source, Tried>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
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
        (0..1_000).filter(|_| tries.take(address, at).is_ok()).count()
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
        tries.forget(own);
        assert_eq!(granted(&tries, own, begin + WINDOW), 5, "whoever knew it begins anew");
    }

    #[test]
    fn a_subscriber_with_many_addresses_is_one_and_so_are_all_behind_one_proxy() {
        let tries = Tries::new(SourceRule::DEFAULT);
        let now = Instant::now();
        let of_v6 = |host: u16| ClientAddress::own(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host).into());
        assert_eq!(
            (0..1_000).filter(|host| tries.take(of_v6(*host), now).is_ok()).count(),
            5
        );
        let shared = ClientAddress::shared(Ipv4Addr::new(192, 0, 2, 1).into());
        assert_eq!(granted(&tries, shared, now), 5);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let tries = Tries::new(SourceRule::DEFAULT);
        let begin = Instant::now();
        for number in 0..10_000 {
            assert!(
                tries
                    .take(address(number), begin + Duration::from_millis(u64::from(number) / 10))
                    .is_ok()
            );
        }
        assert_eq!(tries.known().len(), MAX_SOURCES);
    }
}
