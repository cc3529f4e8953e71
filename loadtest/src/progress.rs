//! Counters that a worker publishes while it works, for whoever watches.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use hdrhistogram::Histogram;

use crate::timeline::recent_histogram;
use crate::worker::intake::Intake;

/// What one thread has done so far. Aligned so that threads do not share cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Progress {
    joined: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    faults: AtomicU64,
    /// Deliveries owed and not yet made.
    outstanding: AtomicU64,
    recent: Mutex<Option<Histogram<u32>>>,
}

/// A reading of all threads together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    pub(crate) joined: u64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) faults: u64,
    pub(crate) outstanding: u64,
    /// Latency since the last reading, µs.
    pub(crate) recent_us: Option<Histogram<u32>>,
}

impl Progress {
    pub(crate) fn publish_joined(&self, joined: u64) {
        self.joined.store(joined, Ordering::Relaxed);
    }

    pub(crate) fn publish(&self, intake: &mut Intake) {
        let totals = intake.ledger.progress();
        self.sent.store(totals.sent, Ordering::Relaxed);
        self.received.store(totals.received, Ordering::Relaxed);
        self.faults.store(totals.faults(), Ordering::Relaxed);
        let outstanding = totals.expected.saturating_sub(totals.settled());
        self.outstanding.store(outstanding, Ordering::Relaxed);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = recent.get_or_insert_with(recent_histogram);
        intake.stretch.timeline.drain_recent(recent);
    }

    pub(crate) fn add_to(&self, reading: &mut Reading) {
        reading.joined += self.joined.load(Ordering::Relaxed);
        reading.sent += self.sent.load(Ordering::Relaxed);
        reading.received += self.received.load(Ordering::Relaxed);
        reading.faults += self.faults.load(Ordering::Relaxed);
        reading.outstanding += self.outstanding.load(Ordering::Relaxed);
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (&mut reading.recent_us, recent) {
            (Some(all), Some(recent)) => *all += recent,
            (all @ None, recent) => *all = recent,
            (Some(_), None) => {}
        }
    }
}
