//! Reading the configuration again, apart from everything that must not wait for it.
//!
//! Promises that whoever asks waits for nothing, that what was asked for while a reload runs is done once more after it, and
//! that a source that does not answer (a FIFO, a file system that is gone) costs one thread and a line, not the next reload's
//! requests nor the stop: of the files that the configuration names, [`Reloader`](super::reload::Reloader) sees to that.

use std::io;
use std::sync::{Arc, Weak};
use std::thread;

use crossbeam_channel::{Sender, bounded};

use super::ServerHandle;
use super::patience::{Patience, READING};
use crate::config::Loaded;
use crate::runtime::NotifySocket;

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
            let reading = Patience::new("the configuration");
            for () in requests {
                notify.reloading();
                let read = Arc::clone(&read);
                match reading.wait(READING, move || read()) {
                    Ok(Ok(fresh)) => {
                        let Some(server) = server.upgrade() else { return };
                        take_over(&server, &fresh);
                    }
                    Ok(Err(faults)) => tracing::error!(faults = faults.trim_end(), "nothing was reloaded"),
                    Err(late) => tracing::error!(faults = %late, "nothing was reloaded"),
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
