//! Where and how a test ran: the machine, the generator, the command line. What a figure is worth depends on these, so
//! every report has them. No secret is told: values of variables whose name says that they are secret are left out.

use std::fs;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::sys::CpuSet;

/// Parts of names whose values are nobody's business.
const SECRET_NAMES: [&str; 4] = ["SECRET", "TOKEN", "PASSWORD", "KEY"];

static START: OnceLock<SystemTime> = OnceLock::new();

/// The program has begun.
pub(crate) fn note_start() {
    START.get_or_init(SystemTime::now);
}

/// The machine and the generator.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Host {
    started_utc: String,
    command_line: String,
    cpu_model: Option<String>,
    cpus: usize,
    /// Those that the generator may use.
    cpus_allowed: String,
    memory_bytes: Option<u64>,
    kernel: Option<String>,
    generator_version: &'static str,
    generator_target: String,
    /// How the generator was built.
    generator_profile: &'static str,
}

impl Host {
    pub(crate) fn look() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpus = read("/proc/cpuinfo");
        Self {
            started_utc: utc(*START.get_or_init(SystemTime::now)),
            command_line: command_line(std::env::args()),
            cpu_model: value_of(&cpus, "model name").or_else(|| value_of(&cpus, "Model")),
            cpus: std::thread::available_parallelism()
                .map_or(1, usize::from)
                .max(cpus.lines().filter(|line| line.starts_with("processor")).count()),
            cpus_allowed: CpuSet::current().map_or_else(|_| "?".to_owned(), |set| set.list()),
            memory_bytes: value_of(&read("/proc/meminfo"), "MemTotal")
                .and_then(|text| text.trim_end_matches("kB").trim().parse::<u64>().ok())
                .map(|kib| kib * 1024),
            kernel: Some(read("/proc/sys/kernel/osrelease").trim().to_owned()).filter(|text| !text.is_empty()),
            generator_version: env!("CARGO_PKG_VERSION"),
            generator_target: target(),
            generator_profile: if cfg!(debug_assertions) { "debug" } else { "release" },
        }
    }

    /// For people.
    pub(crate) fn facts(&self) -> Vec<(&'static str, String)> {
        let or_na = |text: &Option<String>| text.clone().unwrap_or_else(|| "n/a".to_owned());
        let memory = self.memory_bytes.map_or_else(
            || "n/a".to_owned(),
            |bytes| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
        );
        vec![
            ("started", self.started_utc.clone()),
            ("command line", self.command_line.clone()),
            (
                "machine",
                format!(
                    "{} × {}, {memory} of memory, Linux {}",
                    self.cpus,
                    or_na(&self.cpu_model),
                    or_na(&self.kernel)
                ),
            ),
            (
                "generator",
                format!(
                    "version {}, {} build for {}, may use CPU {}",
                    self.generator_version, self.generator_profile, self.generator_target, self.cpus_allowed
                ),
            ),
        ]
    }

    /// The same as lines under a table.
    pub(crate) fn table(&self) -> String {
        let facts = self.facts().into_iter();
        facts.map(|(name, value)| format!("{name:<18}{value}\n")).collect()
    }
}

/// The first value under a name in a file of `/proc`.
fn value_of(text: &str, name: &str) -> Option<String> {
    let value = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    });
    value.filter(|value| !value.is_empty())
}

fn target() -> String {
    let environment = if cfg!(target_env = "musl") {
        "-musl"
    } else if cfg!(target_env = "gnu") {
        "-gnu"
    } else {
        ""
    };
    format!("{}-{}{environment}", std::env::consts::ARCH, std::env::consts::OS)
}

/// The command line as a shell would take it.
fn command_line(words: impl Iterator<Item = String>) -> String {
    let quoted = |word: &str| {
        let plain = |char: char| char.is_ascii_alphanumeric() || "-_./:=,+@%".contains(char);
        if !word.is_empty() && word.chars().all(plain) {
            word.to_owned()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    let words: Vec<String> = words.map(|word| quoted(&without_secrets(&word))).collect();
    words.join(" ")
}

/// Servers that `compare` starts are given variables, `NAME=VARIABLE=VALUE … PROGRAM …`.
fn without_secrets(word: &str) -> String {
    // A value may have equals signs of its own, as base64 does.
    let parts = word.split(' ').map(|part| {
        let mut names = part.match_indices('=').map(|(end, _)| &part[..end]);
        let secret = names.find(|name| is_secret(name));
        secret.map_or_else(|| part.to_owned(), |name| format!("{name}=…"))
    });
    parts.collect::<Vec<_>>().join(" ")
}

fn is_secret(name: &str) -> bool {
    let is_variable = name.contains(|char: char| char.is_ascii_uppercase()) && !name.starts_with("--");
    let name = name.to_ascii_uppercase();
    is_variable && SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// Date and time of day in UTC.
fn utc(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let (days, second) = (since / 86_400, since % 86_400);
    // Civil date from days, with years that begin in March so that the leap day is the last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn the_command_line_can_be_run_again_and_tells_no_secrets() {
        let words = [
            "lt",
            "compare",
            "--server",
            "a=ADMIN_TOKEN=hush PORT={port} B_SECRET=aHVzaA== relay 'x'",
            "--client-key",
            "k.pem",
        ];
        assert_eq!(
            command_line(words.into_iter().map(str::to_owned)),
            r"lt compare --server 'a=ADMIN_TOKEN=… PORT={port} B_SECRET=… relay '\''x'\''' --client-key k.pem"
        );
    }

    #[test]
    fn this_machine_is_described() {
        let host = Host::look();
        assert!(host.cpus >= 1 && host.memory_bytes > Some(1 << 20), "{host:?}");
        assert!(host.kernel.is_some() && !host.cpus_allowed.is_empty(), "{host:?}");
        assert!(host.table().contains("command line"), "{}", host.table());
    }
}
