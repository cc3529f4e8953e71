//! The server that is flooded: any program with this server's flags and keys, in a process of its own, on a CPU of its own.
//!
//! Promises limits that no load here meets but the ones that it is about, and the process's end with its scope.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

const LIFTED: [(&str, &str); 13] = [
    ("PORT", "0"),
    ("SECURITY__MAX_CONNECTIONS", "15000"),
    ("SECURITY__MAX_CONNECTIONS_PER_IP", "15000"),
    ("SERVER__MAX_ROOMS_PER_GAME", "10000"),
    ("SERVER__DEFAULT_MAX_SPECTATORS", "0"),
    ("RATE_LIMIT__MAX_JOIN_ATTEMPTS", "1000000000"),
    ("RATE_LIMIT__MAX_ROOM_CREATIONS", "1000000000"),
    ("RATE_LIMIT__MAX_INBOUND_ERROR_REPLIES", "1000000000"),
    ("RATE_LIMIT__MAX_RELAY_BYTES", "100000000000"),
    ("RATE_LIMIT__MAX_ROOM_RELAY_BYTES", "100000000000"),
    // Readers here answer no pings.
    ("WEBSOCKET__SERVER_PING_INTERVAL_SECS", "0"),
    ("SERVER__PING_TIMEOUT", "0"),
    ("LOGGING__FORMAT", "json"),
];

/// Where servers run.
#[derive(Clone, Copy)]
pub struct Place {
    pub cpu: usize,
    pub niceness: i32,
}

/// A server that runs.
pub struct Target {
    child: Child,
    pub address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Target {
    /// Starts a program with one shard and waits until it serves.
    pub fn start(program: &Path, place: Place) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let program = program.canonicalize().expect("the program of a server");
        let mut command = Command::new("taskset");
        command
            .args([
                "--cpu-list",
                &place.cpu.to_string(),
                "nice",
                "-n",
                &place.niceness.to_string(),
            ])
            .arg(program)
            .args(["--shards", "1"])
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        for (key, value) in LIFTED {
            command.env(format!("SIGNAL_FISH__{key}"), value);
        }
        let mut child = command.spawn().expect("taskset and nice are installed");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let address = loop {
            let line = lines.next().expect("it serves").expect("lines");
            let line: Value = serde_json::from_str(&line).unwrap_or_default();
            if line["fields"]["message"] == "serving" {
                let address = line["fields"]["address"].as_str().expect("the line tells the address");
                break address.parse().expect("an address and a port");
            }
        };
        // Read for as long as it runs, so that it never waits for us.
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self {
            child,
            address,
            _directory: directory,
        }
    }

    /// What the process has resident, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.child.id())).expect("our child");
        let pages: u64 = statm.split(' ').nth(1).expect("pages").parse().expect("a number");
        pages * 4096
    }

    /// What CPU its threads had.
    pub fn cpu(&self) -> CpuTime {
        CpuTime::of(self.child.id())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // Both fail when it has ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Time on a CPU, and time ready for one without having it, of all threads of a process.
#[derive(Clone, Copy)]
pub struct CpuTime {
    had: Duration,
    lacked: Duration,
}

impl CpuTime {
    /// Of this process.
    pub fn of_this_process() -> Self {
        Self::of(std::process::id())
    }

    fn of(process: u32) -> Self {
        let mut sum = Self {
            had: Duration::ZERO,
            lacked: Duration::ZERO,
        };
        for task in fs::read_dir(format!("/proc/{process}/task"))
            .expect("a process")
            .flatten()
        {
            let Ok(schedstat) = fs::read_to_string(task.path().join("schedstat")) else {
                continue; // a thread that has just ended
            };
            let mut ns = schedstat
                .split(' ')
                .map(|ns| ns.parse().map_or(Duration::ZERO, Duration::from_nanos));
            sum.had += ns.next().unwrap_or_default();
            sum.lacked += ns.next().unwrap_or_default();
        }
        sum
    }

    /// Both since an earlier look, in per cent of `time`.
    pub fn percent_since(self, earlier: Self, time: Duration) -> (f64, f64) {
        let percent =
            |now: Duration, then: Duration| now.saturating_sub(then).as_secs_f64() / time.as_secs_f64() * 100.0;
        (percent(self.had, earlier.had), percent(self.lacked, earlier.lacked))
    }
}

/// Puts this thread, and those that it starts, on one CPU.
pub fn stay_on(cpu: usize) {
    // SAFETY: all zeroes is an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is ours, and the macro checks the number.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the kernel reads the set, with its true length.
    let refused = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    assert_eq!(refused, 0, "CPU {cpu} is allowed");
}

/// Has this thread, and those that it starts, run before or after others of its CPU. Whether the system allows it is
/// its affair: it makes figures better, not true.
pub fn be_nice(by: libc::c_int) {
    // SAFETY: has no requirements.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, by) };
}

/// Allows this process, and those that it starts, as many descriptors as the system lets it have.
pub fn raise_descriptor_limit() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel writes one limit, which is ours.
    let refused = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    assert_eq!(refused, 0, "the limit can be read");
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the kernel reads one limit, which is ours.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
}
