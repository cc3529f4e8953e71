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
        assert!(reading.open_descriptors.is_some_and(|open| open >= 3), "{reading:?}");
        assert!(reading.max_descriptors >= reading.open_descriptors, "{reading:?}");
        assert!(reading.threads.is_some_and(|threads| threads >= 1), "{reading:?}");
    }
}
