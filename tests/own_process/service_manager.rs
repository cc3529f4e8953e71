//! What a service manager hears, on a socket that stands in for systemd's: ready, reloading, stopping, and signs of life for
//! as long as every shard gives them. A watchdog bites when those stop.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use crate::support::DEADLINE;
use crate::support::process::{Program, ServerProcess};

/// Without a sign of life for so long the watchdog would bite.
const WATCHDOG: Duration = Duration::from_millis(600);

/// Somebody who listens as systemd does.
struct Listener {
    _directory: tempfile::TempDir,
    socket: UnixDatagram,
}

impl Listener {
    /// One who listens, and the program that tells it.
    fn to(arguments: &[&str]) -> (Self, ServerProcess) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("bound");
        let server = Program::new(arguments)
            .variable("NOTIFY_SOCKET", path.to_str().expect("text"))
            .variable("WATCHDOG_USEC", &WATCHDOG.as_micros().to_string())
            .serve();
        (
            Self {
                _directory: directory,
                socket,
            },
            server,
        )
    }

    /// The next message, if one comes within `patience`.
    fn next(&self, patience: Duration) -> Option<String> {
        let mut buffer = [0; 1_024];
        self.socket.set_read_timeout(Some(patience)).expect("above zero");
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// The next message that begins like this, which must come within the deadline.
    fn wait_for(&self, beginning: &str) -> String {
        let give_up_at = Instant::now() + DEADLINE;
        while Instant::now() < give_up_at {
            if let Some(message) = self.next(DEADLINE)
                && message.starts_with(beginning)
            {
                return message;
            }
        }
        panic!("{beginning} was never told");
    }
}

/// One thread of a child that stands still until this is dropped. The others run on.
struct Stalled(libc::pid_t);

impl Stalled {
    fn thread(process: u32, name: &str) -> Self {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("our child");
        let task = tasks
            .flatten()
            .find(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name));
        let task = task.expect("a thread of this name").file_name();
        let task: libc::pid_t = task.to_str().and_then(|task| task.parse().ok()).expect("an id");
        let mut status = 0;
        // SAFETY: the thread is our child's; `status` is on this frame.
        unsafe {
            let none = std::ptr::null_mut::<libc::c_void>();
            assert_eq!(libc::ptrace(libc::PTRACE_ATTACH, task, none, none), 0);
            assert_eq!(libc::waitpid(task, &raw mut status, libc::__WALL), task);
        }
        assert!(libc::WIFSTOPPED(status));
        Self(task)
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        let none = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: the thread is ours to let go; it fails when the process has ended.
        unsafe { libc::ptrace(libc::PTRACE_DETACH, self.0, none, none) };
    }
}

#[test]
fn a_shard_that_stands_still_lets_the_watchdog_bite() {
    let (listener, server) = Listener::to(&["--port", "0", "--shards", "2"]);
    listener.wait_for("READY=1");
    for _ in 0..3 {
        assert_eq!(listener.wait_for("WATCHDOG=1"), "WATCHDOG=1");
    }
    let stalled = Stalled::thread(server.id(), "shard-1");
    let line = server.wait_for_log("no sign of life from a shard; the watchdog is not fed");
    assert_eq!(line["fields"]["shards"], "1");
    // What was said before is on its way.
    while listener.next(Duration::from_millis(10)).is_some() {}
    assert_eq!(
        listener.next(WATCHDOG * 3),
        None,
        "systemd would have ended the process"
    );
    drop(stalled);
    listener.wait_for("WATCHDOG=1");
    server.signal(libc::SIGTERM);
    assert_eq!(server.wait(DEADLINE), Some(0));
}

#[test]
fn ready_reloading_and_stopping_are_told() {
    let (listener, server) = Listener::to(&["--port", "0", "--shards", "1"]);
    let status = listener.wait_for("STATUS=");
    assert_eq!(
        status,
        format!("STATUS=Serving on {}: 0 connections, 0 rooms", server.address())
    );
    assert_eq!(listener.next(DEADLINE).as_deref(), Some("READY=1"));
    server.signal(libc::SIGHUP);
    assert!(listener.wait_for("RELOADING=1").contains("\nMONOTONIC_USEC="));
    listener.wait_for("READY=1");
    server.signal(libc::SIGTERM);
    assert!(listener.wait_for("STOPPING=1").contains("\nEXTEND_TIMEOUT_USEC="));
    assert_eq!(server.wait(DEADLINE), Some(0));
}
