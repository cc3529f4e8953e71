//! Signals, on a thread of their own.
//!
//! Promises that a stop is told exactly once, that later SIGTERM and SIGINT change nothing (the supervisor's deadline
//! ends a stop that hangs), and that the callbacks run on an ordinary thread, where they may lock and allocate.

use std::thread::{self, JoinHandle};
use std::{fmt, io, mem, ptr};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

const THREAD_NAME: &str = "signals";

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

/// What SIGHUP calls.
pub type Reload = Box<dyn FnMut() + Send>;

/// The running signal thread; dropping it ends it.
#[derive(Debug)]
pub struct SignalThread {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

/// Takes over SIGTERM and SIGINT, and SIGHUP if `on_reload` is given; without it SIGHUP keeps the system's default.
///
/// # Errors
/// When the handlers or the thread cannot be had.
pub fn listen(on_stop: impl FnOnce(StopCause) + Send + 'static, on_reload: Option<Reload>) -> io::Result<SignalThread> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    if on_reload.is_some() {
        signals.add_signal(SIGHUP)?;
    }
    let handle = signals.handle();
    let thread = thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(move || {
        serve(
            &mut signals,
            Callbacks {
                on_stop: Some(on_stop),
                on_reload,
            },
        )
    })?;
    Ok(SignalThread {
        handle,
        thread: Some(thread),
    })
}

impl SignalThread {
    /// Ends the thread and waits for it. The signals stay caught: what arrives later is ignored.
    ///
    /// Must not be called from a callback.
    pub fn close(mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // A panic in a callback has aborted the process already.
            let _ = thread.join();
        }
    }
}

impl Drop for SignalThread {
    fn drop(&mut self) {
        self.handle.close();
    }
}

struct Callbacks<Stop> {
    on_stop: Option<Stop>,
    on_reload: Option<Reload>,
}

impl<Stop: FnOnce(StopCause)> Callbacks<Stop> {
    fn deliver(&mut self, signal: libc::c_int) {
        match signal {
            SIGTERM => self.stop(StopCause::Terminate),
            SIGINT => self.stop(StopCause::Interrupt),
            _ => {
                if let Some(reload) = &mut self.on_reload {
                    reload();
                }
            }
        }
    }

    fn stop(&mut self, cause: StopCause) {
        if let Some(on_stop) = self.on_stop.take() {
            on_stop(cause);
        }
    }
}

fn serve(signals: &mut Signals, mut callbacks: Callbacks<impl FnOnce(StopCause)>) {
    for signal in signals.forever() {
        callbacks.deliver(signal);
    }
}

/// Blocks the caught signals on the calling thread and those it will start, so that none of them interrupts a shard's
/// kernel entry.
pub fn leave_to_the_signal_thread() {
    // SAFETY: `sigset_t` is plain data that sigemptyset initialises before any other use, and every pointer is to this
    // frame or null where the manual allows it. These calls fail only for invalid signal numbers.
    unsafe {
        let mut blocked: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut blocked);
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            libc::sigaddset(&raw mut blocked, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const blocked, ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use signal_hook::low_level::raise;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    // One test: signals are a matter of the whole process.
    #[test]
    fn a_stop_is_told_once_and_a_reload_each_time() {
        let (told, heard) = mpsc::channel();
        let reloaded = told.clone();
        let on_reload: Reload = Box::new(move || reloaded.send("reload".to_owned()).expect("the test listens"));
        let signals = listen(
            move |cause| told.send(cause.to_string()).expect("the test listens"),
            Some(on_reload),
        )
        .expect("signals can be had");
        let next = || heard.recv_timeout(DEADLINE).expect("a callback in time");

        raise(SIGHUP).expect("raised");
        assert_eq!(next(), "reload");
        raise(SIGINT).expect("raised");
        assert_eq!(next(), "SIGINT");
        raise(SIGTERM).expect("raised");
        raise(SIGINT).expect("raised");
        raise(SIGHUP).expect("raised");
        assert_eq!(next(), "reload");

        signals.close();
        assert_eq!(
            heard.try_recv(),
            Err(mpsc::TryRecvError::Disconnected),
            "the thread is gone and told nothing more"
        );
    }

    #[test]
    fn only_the_first_stop_counts() {
        let mut heard = Vec::new();
        let mut callbacks = Callbacks {
            on_stop: Some(|cause| heard.push(cause)),
            on_reload: None,
        };
        for signal in [SIGTERM, SIGINT, SIGTERM, SIGHUP] {
            callbacks.deliver(signal);
        }
        drop(callbacks);
        assert_eq!(heard, [StopCause::Terminate]);
    }

    #[test]
    fn a_shard_thread_takes_no_signals() {
        let blocked = thread::spawn(|| {
            leave_to_the_signal_thread();
            // SAFETY: a null new mask only reads; the old mask is plain data of this frame.
            unsafe {
                let mut now: libc::sigset_t = mem::zeroed();
                libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &raw mut now);
                [SIGTERM, SIGINT, SIGHUP].map(|signal| libc::sigismember(&raw const now, signal))
            }
        });
        assert_eq!(blocked.join().expect("the thread ended well"), [1, 1, 1]);
    }
}
