//! Signals, from the first instruction of the program, on a thread of their own.
//!
//! Promises that no signal that asks for something is lost or deadly once [`hold`] was called, as process 1 of a
//! container too: it waits until the thread takes it. A stop is told exactly once; what comes before the server serves ends
//! the start, or is told as soon as it does. Must never do what is asked for on this thread if that may wait: a thread that
//! waits hears no SIGTERM.

use std::sync::{Arc, Mutex, MutexGuard};
use std::{fmt, io, mem, ptr, thread};

use libc::{SIGHUP, SIGINT, SIGTERM};

const THREAD_NAME: &str = "signals";

/// What is taken over.
const TAKEN: [libc::c_int; 3] = [SIGTERM, SIGINT, SIGHUP];

/// What asked the process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// SIGTERM: a service manager or container runtime.
    Terminate,
    /// SIGINT: Ctrl-C on a terminal.
    Interrupt,
}

impl fmt::Display for StopCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        })
    }
}

/// Who does what signals ask for. Called on the signals' thread, one after the other: must not wait.
pub trait Obeys: Send {
    /// Stops, in order. Called once.
    fn stop(&mut self, cause: StopCause);
    /// Tells somebody at a terminal what the stop waits for. Called once, with the first SIGINT.
    fn explain(&mut self);
    /// Stops without waiting any longer. Called once, with the second SIGINT.
    fn hurry(&mut self);
    /// Takes over what has changed.
    fn reload(&mut self);
}

/// Keeps signals waiting for the thread of [`listen`], whoever they are sent to. The first instruction of a program: threads
/// that are started later do as this one.
pub fn hold() {
    let taken = taken();
    // SAFETY: the new mask is read from this frame, and the old one is not asked for. The call fails only for an operation
    // that does not exist.
    unsafe {
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const taken, ptr::null_mut());
    }
}

/// Starts the thread that takes the signals which [`hold`] keeps. Until [`Signals::obey`] a stop calls `stopped_early`,
/// which ends the process.
///
/// # Errors
/// When the system has no thread for it.
pub fn listen(stopped_early: fn(StopCause)) -> io::Result<Signals> {
    let signals = Signals {
        state: Arc::new(Mutex::new(State {
            stopped_early,
            server: None,
            is_reload_asked: false,
            is_stopping: false,
            interrupts: 0,
        })),
    };
    let state = Arc::clone(&signals.state);
    thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(move || {
        loop {
            let signal = next();
            lock(&state).deliver(signal);
        }
    })?;
    Ok(signals)
}

/// The signals of the process.
pub struct Signals {
    state: Arc<Mutex<State>>,
}

impl Signals {
    /// From now on signals are for `server`, and so is a reload that was asked for before.
    pub fn obey(&self, server: impl Obeys + 'static) {
        let mut state = lock(&self.state);
        let is_reload_asked = mem::take(&mut state.is_reload_asked);
        let server = state.server.insert(Box::new(server));
        if is_reload_asked {
            server.reload();
        }
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").finish_non_exhaustive()
    }
}

struct State {
    stopped_early: fn(StopCause),
    server: Option<Box<dyn Obeys>>,
    is_reload_asked: bool,
    is_stopping: bool,
    interrupts: u32,
}

impl State {
    fn deliver(&mut self, signal: libc::c_int) {
        match (signal, &mut self.server) {
            (SIGTERM, None) => (self.stopped_early)(StopCause::Terminate),
            (SIGINT, None) => (self.stopped_early)(StopCause::Interrupt),
            (SIGHUP, None) => self.is_reload_asked = true,
            (SIGTERM, Some(server)) => {
                if !mem::replace(&mut self.is_stopping, true) {
                    server.stop(StopCause::Terminate);
                }
            }
            (SIGINT, Some(server)) => {
                self.interrupts = self.interrupts.saturating_add(1);
                if !mem::replace(&mut self.is_stopping, true) {
                    server.stop(StopCause::Interrupt);
                }
                match self.interrupts {
                    1 => server.explain(),
                    2 => server.hurry(),
                    _ => {}
                }
            }
            (_, Some(server)) => server.reload(),
            (_, None) => {}
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("a panic ends the process")
}

fn taken() -> libc::sigset_t {
    // SAFETY: `sigset_t` is plain data that sigemptyset initialises before any other use, and every pointer is to this
    // frame. These calls fail only for signal numbers that do not exist.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in TAKEN {
            libc::sigaddset(&raw mut set, signal);
        }
        set
    }
}

/// Waits for the next signal.
fn next() -> libc::c_int {
    let taken = taken();
    loop {
        // SAFETY: the set is read from this frame, and no details are asked for.
        let signal = unsafe { libc::sigwaitinfo(&raw const taken, ptr::null_mut()) };
        // Otherwise a signal that is not for us, as when the process was stopped and goes on.
        if signal > 0 {
            return signal;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    struct Told(Sender<&'static str>);

    impl Obeys for Told {
        fn stop(&mut self, cause: StopCause) {
            let told = match cause {
                StopCause::Terminate => "stop by SIGTERM",
                StopCause::Interrupt => "stop by SIGINT",
            };
            self.0.send(told).expect("the test listens");
        }

        fn explain(&mut self) {
            self.0.send("explain").expect("the test listens");
        }

        fn hurry(&mut self) {
            self.0.send("hurry").expect("the test listens");
        }

        fn reload(&mut self) {
            self.0.send("reload").expect("the test listens");
        }
    }

    fn starting() -> Signals {
        let state = State {
            stopped_early: |cause| panic!("{cause}"),
            server: None,
            is_reload_asked: false,
            is_stopping: false,
            interrupts: 0,
        };
        Signals {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn heard(signals: &Signals, told: &Receiver<&'static str>, arriving: &[libc::c_int]) -> Vec<&'static str> {
        for signal in arriving {
            lock(&signals.state).deliver(*signal);
        }
        told.try_iter().collect()
    }

    #[test]
    fn a_stop_is_told_once_and_a_reload_each_time() {
        let (tell, told) = channel();
        let signals = starting();
        signals.obey(Told(tell));
        assert_eq!(
            heard(&signals, &told, &[SIGHUP, SIGHUP, SIGTERM, SIGTERM, SIGHUP]),
            ["reload", "reload", "stop by SIGTERM", "reload"]
        );
    }

    #[test]
    fn the_first_ctrl_c_explains_and_the_second_hurries() {
        let (tell, told) = channel();
        let signals = starting();
        signals.obey(Told(tell.clone()));
        assert_eq!(
            heard(&signals, &told, &[SIGINT, SIGTERM, SIGINT, SIGINT]),
            ["stop by SIGINT", "explain", "hurry"]
        );
        let signals = starting();
        signals.obey(Told(tell));
        assert_eq!(
            heard(&signals, &told, &[SIGTERM, SIGINT, SIGINT]),
            ["stop by SIGTERM", "explain", "hurry"]
        );
    }

    #[test]
    fn a_reload_before_the_server_serves_is_made_good_once() {
        let (tell, told) = channel();
        let signals = starting();
        assert_eq!(heard(&signals, &told, &[SIGHUP, SIGHUP]), [] as [&str; 0]);
        signals.obey(Told(tell));
        assert_eq!(told.try_iter().collect::<Vec<_>>(), ["reload"]);
    }

    #[test]
    fn held_signals_wait_on_this_thread_and_those_that_it_starts() {
        let blocked = || {
            // SAFETY: a null new mask only reads; the old mask is plain data of this frame.
            unsafe {
                let mut now: libc::sigset_t = mem::zeroed();
                libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &raw mut now);
                TAKEN.map(|signal| libc::sigismember(&raw const now, signal))
            }
        };
        let [here, below] = thread::spawn(move || {
            hold();
            [blocked(), thread::spawn(blocked).join().expect("no panic")]
        })
        .join()
        .expect("no panic");
        assert_eq!([here, below], [[1; 3]; 2]);
    }
}
