//! CPU, memory and context switches of a server process on this machine, from `/proc`.
//!
//! CPU time comes from `schedstat` (nanoseconds) where the kernel has it, else from `stat` (clock ticks, mostly 10 ms). The
//! kernel brings `schedstat` of a running thread up to date at least at every tick, so a sample is at most a few
//! milliseconds old.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::sys;

/// A process that is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerProcess {
    pub(crate) pid: u32,
}

/// The state of all threads at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    threads: BTreeMap<u32, ThreadSample>,
    pub(crate) resident_bytes: u64,
}

#[derive(Debug, Clone)]
struct ThreadSample {
    name: String,
    cpu_ns: u64,
    waited_ns: u64,
    voluntary: u64,
    involuntary: u64,
}

/// What a process used between two samples.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Usage {
    pub(crate) pid: u32,
    pub(crate) cpu_ns: u64,
    /// Time that threads were ready to run and got no CPU; 0 without `schedstat`.
    pub(crate) cpu_wait_ns: u64,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
    pub(crate) resident_bytes_before: u64,
    pub(crate) resident_bytes_after: u64,
    /// Threads that used CPU, the busiest first.
    pub(crate) threads: Vec<ThreadUsage>,
}

/// What one thread used between two samples.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ThreadUsage {
    pub(crate) tid: u32,
    pub(crate) name: String,
    pub(crate) cpu_ns: u64,
}

/// What a process has used and holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gauge {
    pub(crate) cpu_ns: u64,
    pub(crate) resident_bytes: u64,
}

impl ServerProcess {
    /// The named process, or the one that listens on `server`; `None` when that is elsewhere or not readable for us.
    pub(crate) fn find(named: Option<u32>, server: SocketAddr) -> Result<Option<Self>> {
        if let Some(pid) = named {
            let process = Self { pid };
            process
                .sample()
                .with_context(|| format!("--server-pid {pid} cannot be read"))?;
            return Ok(Some(process));
        }
        if !is_local(server.ip()) {
            return Ok(None);
        }
        let process = owner_of(&listening_inodes(server)).map(|pid| Self { pid });
        Ok(process.filter(|process| process.sample().is_ok()))
    }

    /// Reads the present state.
    pub(crate) fn sample(self) -> Result<Sample> {
        let process = format!("/proc/{}", self.pid);
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("{process}/task")).with_context(|| format!("process {} is gone", self.pid))? {
            let path = entry?.path();
            let tid = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.parse().ok());
            // A thread may end between the listing and the reading; then it has no sample.
            if let (Some(tid), Some(sample)) = (tid, ThreadSample::read(&path)) {
                threads.insert(tid, sample);
            }
        }
        ensure!(!threads.is_empty(), "process {} has no readable threads", self.pid);
        let status = fs::read_to_string(format!("{process}/status"))?;
        // A process that has ended but is not yet collected by its parent still has a status, without memory.
        let resident_kib =
            status_number(&status, "VmRSS:").with_context(|| format!("process {} has ended", self.pid))?;
        Ok(Sample {
            threads,
            resident_bytes: resident_kib * 1024,
        })
    }

    /// CPU time and memory at present; `None` when the process has ended. Cheaper than a sample, and without its threads.
    pub(crate) fn gauge(self) -> Option<Gauge> {
        let pages = fs::read_to_string(format!("/proc/{}/statm", self.pid)).ok()?;
        let resident_pages: u64 = pages.split_ascii_whitespace().nth(1)?.parse().ok()?;
        // A process that has ended but is not yet collected by its parent has no memory.
        (resident_pages > 0).then_some(())?;
        Some(Gauge {
            cpu_ns: sys::cpu_ns_of(self.pid).ok()?,
            resident_bytes: resident_pages * sys::page_bytes(),
        })
    }

    /// What was used from `before` to `after`. Threads that ended in between are missing.
    pub(crate) fn usage(self, before: &Sample, after: &Sample) -> Usage {
        let mut usage = Usage {
            pid: self.pid,
            cpu_ns: 0,
            cpu_wait_ns: 0,
            voluntary_switches: 0,
            involuntary_switches: 0,
            resident_bytes_before: before.resident_bytes,
            resident_bytes_after: after.resident_bytes,
            threads: Vec::new(),
        };
        for (&tid, now) in &after.threads {
            let then = before.threads.get(&tid);
            let since = |pick: fn(&ThreadSample) -> u64| pick(now).saturating_sub(then.map_or(0, pick));
            let cpu_ns = since(|thread| thread.cpu_ns);
            usage.cpu_ns += cpu_ns;
            usage.cpu_wait_ns += since(|thread| thread.waited_ns);
            usage.voluntary_switches += since(|thread| thread.voluntary);
            usage.involuntary_switches += since(|thread| thread.involuntary);
            if cpu_ns > 0 {
                usage.threads.push(ThreadUsage {
                    tid,
                    name: now.name.clone(),
                    cpu_ns,
                });
            }
        }
        usage.threads.sort_by_key(|thread| std::cmp::Reverse(thread.cpu_ns));
        usage
    }
}

impl ThreadSample {
    fn read(task: &Path) -> Option<Self> {
        let status = fs::read_to_string(task.join("status")).ok()?;
        let precise = fs::read_to_string(task.join("schedstat"))
            .ok()
            .and_then(|text| schedstat_ns(&text));
        let (cpu_ns, waited_ns) = match precise {
            Some(times) => times,
            None => {
                let stat = fs::read_to_string(task.join("stat")).ok()?;
                (stat_cpu_ns(&stat, sys::clock_ticks_per_second())?, 0)
            }
        };
        Some(Self {
            name: status
                .lines()
                .next()
                .and_then(|line| line.strip_prefix("Name:"))
                .unwrap_or("?")
                .trim()
                .to_owned(),
            cpu_ns,
            waited_ns,
            voluntary: status_number(&status, "voluntary_ctxt_switches:").unwrap_or(0),
            involuntary: status_number(&status, "nonvoluntary_ctxt_switches:").unwrap_or(0),
        })
    }
}

/// Time on a CPU, and time waiting for one.
fn schedstat_ns(text: &str) -> Option<(u64, u64)> {
    let mut fields = text.split_ascii_whitespace();
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// How long the calling thread has waited for a CPU so far; 0 where the kernel does not tell.
pub(crate) fn own_thread_wait_ns() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    schedstat_ns(&text).map_or(0, |(_, waited_ns)| waited_ns)
}

/// Fields 14 and 15 of `stat`, counted behind the name, which may hold anything.
fn stat_cpu_ns(text: &str, ticks_per_second: u64) -> Option<u64> {
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * 1_000_000_000 / ticks_per_second)
}

fn status_number(status: &str, key: &str) -> Option<u64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(key))?
        .split_ascii_whitespace()
        .next()?
        .parse()
        .ok()
}

/// An address is ours when a socket can be bound to it.
pub(crate) fn is_local(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// Inodes of the sockets that listen where `server` would be answered.
fn listening_inodes(server: SocketAddr) -> HashSet<u64> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|table| {
            table
                .lines()
                .filter_map(|line| listener(line, server.port()))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The inode in a line of `/proc/net/tcp` when it is a listener on `port`.
fn listener(line: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (_, hex_port) = fields.get(1)?.rsplit_once(':')?;
    let matches = *fields.get(3)? == LISTEN && u16::from_str_radix(hex_port, 16).ok()? == port;
    matches.then(|| fields.get(9)?.parse().ok()).flatten()
}

/// The process of our own user that holds one of these sockets.
fn owner_of(inodes: &HashSet<u64>) -> Option<u32> {
    let wanted: HashSet<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        if sys::user_id() != 0 && entry.metadata().ok()?.uid() != sys::user_id() {
            return None;
        }
        let holds = fs::read_dir(entry.path().join("fd")).ok()?.flatten().any(|descriptor| {
            fs::read_link(descriptor.path()).is_ok_and(|target| wanted.contains(target.to_string_lossy().as_ref()))
        });
        holds.then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_owner_of_a_listening_port_is_found_and_measured() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let process = ServerProcess::find(None, address).expect("searched").expect("found");
        assert_eq!(process.pid, std::process::id());
        let before = process.sample().expect("a sample");
        assert!(before.resident_bytes > 0);
        let usage = process.usage(&before, &process.sample().expect("a sample"));
        assert_eq!(usage.pid, process.pid);
    }

    #[test]
    fn a_port_without_listener_has_no_owner() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        assert!(ServerProcess::find(None, address).expect("searched").is_none());
    }

    #[test]
    fn proc_files_are_read_by_field() {
        assert_eq!(schedstat_ns("123456 7 8\n"), Some((123_456, 7)));
        let stat = "9 (a b) c) S 1 9 9 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 1";
        assert_eq!(stat_cpu_ns(stat, 100), Some(3_000_000_000));
        let line = "   1: 0100007F:0DD0 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 4711 1 0";
        assert_eq!(listener(line, 3536), Some(4711));
        assert_eq!(listener(line, 3537), None);
    }

    #[test]
    fn usage_counts_new_threads_from_zero() {
        let thread = |cpu_ns| ThreadSample {
            name: "t".to_owned(),
            cpu_ns,
            waited_ns: 0,
            voluntary: cpu_ns,
            involuntary: 0,
        };
        let sample = |threads: &[(u32, u64)]| Sample {
            threads: threads.iter().map(|&(tid, cpu_ns)| (tid, thread(cpu_ns))).collect(),
            resident_bytes: 0,
        };
        let usage = ServerProcess { pid: 1 }.usage(&sample(&[(1, 10), (2, 5)]), &sample(&[(1, 30), (2, 5), (3, 7)]));
        assert_eq!((usage.cpu_ns, usage.voluntary_switches), (27, 27));
        assert_eq!(
            usage.threads.iter().map(|thread| thread.tid).collect::<Vec<_>>(),
            [1, 3]
        );
    }
}
