//! The descriptor by which an executor is woken, and which glommio 0.9.0 never closes.
//!
//! Each of its tasks counts a reference to that descriptor's owner and does not give it back when the task is freed
//! (`task/raw.rs`, `destroy`). A process that is one server ends with its executors; one in which servers come and go would
//! lose a descriptor for each shard. So it is found when the executor is made, and closed when the executor is gone.

use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};
use std::{fs, io};

/// The descriptor of an executor.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Leftover {
    descriptor: RawFd,
    /// What the kernel calls it, as no other that is open.
    id: String,
}

/// Makes an executor and finds its descriptor. `None`: it is not known for certain, because somebody else has opened such a one at
/// the same moment, or there is no `/proc` to look at.
pub(super) fn found<T, E>(make: impl FnOnce() -> Result<T, E>) -> Result<(T, Option<Leftover>), E> {
    // Executors are made one after the other, so that only others' descriptors can be taken for theirs.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let before = eventfds();
    let made = make()?;
    let (Ok(before), Ok(mut new)) = (before, eventfds()) else {
        return Ok((made, None));
    };
    new.retain(|one| !before.contains(one));
    Ok((made, new.pop().filter(|_| new.is_empty())))
}

impl Leftover {
    /// Closes it. Only when the executor is gone, and has run: one that never ran a task closes it itself.
    pub(super) fn close(self) {
        if id_of(self.descriptor).is_ok_and(|id| id.is_some_and(|id| id == self.id)) {
            // SAFETY: it is the executor's, for nothing else of its kind was opened while the executor was made; and it is open still,
            // because its owner is never freed, in this version of glommio, which is pinned. Nobody who would use it is left.
            drop(unsafe { OwnedFd::from_raw_fd(self.descriptor) });
        }
    }
}

/// All descriptors of that kind; an error if one of the process's could not be looked at, which might be the one.
fn eventfds() -> io::Result<Vec<Leftover>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(descriptor) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        match id_of(descriptor) {
            Ok(Some(id)) => found.push(Leftover { descriptor, id }),
            Ok(None) => {}
            // Closed meanwhile, as that of the folder itself is.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// What the kernel calls a descriptor of that kind.
fn id_of(descriptor: RawFd) -> io::Result<Option<String>> {
    let kind = fs::read_link(format!("/proc/self/fd/{descriptor}"))?;
    if kind.as_os_str() != "anon_inode:[eventfd]" {
        return Ok(None);
    }
    let told = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}"))?;
    let id = told.lines().find_map(|line| line.strip_prefix("eventfd-id:"));
    Ok(id.map(|id| id.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::fd::IntoRawFd;

    use super::*;

    fn eventfd() -> OwnedFd {
        // SAFETY: takes no pointer; what it returns is nobody else's.
        unsafe { OwnedFd::from_raw_fd(libc::eventfd(7, libc::EFD_CLOEXEC)) }
    }

    #[test]
    fn what_was_opened_meanwhile_is_found_and_closed() {
        let (ours, found) = super::found(|| Ok::<_, ()>(eventfd())).expect("it cannot fail");
        // Another test may have opened one at that moment: then nothing is known.
        let Some(leftover) = found else { return };
        let descriptor = ours.into_raw_fd();
        assert_eq!(leftover.descriptor, descriptor);
        leftover.close();
        // It may be another test's by now, but ours it is not.
        let counts_seven = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}"));
        assert!(!counts_seven.is_ok_and(|told| told.contains("eventfd-count:                7")));
    }
}
