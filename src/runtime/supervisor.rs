//! The thread that waits for the shards and decides how the process ends.
//!
//! Promises that a shard that ends on its own ends the process, non-zero and with one clear line, and that a stop takes
//! no longer than its deadline. The graceful part (stop accepting, tell clients, flush) is the shards' own business:
//! whoever requests the stop tells them through their inboxes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fmt, process};

use crossbeam_channel::{RecvTimeoutError, Sender};

use super::executors::{Event, Shards, list};
use crate::clock::moment_after;
use crate::shard::ShardId;

/// How the shards ended. [`Display`](fmt::Display) is the line for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A stop was requested and every shard ended in time.
    Stopped,
    /// A shard ended without a stop, or panicked; the others still run and end with the process.
    ShardEnded {
        /// The first that ended.
        shard: ShardId,
    },
    /// These shards still ran when the time of a requested stop was over.
    StopTimedOut {
        /// Ascending.
        shards: Vec<ShardId>,
        /// The time they had.
        within: Duration,
    },
    /// The thread that looks after the shards has panicked; they may still run, and end with the process.
    Unsupervised,
}

impl Outcome {
    /// 0 for a stop in time, else 1.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Stopped => 0,
            Self::ShardEnded { .. } | Self::StopTimedOut { .. } | Self::Unsupervised => 1,
        }
    }
}

impl From<&Outcome> for process::ExitCode {
    fn from(outcome: &Outcome) -> Self {
        Self::from(outcome.exit_code())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("all shards stopped"),
            Self::ShardEnded { shard } => {
                write!(
                    f,
                    "shard {shard} ended without being told to stop: this is a defect of the server; the process ends"
                )
            }
            Self::StopTimedOut { shards, within } => {
                let ms = within.as_millis();
                write!(
                    f,
                    "{} still running {ms} ms after the stop was requested; the process ends",
                    list(shards)
                )
            }
            Self::Unsupervised => {
                f.write_str("nobody looks after the shards any more: this is a defect of the server; the process ends")
            }
        }
    }
}

/// Owns the shards' threads.
#[derive(Debug)]
pub struct Supervisor {
    shards: Shards,
    stop: StopHandle,
    stop_within: Duration,
    hurry_within: Duration,
}

/// Tells the supervisor that the shards are about to be told to stop.
#[derive(Debug, Clone)]
pub struct StopHandle {
    requested: Arc<AtomicBool>,
    hurried: Arc<AtomicBool>,
    notify: Sender<Event>,
}

impl StopHandle {
    /// Starts the deadline. Call it *before* telling the shards: a shard that ends earlier counts as dead. Requests
    /// after the first change nothing.
    pub fn request(&self) {
        // Relaxed: the flag only makes sure of a single event; the channel orders that event before what follows.
        if !self.requested.swap(true, Ordering::Relaxed) {
            // Has a place in the channel; fails only when the supervisor is gone.
            let _ = self.notify.try_send(Event::StopRequested);
        }
    }

    /// Shortens the deadline of a stop that was requested, to what flushing takes. Call it before telling the shards.
    pub fn hurry(&self) {
        if !self.hurried.swap(true, Ordering::Relaxed) {
            let _ = self.notify.try_send(Event::HurryRequested);
        }
    }
}

impl Supervisor {
    /// A requested stop may take `stop`, the shards' own longest way to their end, one that is hurried `flush`, their
    /// deadline for sending what is queued, and both `grace` on top, for them to end.
    #[must_use]
    pub fn new(shards: Shards, stop: Duration, flush: Duration, grace: Duration) -> Self {
        let (stop_within, hurry_within) = (stop.saturating_add(grace), flush.saturating_add(grace));
        let stop = StopHandle {
            requested: Arc::default(),
            hurried: Arc::default(),
            notify: shards.notify.clone(),
        };
        Self {
            shards,
            stop,
            stop_within,
            hurry_within,
        }
    }

    /// For the signal callback.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Waits until all shards have ended after a stop, until its deadline, or until a shard ends on its own.
    ///
    /// Unless the outcome is [`Outcome::Stopped`] there are shards running: print the outcome and end the process.
    #[must_use]
    pub fn wait(self) -> Outcome {
        self.wait_looking(Duration::MAX, |_| {})
    }

    /// The same; at every `interval` (above zero) it calls `look` with the shards that have not ended. It may take a moment.
    #[must_use]
    pub fn wait_looking(self, interval: Duration, mut look: impl FnMut(&BTreeSet<ShardId>)) -> Outcome {
        let mut running: BTreeSet<ShardId> = self.shards.threads.iter().map(|(shard, _)| *shard).collect();
        let mut give_up_at: Option<Instant> = None;
        let mut within = self.stop_within;
        let mut look_at = moment_after(Instant::now(), interval);
        while !running.is_empty() {
            let wake_at = give_up_at.map_or(look_at, |instant| instant.min(look_at));
            let event = self.shards.events.recv_deadline(wake_at);
            let is_over = give_up_at.is_some_and(|instant| instant <= Instant::now());
            if event == Err(RecvTimeoutError::Timeout) && !is_over {
                look(&running);
                look_at = moment_after(Instant::now(), interval);
                continue;
            }
            match event {
                Ok(Event::StopRequested) => give_up_at = Some(moment_after(Instant::now(), within)),
                Ok(Event::HurryRequested) => {
                    within = self.hurry_within;
                    give_up_at = Some(moment_after(Instant::now(), within));
                }
                Ok(Event::Ended { shard, panicked, story }) if panicked || give_up_at.is_none() => {
                    if let Some(story) = story {
                        tracing::error!(%shard, story, "a shard panicked");
                    }
                    return Outcome::ShardEnded { shard };
                }
                Ok(Event::Ended { shard, .. }) => {
                    running.remove(&shard);
                }
                // Only the deadline: the channel cannot close while `self` holds a sender.
                Err(_) => {
                    let shards = running.into_iter().collect();
                    return Outcome::StopTimedOut { shards, within };
                }
            }
        }
        for (_, thread) in self.shards.threads {
            // Each has told its end, and that it did not panic.
            let _ = thread.join();
        }
        Outcome::Stopped
    }
}

#[cfg(test)]
mod tests;
