//! Reading the configuration again, apart from everything that must not wait for it.
//!
//! Promises that whoever asks waits for nothing, that what was asked for while a reload runs is done once more after it, and
//! that a source that does not answer (a FIFO, a file system that is gone) costs one thread and a line, not the next reload's
//! requests nor the stop.

use std::io;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::ServerHandle;
use crate::config::Loaded;
use crate::runtime::NotifySocket;

/// How long reading the configuration may take.
const READING: Duration = Duration::from_secs(10);

/// Reads the configuration as its sources have it now, valid; or says what is wrong with it.
pub type ReadConfig = dyn Fn() -> Result<Box<Loaded>, String> + Send + Sync;

/// The thread that reloads when it is asked to.
#[derive(Debug)]
pub struct ReloadThread {
    asked: Sender<()>,
}

impl ReloadThread {
    /// Starts it for a server. `notify` is told when a reload begins and ends.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn start(server: Weak<ServerHandle>, read: Arc<ReadConfig>, notify: Arc<NotifySocket>) -> io::Result<Self> {
        let (asked, requests) = bounded(1);
        let thread = thread::Builder::new().name("reload".to_owned());
        thread.spawn(move || {
            let mut reading = None;
            for () in requests {
                notify.reloading();
                match read_within(READING, &mut reading, &read) {
                    Ok(Ok(fresh)) => {
                        let Some(server) = server.upgrade() else { return };
                        take_over(&server, &fresh);
                    }
                    Ok(Err(faults)) => tracing::error!(faults = faults.trim_end(), "nothing was reloaded"),
                    Err(why) => tracing::error!(faults = why, "nothing was reloaded"),
                }
                notify.ready();
            }
        })?;
        Ok(Self { asked })
    }

    /// Asks for a reload.
    pub fn ask(&self) {
        // Full: one that begins after this was asked for already.
        let _ = self.asked.try_send(());
    }
}

type Read = Result<Box<Loaded>, String>;

/// Reads on a thread of its own, for so long at most. `reading` is one that was not waited for any longer.
fn read_within(time: Duration, reading: &mut Option<Receiver<Read>>, read: &Arc<ReadConfig>) -> Result<Read, String> {
    if let Some(earlier) = reading.take()
        && earlier.try_recv().is_err_and(|error| error.is_empty())
    {
        *reading = Some(earlier);
        return Err(
            "the configuration is still being read for an earlier reload: its source does not answer".to_owned(),
        );
    }
    let (done, result) = bounded(1);
    let read = Arc::clone(read);
    let spawned = thread::Builder::new().name("reload-read".to_owned()).spawn(move || {
        // Fails when nobody waits any more: what comes so late is not taken over.
        let _ = done.send(read());
    });
    spawned
        .map_err(|error| format!("there is no thread to read the configuration ({error}): raise the limit on tasks"))?;
    match result.recv_timeout(time) {
        Ok(read) => Ok(read),
        Err(RecvTimeoutError::Timeout) => {
            *reading = Some(result);
            Err(format!(
                "reading the configuration takes longer than {} s: is one of its files a pipe, or on a file system that is \
                 gone?",
                time.as_secs()
            ))
        }
        Err(RecvTimeoutError::Disconnected) => Err("reading the configuration failed".to_owned()),
    }
}

/// Takes over who is let in. What is wrong with it changes nothing.
fn take_over(server: &ServerHandle, fresh: &Loaded) {
    match server.reload(&fresh.config) {
        Err(error) => tracing::error!(faults = %error, "nothing was reloaded"),
        Ok(reloaded) => {
            if !reloaded.waiting.is_empty() {
                let keys = reloaded.waiting.join(", ");
                tracing::warn!(keys, "these keys have changed and wait for a restart");
            }
            tracing::info!(
                apps = reloaded.apps,
                blocked_networks = reloaded.blocked_networks,
                "applications and the key of connect tokens were reloaded"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_does_not_answer_is_given_up_and_asked_once() {
        let (release, stuck) = bounded::<()>(0);
        let read: Arc<ReadConfig> = Arc::new(move || {
            let _ = stuck.recv();
            Err("read after all".to_owned())
        });
        let mut reading = None;
        let late = read_within(Duration::from_millis(1), &mut reading, &read).expect_err("it does not answer");
        assert!(late.contains("longer than"), "{late}");
        let busy = read_within(Duration::from_millis(1), &mut reading, &read).expect_err("it still reads");
        assert!(busy.contains("still being read"), "{busy}");
        drop(release);
        // The first is done soon, and from then on it is read anew.
        let anew = loop {
            match read_within(Duration::from_secs(10), &mut reading, &read) {
                Err(_) => thread::yield_now(),
                Ok(read) => break read,
            }
        };
        assert_eq!(anew.map(|_| ()), Err("read after all".to_owned()));
    }
}
