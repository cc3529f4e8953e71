//! The wake-up between a sender on another thread and a shard that is about to sleep.
//!
//! The receiver arms the bell, then looks once more whether anything waits, then sleeps. A sender makes its message
//! visible first and takes the bell second. Whatever the interleaving, either the receiver sees the message in its last
//! look, or exactly one sender is told to wake it. At most one wake per sleep.
//!
//! `doorbell_model` runs this very file under loom, which tries every interleaving that the memory model allows.

use super::atomics::{AtomicBool, Ordering, fence};

/// Whether a sleeping receiver still has to be woken.
#[derive(Debug)]
pub struct Doorbell {
    armed: AtomicBool,
}

impl Doorbell {
    /// A bell of a receiver that is awake.
    #[must_use]
    pub fn new() -> Self {
        Self {
            armed: AtomicBool::new(false),
        }
    }

    /// Receiver: call before the last look at the queue. Sleep only if that look finds nothing.
    pub fn arm(&self) {
        self.armed.store(true, Ordering::Relaxed);
        // The store must not sink below the last look at the queue: with the fence in `take` this forms the pattern of
        // which at least one side sees the other.
        fence(Ordering::SeqCst);
    }

    /// Receiver: awake again, by whatever cause.
    pub fn disarm(&self) {
        self.armed.store(false, Ordering::Relaxed);
    }

    /// Sender: call after the message is in the queue. `true` means that this sender, and no other, must wake the
    /// receiver.
    #[must_use = "a receiver that nobody wakes sleeps until its next tick"]
    pub fn take(&self) -> bool {
        fence(Ordering::SeqCst);
        self.armed.load(Ordering::Relaxed) && self.armed.swap(false, Ordering::AcqRel)
    }
}
