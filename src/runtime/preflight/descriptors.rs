//! The kernel's table of open files, grown before it matters.
//!
//! The table doubles when its last place is taken, and while threads share it the kernel waits for an RCU grace period each
//! time, inside the `accept` that came too late: 14 to 18 ms in which a shard served nobody (Linux 6.18, the 400
//! connections of `signal-fish-loadtest storm`, 0.4 to 0.6 ms of CPU in the same turn). Grown at once for all the connections
//! that may come, it costs eight bytes for each and nobody waits.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Makes room for `files` open files. A refusal only means that the table grows later.
pub(super) fn grow_table(files: u64) {
    if let Err(error) = take_number(files.saturating_sub(1)) {
        tracing::debug!(%error, files, "the table of open files could not be grown");
    }
}

/// Takes the first free descriptor from `number` on, for a moment.
fn take_number(number: u64) -> io::Result<()> {
    let number = libc::c_int::try_from(number).map_err(io::Error::other)?;
    // SAFETY: no pointers; the result is checked before it is owned.
    let original = owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) })?;
    // SAFETY: as above, and the descriptor that is copied is open.
    owned(unsafe { libc::fcntl(original.as_raw_fd(), libc::F_DUPFD_CLOEXEC, number) })?;
    Ok(())
}

fn owned(raw: libc::c_int) -> io::Result<OwnedFd> {
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel says of the size of this process's table.
    fn table_size() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("a status");
        let size = status.lines().find_map(|line| line.strip_prefix("FDSize:"));
        size.and_then(|size| size.trim().parse().ok()).expect("the size")
    }

    #[test]
    fn the_table_has_room_for_what_was_asked_and_more_than_that_is_refused() {
        grow_table(700);
        assert!(table_size() >= 700, "{}", table_size());
        assert!(take_number(u64::MAX).is_err());
    }
}
