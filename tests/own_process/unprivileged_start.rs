//! The server starts as an ordinary user under the usual limit on locked memory, and says what is missing under a lower
//! one. Each scenario runs in a child that gives up its rights, if it has any.

use std::num::NonZeroU16;
use std::process;
use std::time::Duration;

use signal_fish_relay::runtime::cpus::{AllowedCpus, CgroupRoots, place};
use signal_fish_relay::runtime::executors;
use signal_fish_relay::runtime::preflight::{self, Demands, RingFeatures};
use signal_fish_relay::runtime::supervisor::Supervisor;

use crate::child;

const NOBODY: u32 = 65_534;
const MIB: u64 = 1 << 20;
const DEADLINE: Duration = Duration::from_secs(20);

/// Sets both limits on locked memory, as far as this process may, and is no root from then on, on all threads.
fn become_ordinary(memlock_bytes: u64) {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointers are to this frame, or null with a length of zero; the C library changes all threads' ids.
    unsafe {
        let is_root = libc::geteuid() == 0;
        assert_eq!(libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit), 0);
        let most = if is_root { u64::MAX } else { limit.rlim_max };
        limit.rlim_max = memlock_bytes.min(most);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit), 0);
        if is_root {
            assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
            assert_eq!(libc::setgid(NOBODY), 0);
            assert_eq!(libc::setuid(NOBODY), 0);
        }
        assert_ne!(libc::geteuid(), 0);
    }
}

/// Checks the machine, starts `shards`, stops them, and exits as the server would.
fn start_and_stop(shards: u16) -> ! {
    let shards = NonZeroU16::new(shards).expect("not zero");
    let ring = RingFeatures {
        single_issuer: true,
        defer_taskrun: true,
    };
    let demands = Demands {
        shards,
        ring,
        max_connections: 8,
        files_per_shard: 0,
        memlock_per_shard_bytes: 0,
        backlog: 64,
        addresses: &[],
    };
    if let Err(errors) = preflight::run(&demands) {
        errors.iter().for_each(|error| eprintln!("{error}"));
        process::exit(1);
    }
    let allowed = AllowedCpus::of_this_process(&CgroupRoots::default()).expect("the kernel tells the mask");
    let placement = place(Some(shards), &allowed);
    let mut gates = Vec::new();
    let started = executors::start(&placement, Duration::from_millis(5), DEADLINE, |_| {
        let (gate, opened) = crossbeam_channel::bounded::<()>(0);
        gates.push(gate);
        move |_tick| {
            Ok(async move {
                while opened.try_recv() == Err(crossbeam_channel::TryRecvError::Empty) {
                    glommio::timer::sleep(Duration::from_millis(2)).await;
                }
            })
        }
    });
    let shards = started.unwrap_or_else(|error| {
        eprintln!("{error}");
        process::exit(2);
    });
    let supervisor = Supervisor::new(shards, DEADLINE, DEADLINE, DEADLINE);
    supervisor.stop_handle().request();
    drop(gates);
    let outcome = supervisor.wait();
    eprintln!("{outcome}");
    process::exit(outcome.exit_code().into());
}

#[test]
fn two_shards_start_under_8_mib_of_locked_memory() {
    if child::is_child() {
        become_ordinary(8 * MIB);
        start_and_stop(2);
    }
    let output = child::output("unprivileged_start::two_shards_start_under_8_mib_of_locked_memory");
    let text = child::standard_error(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("all shards stopped"), "{text}");
}

#[test]
fn too_little_locked_memory_is_told_before_the_first_executor() {
    if child::is_child() {
        become_ordinary(64 * 1024);
        start_and_stop(2);
    }
    let output = child::output("unprivileged_start::too_little_locked_memory_is_told_before_the_first_executor");
    let text = child::standard_error(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("2 shards need to lock 512 KiB of memory and this process may lock 64 KiB:"),
        "{text}"
    );
    assert!(text.contains("LimitMEMLOCK=infinity"), "{text}");
}
