//! Ctrl-C: a test that is interrupted ends early but in order, with a report of what was done until then.
//!
//! The first SIGINT or SIGTERM only leaves a mark; the second ends the process at once, as by default.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context, Result};

use crate::sys;

static STOP: AtomicBool = AtomicBool::new(false);

/// Why a test has nothing to report: it was interrupted too early.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted before there was anything to report")
    }
}

impl std::error::Error for Interrupted {}

/// From now on interruptions are noted.
pub(crate) fn watch() -> Result<()> {
    sys::set_on_stop(&STOP).context("cannot handle SIGINT and SIGTERM")
}

/// Whether there was one.
pub(crate) fn asked() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// An error when there was one.
pub(crate) fn check() -> Result<()> {
    if asked() { Err(Interrupted.into()) } else { Ok(()) }
}

/// When traffic ends that should have gone on for longer; the same for all threads.
#[derive(Debug)]
pub(crate) struct Curfew {
    at_ns: AtomicU64,
}

impl Default for Curfew {
    fn default() -> Self {
        Self {
            at_ns: AtomicU64::new(u64::MAX),
        }
    }
}

impl Curfew {
    /// Traffic ends at this moment on the test's clock.
    pub(crate) fn set(&self, at_ns: u64) {
        self.at_ns.store(at_ns, Ordering::Relaxed);
    }

    /// The end that replaces `end_ns`, if it comes before that.
    pub(crate) fn before(&self, end_ns: u64) -> Option<u64> {
        let at_ns = self.at_ns.load(Ordering::Relaxed);
        (at_ns < end_ns).then_some(at_ns)
    }
}
