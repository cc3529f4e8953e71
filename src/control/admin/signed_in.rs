//! Who has signed in: what the cookie of each is, and until when it holds.
//!
//! Owns a bounded table, in which a new one takes the place of the oldest. Promises that nobody stays signed in for longer than
//! twelve hours, or once the token is another. Holds no cookie, only what it hashes to.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::protocol::Secret;

/// For how long somebody stays signed in.
pub(super) const HOLDS: Duration = Duration::from_secs(12 * 60 * 60);

/// How many may be at a time.
const MAX_SIGNED_IN: usize = 32;

#[derive(Debug, Default)]
pub(super) struct SignedIn(Mutex<Vec<Entry>>);

#[derive(Debug, Clone)]
struct Entry {
    cookie_hash: [u8; 32],
    csrf: Secret,
    until: Instant,
    token_revision: u64,
}

/// What somebody is given who signs in.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) cookie: Secret,
    pub(super) csrf: Secret,
}

impl SignedIn {
    /// Notes that somebody has signed in with the token of that revision.
    pub(super) fn add(&self, random: [[u8; 32]; 2], token_revision: u64, now: Instant) -> Credentials {
        let [cookie, csrf] = random.map(|bytes| Secret::new(BASE64URL_NOPAD.encode(&bytes)));
        let mut entries = self.entries();
        if entries.len() >= MAX_SIGNED_IN {
            entries.remove(0);
        }
        entries.push(Entry {
            cookie_hash: hash(cookie.expose()),
            csrf: csrf.clone(),
            until: now + HOLDS,
            token_revision,
        });
        Credentials { cookie, csrf }
    }

    /// What whoever has this cookie must show to change something; `None`: it is not signed in.
    pub(super) fn csrf(&self, cookie: &str, token_revision: u64, now: Instant) -> Option<Secret> {
        let mut entries = self.entries();
        entries.retain(|entry| now < entry.until && entry.token_revision == token_revision);
        let cookie_hash = hash(cookie);
        let entry = entries.iter().find(|entry| entry.cookie_hash == cookie_hash)?;
        Some(entry.csrf.clone())
    }

    /// Signs somebody out.
    pub(super) fn remove(&self, cookie: &str) {
        let cookie_hash = hash(cookie);
        self.entries().retain(|entry| entry.cookie_hash != cookie_hash);
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(cookie: &str) -> [u8; 32] {
    Sha256::digest(cookie.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed_in(table: &SignedIn, number: u8, now: Instant) -> Credentials {
        table.add([[number; 32], [number + 100; 32]], 0, now)
    }

    #[test]
    fn a_cookie_holds_for_twelve_hours_and_no_longer_than_its_token() {
        let (table, begin) = (SignedIn::default(), Instant::now());
        let own = signed_in(&table, 1, begin);
        let csrf = |at, revision| table.csrf(own.cookie.expose(), revision, at);
        assert_eq!(csrf(begin + HOLDS - Duration::from_secs(1), 0), Some(own.csrf.clone()));
        assert_eq!(table.csrf("another", 0, begin), None);
        assert_eq!(csrf(begin + HOLDS, 0), None);
        let own = signed_in(&table, 1, begin);
        assert_eq!(table.csrf(own.cookie.expose(), 1, begin), None, "the token has changed");
        assert_eq!(table.csrf(own.cookie.expose(), 0, begin), None, "and it was forgotten");
    }

    #[test]
    fn who_signs_out_is_out_and_the_oldest_makes_way() {
        let (table, now) = (SignedIn::default(), Instant::now());
        let all: Vec<_> = (0..=MAX_SIGNED_IN as u8)
            .map(|number| signed_in(&table, number, now))
            .collect();
        let is_in = |one: &Credentials| table.csrf(one.cookie.expose(), 0, now).is_some();
        assert!(!is_in(&all[0]) && is_in(&all[1]));
        table.remove(all[1].cookie.expose());
        assert!(!is_in(&all[1]) && is_in(&all[2]));
        assert!(!format!("{table:?}").contains(all[2].csrf.expose()));
    }
}
