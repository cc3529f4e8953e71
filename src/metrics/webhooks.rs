//! What is counted of webhooks.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count that any thread may add to.
#[derive(Debug, Default)]
pub struct Tally(AtomicU64);

impl Tally {
    /// Adds so many.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// How many.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What has become of the events that were to be posted, and how many requests have failed.
#[derive(Debug, Default)]
pub struct WebhookCounts {
    /// Events that the receiver has.
    pub delivered: Tally,
    /// Events that found the queue full.
    pub dropped: Tally,
    /// Events that were given up and are kept.
    pub dead_letters: Tally,
    /// Events that were given up and are not.
    pub lost: Tally,
    /// Requests that failed, each of which is tried again or given up.
    pub failures: Tally,
}
