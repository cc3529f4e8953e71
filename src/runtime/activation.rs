//! Sockets that a service manager has opened for this process (`sd_listen_fds(3)`).
//!
//! Promises that each is taken once, and by nobody who is started from here. Knows nothing of what they are.

use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, io, process};

/// The first descriptor that is passed; those of the standard streams come before it.
const FIRST: RawFd = 3;

/// More is a mistake.
const MOST: RawFd = 1_024;

/// The sockets that were passed to this process, by `LISTEN_PID` and `LISTEN_FDS`. Whoever asks again gets none.
///
/// # Errors
///
/// When what was announced is not there.
pub fn passed_sockets() -> io::Result<Vec<OwnedFd>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let text = |name| env::var(name).ok();
    let count = announced(text("LISTEN_PID"), text("LISTEN_FDS"), process::id())?;
    if count == 0 || TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    let descriptors = FIRST..FIRST + count;
    for descriptor in descriptors.clone() {
        // SAFETY: takes no pointer; a descriptor that is not open is an error.
        if unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // SAFETY: they are open, they were passed to this process for it to own, and they are taken once.
    Ok(descriptors
        .map(|descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) })
        .collect())
}

/// How many sockets are announced to the process `own`.
fn announced(pid: Option<String>, count: Option<String>, own: u32) -> io::Result<RawFd> {
    let (Some(pid), Some(count)) = (pid, count) else {
        return Ok(0);
    };
    if pid != own.to_string() {
        return Ok(0);
    }
    let count = count.parse().ok().filter(|count| (0..=MOST).contains(count));
    count.ok_or_else(|| io::Error::other("LISTEN_FDS is no number of sockets"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_meant_for_this_process_is_announced() {
        let announced = |pid: &str, count: &str| announced(Some(pid.into()), Some(count.into()), 7);
        assert_eq!(announced("7", "2").expect("a number"), 2);
        assert_eq!(announced("8", "2").expect("another's"), 0);
        for wrong in ["", "-1", "two", "100000000000"] {
            announced("7", wrong).expect_err("no number of sockets");
        }
        assert_eq!(super::announced(None, Some("2".into()), 7).expect("nothing"), 0);
    }
}
