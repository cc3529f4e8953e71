//! Who is let in, as it changes while the shards run.
//!
//! The operator's newest word is kept once, behind a lock that only whoever changes it and a shard that has noticed the
//! change take. A shard notices by one number, at each handshake and each tick, and works with its own reference; so does the
//! control plane, with each request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::session::AccessPolicy;

/// The newest word on who is let in.
#[derive(Debug)]
pub struct LiveAccess {
    /// How many words there have been before this one.
    revision: AtomicU64,
    newest: Mutex<Arc<AccessPolicy>>,
}

impl LiveAccess {
    pub(in crate::shard) fn new(policy: AccessPolicy) -> Self {
        Self {
            revision: AtomicU64::new(0),
            newest: Mutex::new(Arc::new(policy)),
        }
    }

    /// Lets in whoever this policy lets in, from the next handshake on. Connections that are there stay, on the terms that
    /// they had if theirs are gone.
    pub fn replace(&self, policy: AccessPolicy) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        *newest = Arc::new(policy.succeeding(&newest));
        // Under the lock, so that a revision that was seen is never newer than the policy that is then read.
        self.revision.fetch_add(1, Ordering::Release);
    }

    /// How many words there have been.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// The newest word, and how many there were before it.
    #[must_use]
    pub fn newest(&self) -> (u64, Arc<AccessPolicy>) {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        (self.revision.load(Ordering::Acquire), Arc::clone(&newest))
    }
}
