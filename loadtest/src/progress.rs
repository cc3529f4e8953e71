//! Counters that a worker publishes while it works, for whoever watches.

use std::sync::atomic::{AtomicU64, Ordering};

/// What one thread has done so far. Aligned so that threads do not share cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Progress {
    joined: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    faults: AtomicU64,
}

/// A reading of all threads together.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reading {
    pub(crate) joined: u64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) faults: u64,
}

impl Progress {
    pub(crate) fn publish_joined(&self, joined: u64) {
        self.joined.store(joined, Ordering::Relaxed);
    }

    pub(crate) fn publish(&self, sent: u64, received: u64, faults: u64) {
        self.sent.store(sent, Ordering::Relaxed);
        self.received.store(received, Ordering::Relaxed);
        self.faults.store(faults, Ordering::Relaxed);
    }

    pub(crate) fn add_to(&self, reading: &mut Reading) {
        reading.joined += self.joined.load(Ordering::Relaxed);
        reading.sent += self.sent.load(Ordering::Relaxed);
        reading.received += self.received.load(Ordering::Relaxed);
        reading.faults += self.faults.load(Ordering::Relaxed);
    }
}
