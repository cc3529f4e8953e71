//! The server's certificates: read from their files, checked, and read again when the files change.
//!
//! Owns the thread that watches the files. Promises that what is wrong with new files changes nothing and is said, that
//! tickets outlive a change of certificates but not of the rule who may come, that an end that comes near is warned of, and
//! that files which do not answer are waited for ten seconds at most.
//! Must never show what is in a key file.

mod files;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

pub use self::files::CertificateError;
use self::files::{CertificateFiles, Look, Marks};
use super::patience::{Late, Patience, READING};
use crate::config::{Config, TlsConfig};
use crate::net::tls::{Acceptor, Greeter, Terms};

/// What is read, in words.
const FILES: &str = "the certificates";

const THREAD_NAME: &str = "certificates";

/// How often the files are looked at. Once a day would do for who renews; a person who tries it waits.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// How long before a certificate ends that is said for the first time.
const WARNED_AHEAD: Duration = Duration::from_secs(14 * DAY_SECS);

const DAY_SECS: u64 = 24 * 60 * 60;

/// The certificates of a running server. Dropping the last clone ends the watch.
#[derive(Debug, Clone)]
pub struct LiveCertificates {
    shared: Arc<Shared>,
    /// Never sent on: the watch ends when it is gone.
    _alive: Sender<()>,
}

#[derive(Debug)]
struct Shared {
    acceptor: Arc<Acceptor>,
    /// Never locked while files are read.
    state: Mutex<State>,
    reading: Patience<Look>,
}

#[derive(Debug)]
struct State {
    files: CertificateFiles,
    /// What the files looked like when they were taken over.
    marks: Marks,
    /// What they looked like when that failed, and was said.
    failed: Option<Marks>,
    /// Whether they did not answer, and that was said.
    is_late: bool,
    terms: Terms,
}

/// What was read and can be taken over.
#[derive(Debug)]
pub(super) struct FreshCertificates(State);

/// Reads the files that a configuration names, as the start does.
///
/// # Errors
///
/// What is wrong with them.
pub fn check(config: &Config) -> Result<(), CertificateError> {
    let files = CertificateFiles::of(&config.security.transport.tls);
    files.map_or(Ok(()), |files| first_read(&Patience::new(FILES), files).map(drop))
}

/// Reads files of which nothing was served yet.
fn first_read(reading: &Patience<Look>, files: CertificateFiles) -> Result<State, CertificateError> {
    let looked = files.clone();
    let Look { marks, fresh } = reading.wait(READING, move || looked.look(None, None))?;
    let terms = fresh.expect("nothing looks like what was never seen")?;
    Ok(State::new(files, marks, terms))
}

impl LiveCertificates {
    /// Reads the files and begins to watch them. `None`: TLS is off.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub(super) fn start(config: &TlsConfig) -> Result<Option<Self>, CertificateError> {
        let Some(files) = CertificateFiles::of(config) else {
            return Ok(None);
        };
        let reading = Patience::new(FILES);
        let first = first_read(&reading, files)?;
        let shared = Arc::new(Shared {
            acceptor: Acceptor::new(first.terms.clone()),
            state: Mutex::new(first),
            reading,
        });
        let (alive, ended) = channel();
        let watched = Arc::clone(&shared);
        thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .spawn(move || watch(&watched, &ended))
            .map_err(CertificateError::Thread)?;
        Ok(Some(Self { shared, _alive: alive }))
    }

    /// What one thread begins handshakes with.
    pub(super) fn greeter(&self) -> Greeter {
        Greeter::new(Arc::clone(&self.shared.acceptor))
    }

    /// Reads the files that a configuration names now, and changes nothing yet. `None`: TLS is off in it, which waits for a
    /// restart.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub(super) fn read(&self, config: &TlsConfig) -> Result<Option<FreshCertificates>, CertificateError> {
        let Some(files) = CertificateFiles::of(config) else {
            return Ok(None);
        };
        let before = self.shared.state().terms.clone();
        let looked = files.clone();
        let look = self
            .shared
            .reading
            .wait(READING, move || looked.look(None, Some(&before)));
        let Look { marks, fresh } = look?;
        let terms = fresh.expect("nothing looks like what was never seen")?;
        Ok(Some(FreshCertificates(State::new(files, marks, terms))))
    }

    /// Makes handshakes with what was read, from now on.
    pub(super) fn take_over(&self, fresh: FreshCertificates) {
        self.shared.take_over(&mut self.shared.state(), fresh.0);
    }
}

impl State {
    const fn new(files: CertificateFiles, marks: Marks, terms: Terms) -> Self {
        Self {
            files,
            marks,
            failed: None,
            is_late: false,
            terms,
        }
    }

    /// Says once that the files do not answer, until they do.
    fn note_late(&mut self, late: &Late) {
        if !std::mem::replace(&mut self.is_late, true) {
            tracing::error!(error = %late, "it is not known whether certificates have changed; the old ones stay");
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_over(&self, state: &mut State, fresh: State) {
        self.acceptor.replace(fresh.terms.clone());
        *state = fresh;
        tracing::info!(ends = %ends(&state.terms), "certificates were read");
    }

    /// Reads the files again if they have changed.
    fn look(&self) {
        let state = self.state();
        let (files, marks, terms) = (state.files.clone(), state.marks.clone(), state.terms.clone());
        drop(state);
        let looked = files.clone();
        let look = self
            .reading
            .wait(READING, move || looked.look(Some(&marks), Some(&terms)));
        let mut state = self.state();
        if state.files != files {
            return; // a reload has named others meanwhile
        }
        match look {
            Err(late) => state.note_late(&late),
            Ok(Look { marks, fresh }) => {
                state.is_late = false;
                match fresh {
                    None => {}
                    Some(Ok(terms)) => self.take_over(&mut state, State::new(files, marks, terms)),
                    // Tried again with every look: what was missing may be a descriptor. Said once.
                    Some(Err(error)) if state.failed.as_ref() != Some(&marks) => {
                        state.failed = Some(marks);
                        tracing::error!(%error, "certificates have changed and were not taken over; the old ones stay");
                    }
                    Some(Err(_)) => {}
                }
            }
        }
    }

    fn warn_of_end(&self) {
        let terms = self.state().terms.clone();
        let left_secs = terms.expires_unix_secs().saturating_sub(unix_secs());
        if left_secs <= 0 {
            tracing::error!(ended = %ends(&terms), "a certificate has expired: clients refuse it");
        } else if left_secs.unsigned_abs() <= WARNED_AHEAD.as_secs() {
            tracing::warn!(ends = %ends(&terms), days = left_secs.unsigned_abs() / DAY_SECS, "a certificate is about to expire");
        }
    }
}

fn watch(shared: &Shared, ended: &Receiver<()>) {
    let looks_a_day = DAY_SECS / LOOK_INTERVAL.as_secs();
    for look in 0u64.. {
        if look.is_multiple_of(looks_a_day) {
            shared.warn_of_end();
        }
        if ended.recv_timeout(LOOK_INTERVAL) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        shared.look();
    }
}

fn unix_secs() -> i64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// When the first certificate ends, for people.
fn ends(terms: &Terms) -> String {
    let secs = u64::try_from(terms.expires_unix_secs()).unwrap_or(0);
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(secs.min(253_402_300_799)))
}
