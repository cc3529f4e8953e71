//! Waiting for what files say, but not for ever.
//!
//! A file system that is gone may let nobody go who asks it for something. So it is asked on a thread of its own. Promises that
//! whoever waits is let go in time, that one thread at most is stuck for each thing that is read, and that what comes too late is
//! not used.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use thiserror::Error;

/// How long files may take.
pub(super) const READING: Duration = Duration::from_secs(10);

/// Why something was not read, although nothing may be wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Late(String);

/// Reads one thing, again and again.
#[derive(Debug)]
pub(super) struct Patience<T> {
    what: &'static str,
    /// What is read and was not waited for any longer. Held while somebody waits: one at a time.
    stuck: Mutex<Option<Receiver<T>>>,
}

impl<T: Send + 'static> Patience<T> {
    /// `what` is read, in words.
    pub(super) const fn new(what: &'static str) -> Self {
        Self {
            what,
            stuck: Mutex::new(None),
        }
    }

    /// What `read` says within `time`.
    ///
    /// # Errors
    ///
    /// When it does not answer, or has not answered since it was asked before; when there is no thread for it.
    pub(super) fn wait(&self, time: Duration, read: impl FnOnce() -> T + Send + 'static) -> Result<T, Late> {
        let what = self.what;
        let mut stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = stuck.take()
            && earlier.try_recv().is_err_and(|error| error.is_empty())
        {
            *stuck = Some(earlier);
            return Err(Late(format!(
                "{what} is still being read for an earlier try: a file does not answer"
            )));
        }
        let (done, result) = bounded(1);
        let thread = thread::Builder::new().name("file-read".to_owned());
        let spawned = thread.spawn(move || {
            // Fails when nobody waits any more: what comes so late is not used.
            let _ = done.send(read());
        });
        spawned.map_err(|error| {
            Late(format!(
                "there is no thread to read {what} ({error}): raise the limit on tasks"
            ))
        })?;
        match result.recv_timeout(time) {
            Ok(read) => Ok(read),
            Err(RecvTimeoutError::Timeout) => {
                *stuck = Some(result);
                let secs = time.as_secs();
                Err(Late(format!(
                    "reading {what} takes longer than {secs} s: is a file a pipe, or on a file system that is gone?"
                )))
            }
            Err(RecvTimeoutError::Disconnected) => Err(Late(format!("reading {what} failed"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_does_not_answer_is_given_up_and_asked_once() {
        let (release, stuck) = bounded::<()>(0);
        let patience = Patience::new("the sea");
        let hang = move || {
            let _ = stuck.recv();
            "read after all"
        };
        let late = patience
            .wait(Duration::from_millis(1), hang)
            .expect_err("it does not answer");
        assert!(late.0.contains("the sea takes longer than"), "{late}");
        for _ in 0..100 {
            let busy = patience
                .wait(Duration::from_secs(10), || panic!("a second thread"))
                .expect_err("it still reads");
            assert!(busy.0.contains("still being read"), "{busy}");
        }
        drop(release);
        // The first is done soon, and from then on it is read anew.
        let anew = loop {
            match patience.wait(Duration::from_secs(10), || "anew") {
                Err(_) => thread::yield_now(),
                Ok(read) => break read,
            }
        };
        assert_eq!(anew, "anew", "what came too late is not used");
    }
}
