//! How long a shard's thread may hold a CPU at a stretch, and so how soon it gets it back.
//!
//! A shard sleeps thousands of times a second. If another thread has taken its CPU meanwhile, the scheduler lets that one
//! finish its slice first, unless the one that wakes has asked for shorter slices: with the usual 3 ms, 11 of 12,000 sleeps
//! of a millisecond ended more than 1 ms late and 6 more than 3 ms; with slices of 100 to 1,000 µs 7 of 36,000 and none
//! (`docs/adr/011-short-slices.md`). The shard's share of the CPU is not changed by it.

use std::io;
use std::time::Duration;

/// The kernel's `struct sched_attr` in its first size.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    /// For an ordinary thread its slice, from Linux 6.12 on; ignored before.
    runtime_ns: u64,
    deadline_ns: u64,
    period_ns: u64,
}

/// The policy of ordinary threads. One under another was put there on purpose and is left alone.
const ORDINARY: u32 = libc::SCHED_OTHER as u32;

/// Asks for slices of that length for this thread. Says whether the kernel keeps to it: one before 6.12 does not, and a
/// real-time thread has no slices.
///
/// # Errors
///
/// What the kernel says; the thread then runs as before.
pub fn ask_for(slice: Duration) -> io::Result<bool> {
    let mut attributes = read()?;
    if attributes.policy != ORDINARY {
        return Ok(false);
    }
    attributes.flags = 0;
    attributes.runtime_ns = slice.as_nanos() as u64;
    // SAFETY: the kernel reads as many bytes of the structure as its own field tells.
    let refused = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) } != 0;
    if refused {
        return Err(io::Error::last_os_error());
    }
    Ok(read()?.runtime_ns == attributes.runtime_ns)
}

/// How the kernel schedules this thread.
fn read() -> io::Result<Attributes> {
    let size = u32::try_from(size_of::<Attributes>()).expect("a few dozen bytes");
    let mut attributes = Attributes {
        size,
        ..Attributes::default()
    };
    // SAFETY: the kernel writes at most `size` bytes, which the structure has.
    let refused = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) } != 0;
    if refused {
        return Err(io::Error::last_os_error());
    }
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gets_the_slices_that_it_asks_for_and_keeps_its_niceness() {
        let before = read().expect("readable");
        let slice = Duration::from_micros(700);
        let is_kept = ask_for(slice).expect("an ordinary thread may ask");
        let after = read().expect("readable");
        assert_eq!((after.policy, after.nice), (before.policy, before.nice));
        let expected_ns = if is_kept { 700_000 } else { before.runtime_ns };
        assert_eq!(after.runtime_ns, expected_ns);
    }
}
