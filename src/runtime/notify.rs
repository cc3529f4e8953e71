//! What the service manager that started the process is told (`sd_notify(3)`): ready, reloading, stopping, alive.
//!
//! Owns the datagram socket to it. Promises that without a service manager nothing happens, and that one which does not
//! read holds its caller up for a second at most. Must never be used on a shard's thread.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};
use std::{env, fmt, io, process};

use crate::clock::whole_ms;
use crate::rare_line::RareLine;

/// The longest that a message may wait for the service manager.
const PATIENCE: Duration = Duration::from_secs(1);

/// The way to the service manager, if there is one.
#[derive(Debug, Default)]
pub struct NotifySocket {
    socket: Option<Line>,
    watchdog: Option<Duration>,
}

#[derive(Debug)]
struct Line {
    socket: UnixDatagram,
    /// It is told something every few seconds, so it may fail as often.
    telling: RareLine,
    since: Instant,
}

impl NotifySocket {
    /// The way to the one that this process's variables name: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    ///
    /// # Errors
    ///
    /// When there is one and it cannot be reached.
    pub fn of_this_process() -> io::Result<Self> {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(Self::default());
        };
        let text = |name| env::var(name).ok();
        Self::at(&name, text("WATCHDOG_USEC"), text("WATCHDOG_PID"))
    }

    fn at(name: &OsStr, watchdog_us: Option<String>, watched_pid: Option<String>) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        // Without an id whoever reads the variables is meant.
        let are_we_watched = watched_pid.is_none_or(|pid| pid == process::id().to_string());
        let watchdog = watchdog_us
            .filter(|_| are_we_watched)
            .and_then(|us| us.parse().ok())
            .filter(|us| *us > 0)
            .map(Duration::from_micros);
        Ok(Self {
            socket: Some(Line {
                socket,
                telling: RareLine::new(),
                since: Instant::now(),
            }),
            watchdog,
        })
    }

    /// Without a sign of life for so long the service manager ends the process. `None`: it does not watch.
    #[must_use]
    pub const fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The server serves, for the first time or again after [`reloading`](Self::reloading).
    pub fn ready(&self) {
        self.tell(format_args!("READY=1"));
    }

    /// The configuration is being read anew.
    pub fn reloading(&self) {
        self.tell(format_args!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_us()));
    }

    /// The server stops, and may take so long; it is waited for even where less is configured.
    pub fn stopping(&self, within: Duration) {
        self.tell(format_args!(
            "STOPPING=1\nEXTEND_TIMEOUT_USEC={}\nSTATUS=Stopping",
            within.as_micros()
        ));
    }

    /// All is well.
    pub fn alive(&self) {
        if self.watchdog.is_some() {
            self.tell(format_args!("WATCHDOG=1"));
        }
    }

    /// What people read in `systemctl status`.
    pub fn status(&self, status: impl fmt::Display) {
        self.tell(format_args!("STATUS={status}"));
    }

    fn tell(&self, message: fmt::Arguments<'_>) {
        if let Some(Line { socket, telling, since }) = &self.socket
            && let Err(error) = socket.send(message.to_string().as_bytes())
            && let Some(unsaid) = telling.may_say(whole_ms(since.elapsed()))
        {
            tracing::warn!(%error, unsaid, "the service manager could not be told");
        }
    }
}

/// The clock by which a service manager orders a reload.
fn monotonic_us() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to this frame. It fails only for a clock that does not exist.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).expect("a message");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn each_message_is_one_datagram() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("bound");
        let pid = process::id().to_string();
        let notify = NotifySocket::at(path.as_os_str(), Some("3000000".into()), Some(pid)).expect("it is there");
        assert_eq!(notify.watchdog(), Some(Duration::from_secs(3)));
        notify.ready();
        assert_eq!(heard(&socket), "READY=1");
        notify.alive();
        assert_eq!(heard(&socket), "WATCHDOG=1");
        notify.reloading();
        assert!(heard(&socket).starts_with("RELOADING=1\nMONOTONIC_USEC="));
        notify.stopping(Duration::from_secs(2));
        assert_eq!(
            heard(&socket),
            "STOPPING=1\nEXTEND_TIMEOUT_USEC=2000000\nSTATUS=Stopping"
        );
    }

    #[test]
    fn a_name_may_be_abstract_and_the_watchdog_anothers() {
        let name = format!("signal-fish-notify-{}", process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let socket = UnixDatagram::bind_addr(&address).expect("bound");
        let notify =
            NotifySocket::at(format!("@{name}").as_ref(), Some("3000000".into()), Some("1".into())).expect("there");
        assert_eq!(notify.watchdog(), None);
        notify.alive();
        notify.status("seen");
        assert_eq!(
            heard(&socket),
            "STATUS=seen",
            "nobody watches, so nothing was said before"
        );
    }

    #[test]
    fn nobody_at_all_is_no_error_and_nobody_at_a_name_is_one() {
        let none = NotifySocket::default();
        none.ready();
        assert_eq!(none.watchdog(), None);
        NotifySocket::at("/nowhere/at/all".as_ref(), None, None).expect_err("nobody is there");
    }
}
