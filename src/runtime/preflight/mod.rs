//! The checks before the first executor: can this machine, container or service unit carry the server?
//!
//! Owns the raising of the soft limits and the size of the table of open files. Promises that whatever is missing is told
//! in one sentence that names the cure, all of it at once, and never as a panic. Must run before any executor exists:
//! glommio panics where io_uring is refused, and its memory and descriptors would count against the limits judged here.

mod descriptors;
mod error;
mod limit;
mod limits;
mod listening;
mod ring;
mod warning;

use std::num::NonZeroU16;
use std::path::Path;

pub use error::PreflightError;
pub use limit::Limit;
pub use listening::{ListenAddress, ListenRefusal};
pub use ring::{RingFeatures, RingRefusal};
pub use warning::Warning;

/// What the server is about to need.
#[derive(Debug, Clone)]
pub struct Demands<'a> {
    /// Executors to start.
    pub shards: NonZeroU16,
    /// What the rings must be able to do.
    pub ring: RingFeatures,
    /// Connections at once in the whole process.
    pub max_connections: u64,
    /// Descriptors that a shard opens beyond those of its executor and its connections: listeners, own rings, epoll sets,
    /// sockets that are not upgraded yet or were refused.
    pub files_per_shard: u64,
    /// Memory that a shard locks beyond that of its executor: own rings and their registered buffers.
    pub memlock_per_shard_bytes: u64,
    /// The backlog that listeners will ask for.
    pub backlog: u32,
    /// Where the server will listen.
    pub addresses: &'a [ListenAddress],
}

/// What a machine that can carry the server told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// To be logged; the server works without a cure.
    pub warnings: Vec<Warning>,
    /// Descriptors that this process may open, after raising.
    pub file_limit: Limit,
    /// Bytes that this process may lock in memory, after raising.
    pub memlock_limit: Limit,
}

/// How many shards this process can lock the memory of; `None`: any number.
///
/// # Errors
/// When the limit cannot be read.
pub fn shards_within_memlock() -> Result<Option<NonZeroU16>, PreflightError> {
    limits::shards_within_memlock()
}

/// Runs all checks on this process and raises its soft limits as far as the demands and the hard limits go.
///
/// # Errors
/// Everything that stands in the way, in the order to cure it; never empty.
pub fn run(demands: &Demands<'_>) -> Result<Report, Vec<PreflightError>> {
    let sysctl = Path::new("/proc/sys");
    let mut errors = Vec::new();
    note(&mut errors, ring::check(demands.ring, sysctl));
    let memlock_limit = note(
        &mut errors,
        limits::check_memlock(demands.shards, demands.memlock_per_shard_bytes),
    );
    let file_limit = note(
        &mut errors,
        limits::check_files(demands.shards, demands.files_per_shard, demands.max_connections),
    );
    for listen in demands.addresses {
        note(&mut errors, listening::check_free(*listen));
    }
    match (memlock_limit, file_limit) {
        (Some(memlock_limit), Some(file_limit)) if errors.is_empty() => {
            let files = limits::files_needed(demands.shards, demands.files_per_shard, demands.max_connections);
            descriptors::grow_table(files);
            let warnings = listening::backlog_warning(demands.backlog, sysctl)
                .into_iter()
                .collect();
            Ok(Report {
                warnings,
                file_limit,
                memlock_limit,
            })
        }
        _ => Err(errors),
    }
}

fn note<T>(errors: &mut Vec<PreflightError>, outcome: Result<T, impl Into<PreflightError>>) -> Option<T> {
    outcome.map_err(|error| errors.push(error.into())).ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn demands(addresses: &[ListenAddress]) -> Demands<'_> {
        Demands {
            shards: NonZeroU16::MIN,
            ring: RingFeatures::default(),
            max_connections: 16,
            files_per_shard: 4,
            memlock_per_shard_bytes: 0,
            backlog: 64,
            addresses,
        }
    }

    #[test]
    fn this_machine_can_carry_a_small_server() {
        let anywhere = ListenAddress {
            address: ([127, 0, 0, 1], 0).into(),
            v6_only: false,
        };
        let report = run(&demands(&[anywhere])).expect("one shard can run here");
        assert!(report.file_limit.allows(16 + 4));
        assert!(report.memlock_limit.allows(512 * 1024));
        assert_eq!(report.warnings, []);
    }

    #[test]
    fn everything_in_the_way_is_told_at_once() {
        let served = TcpListener::bind(("127.0.0.1", 0)).expect("a listener");
        let address = served.local_addr().expect("its address");
        let addresses = [ListenAddress {
            address,
            v6_only: false,
        }];
        let errors = run(&Demands {
            max_connections: u64::MAX,
            ..demands(&addresses)
        })
        .expect_err("it cannot start");
        let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[0].contains("open files"), "{texts:?}");
        assert!(texts[1].contains(&address.to_string()), "{texts:?}");
    }
}
