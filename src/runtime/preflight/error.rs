//! What the checks refuse a start for.

use std::num::NonZeroU16;

use super::limit::Limit;
use super::listening::ListenRefusal;
use super::ring::RingRefusal;

/// Why the server cannot start here. Each message is one sentence with the cure.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// No executor can have its ring.
    #[error(transparent)]
    Ring(#[from] RingRefusal),
    /// The executors may not lock the memory that they need.
    #[error(
        "{} to lock {} KiB of memory and this process may lock {}{}: raise the limit (systemd \
         LimitMEMLOCK=infinity, Docker `--ulimit memlock=-1`, `ulimit -l` in a shell) or start fewer shards",
        need(*.shards), .needed_bytes / 1024, .limit.in_kib(), of_others(*.others_bytes)
    )]
    Memlock {
        /// Executors to start.
        shards: NonZeroU16,
        /// For all of them.
        needed_bytes: u64,
        /// What other programs of the same user have locked: the limit is for all of them.
        others_bytes: u64,
        /// The hard limit.
        limit: Limit,
    },
    /// The process may not open enough files for its connections.
    #[error(
        "{max_connections} connections need {needed} open files and this process may open {limit}: raise the limit \
         (systemd LimitNOFILE={needed}, Docker `--ulimit nofile={needed}`, `ulimit -n` in a shell) or allow fewer \
         connections"
    )]
    Files {
        /// The configured limit.
        max_connections: u64,
        /// Connections, shards with their sockets before and without an upgrade, and a reserve.
        needed: u64,
        /// The hard limit.
        limit: Limit,
    },
    /// The server could not listen.
    #[error(transparent)]
    Listen(#[from] ListenRefusal),
    /// A limit could not be read or raised.
    #[error("the limit {name} cannot be read ({source}): allow the system call prlimit64 in the seccomp profile")]
    Unreadable {
        /// The limit's name in the manuals.
        name: &'static str,
        /// What the system answered.
        source: std::io::Error,
    },
}

fn need(shards: NonZeroU16) -> String {
    match shards.get() {
        1 => "1 shard needs".to_owned(),
        several => format!("{several} shards need"),
    }
}

fn of_others(bytes: u64) -> String {
    match bytes / 1024 {
        0 => String::new(),
        kib => format!(", of which other programs of this user have {kib} KiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_are_too_low_tell_the_cure() {
        let shards = NonZeroU16::new(4).expect("not zero");
        let memlock = PreflightError::Memlock {
            shards,
            needed_bytes: 1 << 20,
            others_bytes: 0,
            limit: Limit::Of(65_536),
        };
        assert_eq!(
            memlock.to_string(),
            "4 shards need to lock 1024 KiB of memory and this process may lock 64 KiB: raise the limit (systemd \
             LimitMEMLOCK=infinity, Docker `--ulimit memlock=-1`, `ulimit -l` in a shell) or start fewer shards"
        );
        let shared = PreflightError::Memlock {
            shards,
            needed_bytes: 1 << 20,
            others_bytes: 2048,
            limit: Limit::Of(65_536),
        };
        let told = shared.to_string();
        assert!(
            told.contains("may lock 64 KiB, of which other programs of this user have 2 KiB: "),
            "{told}"
        );
        let files = PreflightError::Files {
            max_connections: 10_000,
            needed: 10_200,
            limit: Limit::Of(1024),
        };
        assert_eq!(
            files.to_string(),
            "10000 connections need 10200 open files and this process may open 1024: raise the limit (systemd \
             LimitNOFILE=10200, Docker `--ulimit nofile=10200`, `ulimit -n` in a shell) or allow fewer connections"
        );
    }
}
