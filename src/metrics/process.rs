//! What the system says of this process, from `/proc`.
//!
//! A figure that cannot be read is left out.

use std::fs;
use std::path::Path;

/// Ticks in a second of the CPU times in `/proc`: Linux shows them in hundredths everywhere.
const TICKS_PER_SEC: f64 = 100.0;

/// What does not change while the process runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Process {
    start_secs: Option<f64>,
}

/// What the system says of the process now.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcessReading {
    /// CPU time used, in seconds.
    pub cpu_secs: Option<f64>,
    /// Memory in use, in bytes.
    pub resident_bytes: Option<u64>,
    /// Address space, in bytes.
    pub virtual_bytes: Option<u64>,
    /// Memory that is free for it, in bytes: of the machine, or of the tightest group that it is in.
    pub spare_bytes: Option<u64>,
    /// Open descriptors.
    pub open_descriptors: Option<u64>,
    /// Descriptors that may be open.
    pub max_descriptors: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// When the process began, in seconds since 1970.
    pub start_secs: Option<f64>,
}

impl Process {
    /// This process.
    #[must_use]
    pub fn this() -> Self {
        let booted_secs = fs::read_to_string("/proc/stat").ok().and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("btime "))?;
            line.trim().parse::<f64>().ok()
        });
        let stat = Stat::read(Path::new("/proc/self/stat"));
        let start_secs = booted_secs
            .zip(stat)
            .map(|(booted_secs, stat)| booted_secs + stat.start_ticks / TICKS_PER_SEC);
        Self { start_secs }
    }

    /// What the system says of it now.
    #[must_use]
    pub fn read(&self) -> ProcessReading {
        let stat = Stat::read(Path::new("/proc/self/stat"));
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        ProcessReading {
            cpu_secs: stat.map(|stat| stat.cpu_ticks / TICKS_PER_SEC),
            resident_bytes: kilobytes(&status, "VmRSS:"),
            virtual_bytes: kilobytes(&status, "VmSize:"),
            spare_bytes: spare_bytes(),
            open_descriptors: fs::read_dir("/proc/self/fd").ok().map(|open| open.count() as u64),
            max_descriptors: soft_limit(&limits, "Max open files"),
            threads: stat.map(|stat| stat.threads),
            start_secs: self.start_secs,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Stat {
    cpu_ticks: f64,
    threads: u64,
    start_ticks: f64,
}

impl Stat {
    fn read(path: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(path).ok()?)
    }

    /// The name of the program is in brackets and may hold anything, brackets too.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<_> = rest.split_ascii_whitespace().collect();
        let number = |place: usize| fields.get(place - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: (number(14)? + number(15)?) as f64,
            threads: number(20)?,
            start_ticks: number(22)? as f64,
        })
    }
}

fn spare_bytes() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok();
    let of_machine = machine.and_then(|text| kilobytes(&text, "MemAvailable:"));
    let membership = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = membership
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .unwrap_or_default();
    let of_groups = Path::new(group)
        .ancestors()
        .filter_map(|group| spare_bytes_of_group(&Path::new("/sys/fs/cgroup").join(group)));
    of_groups.chain(of_machine).min()
}

/// What a group (version 2) may still have; `None`: it has no limit, or is not shown. What can be read from its files again is
/// free.
fn spare_bytes_of_group(group: &Path) -> Option<u64> {
    let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    let (most, used) = (number("memory.max")?, number("memory.current")?);
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let cached = stat.lines().find_map(|line| line.strip_prefix("inactive_file "));
    let cached = cached.and_then(|bytes| bytes.trim().parse::<u64>().ok()).unwrap_or(0);
    Some(most.saturating_sub(used.saturating_sub(cached)))
}

fn kilobytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

fn soft_limit(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_any_name_is_read() {
        let text = "42 (a) b) c) S 1 42 42 0 -1 4194560 1 2 3 4 250 50 5 6 20 0 7 0 900 100 200\n";
        let expected = Stat {
            cpu_ticks: 300.0,
            threads: 7,
            start_ticks: 900.0,
        };
        assert_eq!(Stat::parse(text), Some(expected));
        assert_eq!(Stat::parse("42 (a) S 1"), None);
    }

    #[test]
    fn this_process_is_read() {
        let reading = Process::this().read();
        assert!(
            reading.cpu_secs.is_some() && reading.start_secs.is_some_and(|secs| secs > 1.6e9),
            "{reading:?}"
        );
        assert!(
            reading.resident_bytes.is_some_and(|bytes| bytes > 100_000),
            "{reading:?}"
        );
        assert!(reading.virtual_bytes >= reading.resident_bytes, "{reading:?}");
        assert!(reading.spare_bytes.is_some_and(|bytes| bytes > 0), "{reading:?}");
        assert!(reading.open_descriptors.is_some_and(|open| open >= 3), "{reading:?}");
        assert!(reading.max_descriptors >= reading.open_descriptors, "{reading:?}");
        assert!(reading.threads.is_some_and(|threads| threads >= 1), "{reading:?}");
    }

    #[test]
    fn what_a_group_may_still_have_leaves_out_what_can_be_read_again() {
        let group = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| fs::write(group.path().join(name), text).expect("a file");
        write("memory.current", "700\n");
        write("memory.stat", "anon 400\ninactive_file 100\n");
        assert_eq!(spare_bytes_of_group(group.path()), None);
        write("memory.max", "max\n");
        assert_eq!(spare_bytes_of_group(group.path()), None);
        write("memory.max", "1000\n");
        assert_eq!(spare_bytes_of_group(group.path()), Some(400));
    }
}
