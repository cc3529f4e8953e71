//! Locked memory and open files: how much the process may have, and how much the shards will take.

use std::num::NonZeroU16;
use std::path::Path;
use std::{fs, io};

use super::error::PreflightError;
use super::limit::Limit;

/// glommio starts no executor below this limit, not even for a process that the kernel does not hold to it.
const MEMLOCK_TO_START_BYTES: u64 = 512 * 1024;
/// Locked per executor: 192 KiB of registered buffers and three rings of 128 entries. Measured on Linux 6.18 as the most
/// shards that an ordinary user could start with all buffers registered: 34 under 8 MiB, 4 under 1 MiB.
const MEMLOCK_PER_EXECUTOR_BYTES: u64 = 240 * 1024;
/// Open per executor: three rings and an event counter.
const FILES_PER_EXECUTOR: u64 = 4;
/// Standard streams, signals, logs, configuration, and what is between accept and close in a turn.
const FILES_IN_RESERVE: u64 = 64;

// The C libraries disagree on the sign.
#[cfg(target_env = "gnu")]
type ResourceId = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type ResourceId = libc::c_int;

#[derive(Clone, Copy)]
struct Resource {
    id: ResourceId,
    name: &'static str,
}

const MEMLOCK: Resource = Resource {
    id: libc::RLIMIT_MEMLOCK,
    name: "RLIMIT_MEMLOCK",
};
const FILES: Resource = Resource {
    id: libc::RLIMIT_NOFILE,
    name: "RLIMIT_NOFILE",
};

pub(super) fn check_memlock(shards: NonZeroU16, memlock_per_shard_bytes: u64) -> Result<Limit, PreflightError> {
    let limit = raise(MEMLOCK)?;
    let is_free = may_lock_freely();
    let locked_bytes = if is_free {
        0
    } else {
        memlock_of(shards, memlock_per_shard_bytes)
    };
    let others_bytes = if is_free {
        0
    } else {
        locked_by_others(Path::new("/proc"))
    };
    // What an executor asks of the limit before it starts, it asks whatever others have locked.
    if limit.allows(MEMLOCK_TO_START_BYTES.max(locked_bytes.saturating_add(others_bytes))) {
        Ok(limit)
    } else {
        Err(PreflightError::Memlock {
            shards,
            needed_bytes: locked_bytes.max(MEMLOCK_TO_START_BYTES),
            others_bytes,
            limit,
        })
    }
}

/// How many shards can lock what they need; `None`: any number.
pub(super) fn shards_within_memlock() -> Result<Option<NonZeroU16>, PreflightError> {
    let Limit::Of(limit_bytes) = raise(MEMLOCK)? else {
        return Ok(None);
    };
    if may_lock_freely() {
        return Ok(None);
    }
    let left_bytes = limit_bytes.saturating_sub(locked_by_others(Path::new("/proc")));
    let shards = u16::try_from(left_bytes / MEMLOCK_PER_EXECUTOR_BYTES).unwrap_or(u16::MAX);
    // What does not do for one is told by the check.
    Ok(Some(NonZeroU16::new(shards).unwrap_or(NonZeroU16::MIN)))
}

/// What other programs of this user have locked for their rings: the kernel counts it against one limit. Those of other
/// containers count and cannot be seen.
fn locked_by_others(proc: &Path) -> u64 {
    let own = std::process::id().to_string();
    let Some(user) = fs::read_to_string(proc.join("self/status"))
        .ok()
        .and_then(|status| real_user(&status))
    else {
        return 0;
    };
    let processes = fs::read_dir(proc).into_iter().flatten().flatten();
    let others = processes.filter(|entry| {
        let name = entry.file_name();
        name.to_str()
            .is_some_and(|name| name != own && name.bytes().all(|b| b.is_ascii_digit()))
    });
    let statuses = others.filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok());
    let theirs = statuses.filter(|status| real_user(status) == Some(user));
    theirs
        .filter_map(|status| pinned_bytes(&status))
        .fold(0, u64::saturating_add)
}

fn real_user(status: &str) -> Option<u32> {
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_whitespace().next()?.parse().ok()
}

fn pinned_bytes(status: &str) -> Option<u64> {
    let pinned = status.lines().find_map(|line| line.strip_prefix("VmPin:"))?;
    let kib: u64 = pinned.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib.saturating_mul(1024))
}

pub(super) fn check_files(
    shards: NonZeroU16,
    files_per_shard: u64,
    max_connections: u64,
) -> Result<Limit, PreflightError> {
    let limit = raise(FILES)?;
    let needed = files_needed(shards, files_per_shard, max_connections);
    if limit.allows(needed) {
        Ok(limit)
    } else {
        Err(PreflightError::Files {
            max_connections,
            needed,
            limit,
        })
    }
}

fn memlock_of(shards: NonZeroU16, memlock_per_shard_bytes: u64) -> u64 {
    let per_shard_bytes = memlock_per_shard_bytes.saturating_add(MEMLOCK_PER_EXECUTOR_BYTES);
    u64::from(shards.get()).saturating_mul(per_shard_bytes)
}

pub(super) fn files_needed(shards: NonZeroU16, files_per_shard: u64, max_connections: u64) -> u64 {
    let of_shards = u64::from(shards.get()).saturating_mul(files_per_shard.saturating_add(FILES_PER_EXECUTOR));
    max_connections
        .saturating_add(of_shards)
        .saturating_add(FILES_IN_RESERVE)
}

/// Raises the soft limit to the hard one and tells what holds then.
fn raise(resource: Resource) -> Result<Limit, PreflightError> {
    let unreadable = |source| PreflightError::Unreadable {
        name: resource.name,
        source,
    };
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to this frame, and the kernel fills the whole structure.
    if unsafe { libc::getrlimit(resource.id, &raw mut limit) } != 0 {
        return Err(unreadable(io::Error::last_os_error()));
    }
    let raised = libc::rlimit {
        rlim_cur: limit.rlim_max,
        ..limit
    };
    // SAFETY: the pointer is to this frame and only read.
    let is_raised = limit.rlim_cur < limit.rlim_max && unsafe { libc::setrlimit(resource.id, &raw const raised) } == 0;
    // A refusal leaves the soft limit, which the check then judges.
    Ok(Limit::from_raw(if is_raised {
        raised.rlim_cur
    } else {
        limit.rlim_cur
    }))
}

/// Whether the kernel leaves this process's locked memory uncounted.
fn may_lock_freely() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid_map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    has_ipc_lock(&status) && is_initial_user_namespace(&uid_map)
}

fn has_ipc_lock(status: &str) -> bool {
    const CAP_IPC_LOCK: u32 = 14;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> CAP_IPC_LOCK & 1 == 1)
}

/// In any other user namespace the capability does not reach the kernel's memory accounting.
fn is_initial_user_namespace(uid_map: &str) -> bool {
    uid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn shards(count: u16) -> NonZeroU16 {
        NonZeroU16::new(count).expect("not zero")
    }

    #[test]
    fn locked_memory_grows_with_the_shards() {
        let kib = 1024;
        assert_eq!(memlock_of(shards(34), 0), 34 * 240 * kib);
        assert!(
            memlock_of(shards(34), 0) <= 8 << 20,
            "8 MiB, the usual default, carry 34 shards"
        );
        assert_eq!(memlock_of(shards(4), 60 * kib), 4 * 300 * kib);
        assert_eq!(memlock_of(shards(4), u64::MAX), u64::MAX);
    }

    #[test]
    fn what_other_programs_of_the_user_have_locked_counts() {
        let proc = tempfile::tempdir().expect("a directory");
        let process = |name: &str, status: &str| {
            let directory = proc.path().join(name);
            fs::create_dir(&directory).expect("a directory of ours");
            fs::write(directory.join("status"), status).expect("a file of ours");
        };
        process("self", "Uid:\t1000\t1000\t1000\t1000\nVmPin:\t    64 kB\n");
        process(
            &std::process::id().to_string(),
            "Uid:\t1000\t0\t0\t0\nVmPin:\t    64 kB\n",
        );
        assert_eq!(locked_by_others(proc.path()), 0);
        process("4000001", "Uid:\t1000\t0\t0\t0\nVmPin:\t   480 kB\n");
        process("4000002", "Uid:\t1001\t0\t0\t0\nVmPin:\t   480 kB\n");
        process("4000003", "Uid:\t1000\t0\t0\t0\n");
        process("sys", "Uid:\t1000\t0\t0\t0\nVmPin:\t   480 kB\n");
        assert_eq!(locked_by_others(proc.path()), 480 * 1024);
        assert_eq!(locked_by_others(Path::new("/nonexistent")), 0);
    }

    #[test]
    fn open_files_are_connections_shards_and_a_reserve() {
        assert_eq!(files_needed(shards(8), 3, 10_000), 10_000 + 8 * (4 + 3) + 64);
        assert_eq!(files_needed(shards(8), u64::MAX, u64::MAX), u64::MAX);
    }

    #[test]
    fn a_soft_limit_is_raised_to_the_hard_one() {
        let raised = raise(FILES).expect("readable");
        let mut now = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: the pointer is to this frame, and the kernel fills the whole structure.
        assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut now) }, 0);
        assert_eq!(now.rlim_cur, now.rlim_max);
        assert_eq!(raised, Limit::from_raw(now.rlim_max));
    }

    #[test]
    fn the_capability_counts_only_in_the_initial_user_namespace() {
        assert!(has_ipc_lock("Name:\tx\nCapEff:\t000001ffffffffff\n"));
        assert!(has_ipc_lock("CapEff:\t0000000000004000\n"));
        assert!(!has_ipc_lock("CapEff:\t00000000a80425fb\n"), "Docker's default set");
        assert!(!has_ipc_lock(""));
        assert!(is_initial_user_namespace("         0          0 4294967295\n"));
        assert!(!is_initial_user_namespace("         0     100000      65536\n"));
    }

    #[test]
    fn limits_tell_their_unit() {
        assert_eq!(Limit::Of(1 << 23).in_kib(), "8192 KiB");
        assert_eq!(Limit::Unlimited.in_kib(), "any amount");
        assert!(Limit::Of(5).allows(5) && !Limit::Of(5).allows(6) && Limit::Unlimited.allows(u64::MAX));
    }
}
