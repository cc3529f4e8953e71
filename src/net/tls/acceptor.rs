//! On what terms handshakes are made, as they change while the shards run.
//!
//! Owns the newest terms, behind a lock that only whoever changes them and a shard that has noticed the change take. A shard
//! notices by one number, at each connection, and works with its own reference. A handshake keeps to the terms that it began
//! with.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::Error;

use super::handshake::Handshake;
use super::terms::Terms;

/// The newest terms.
#[derive(Debug)]
pub struct Acceptor {
    revision: AtomicU64,
    expires_unix_secs: AtomicI64,
    newest: Mutex<Terms>,
}

/// What one thread begins handshakes with.
#[derive(Debug, Clone)]
pub struct Greeter {
    acceptor: Arc<Acceptor>,
    revision: u64,
    terms: Terms,
}

impl Acceptor {
    /// Handshakes on these terms, until there are others.
    #[must_use]
    pub fn new(terms: Terms) -> Arc<Self> {
        Arc::new(Self {
            revision: AtomicU64::new(0),
            expires_unix_secs: AtomicI64::new(terms.expires_unix_secs()),
            newest: Mutex::new(terms),
        })
    }

    /// Handshakes that begin from now on are made on other terms.
    pub fn replace(&self, terms: Terms) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        self.expires_unix_secs
            .store(terms.expires_unix_secs(), Ordering::Relaxed);
        *newest = terms;
        // Under the lock, so that a revision that was seen is never newer than the terms that are then read.
        self.revision.fetch_add(1, Ordering::Release);
    }

    /// When the first of its certificates ends, in seconds since 1970.
    #[must_use]
    pub fn expires_unix_secs(&self) -> i64 {
        self.expires_unix_secs.load(Ordering::Relaxed)
    }

    fn newest(&self) -> (u64, Terms) {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        (self.revision.load(Ordering::Acquire), newest.clone())
    }
}

impl Greeter {
    /// What one thread begins handshakes with.
    #[must_use]
    pub fn new(acceptor: Arc<Acceptor>) -> Self {
        let (revision, terms) = acceptor.newest();
        Self {
            acceptor,
            revision,
            terms,
        }
    }

    /// Where its terms come from.
    #[must_use]
    pub const fn acceptor(&self) -> &Arc<Acceptor> {
        &self.acceptor
    }

    /// Begins a handshake.
    ///
    /// # Errors
    ///
    /// When the library has no randomness.
    pub fn greet(&mut self) -> Result<Handshake, Error> {
        if self.acceptor.revision.load(Ordering::Acquire) != self.revision {
            (self.revision, self.terms) = self.acceptor.newest();
        }
        Handshake::new(&self.terms)
    }
}
