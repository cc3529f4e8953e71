//! The descriptor by which an executor is woken, and which glommio 0.9.0 never closes.
//!
//! Each of its tasks counts a reference to that descriptor's owner and does not give it back when the task is freed
//! (`task/raw.rs`, `destroy`). A process that is one server ends with its executors; one in which servers come and go would
//! lose a descriptor for each shard. So it is closed when the executor is gone.
//!
//! Promises never to close another's. Which one it is, the executor does not say; and what is opened while an executor is made may be
//! anybody's, for numbers come again at once. But there is a waker that counts it up by one each time, and nobody else
//! counts in it any more: it is the one that has gone up by exactly as much as was counted. A waker for each step stays in memory,
//! with the descriptor's owner.

use std::future::poll_fn;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;
use std::{fs, io};

use glommio::{Latency, Shares};

/// How far is counted, at each try. The kernel may still be about to read for the ring that is gone, and takes away what it
/// finds; and somebody else may count as far at that moment.
const STEPS: [u64; 4] = [61, 89, 71, 113];

/// What counts up an executor's descriptor.
#[derive(Debug)]
pub(super) struct Leftover(Waker);

/// A descriptor of that kind.
#[derive(Debug, PartialEq, Eq)]
struct EventFd {
    descriptor: RawFd,
    /// What the kernel calls it, as no other that is open.
    id: String,
    count: u64,
}

impl Leftover {
    /// Of the executor that runs the caller, whose tasks are asked after so long to make way. `None`: glommio does not run the
    /// task that it takes.
    pub(super) async fn of_this_executor(preempt_timer: Duration) -> Option<Self> {
        // A waker of such a queue counts up in any case, and not only when the executor sleeps.
        let latency = Latency::Matters(preempt_timer);
        let queue = glommio::executor().create_task_queue(Shares::default(), latency, "leftover");
        let own_waker = poll_fn(|context| Poll::Ready(context.waker().clone()));
        let task = glommio::spawn_local_into(own_waker, queue).ok()?;
        Some(Self(task.await))
    }

    /// Closes it, and says whether it was found. Only when the executor is gone, on a thread that runs no other.
    pub(super) fn close(self) -> bool {
        // The others in this process count elsewhere, and as far.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        for steps in STEPS {
            let Ok(before) = eventfds() else { break };
            for _ in 0..steps {
                self.0.wake_by_ref();
            }
            let Ok(mut counted) = eventfds() else { break };
            counted.retain(|now| {
                let EventFd { descriptor, id, count } = now;
                let before = before
                    .iter()
                    .find(|then| then.descriptor == *descriptor && then.id == *id);
                before.is_some_and(|then| count.checked_sub(then.count) == Some(steps))
            });
            if let [EventFd { descriptor, .. }] = counted[..] {
                // The last to count: it must not outlive the descriptor.
                drop(self);
                // SAFETY: it is the executor's, and open, because its owner is never freed in this version of glommio, which is
                // pinned. Nobody who would use it is left: the executor is gone, and no waker of its tasks was given to others.
                drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
                return true;
            }
        }
        false
    }
}

/// All descriptors of that kind; an error if one of the process's could not be looked at, which might be the one.
fn eventfds() -> io::Result<Vec<EventFd>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(descriptor) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        match look_at(descriptor) {
            Ok(eventfd) => found.extend(eventfd),
            // Closed meanwhile, as that of the folder itself is.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// What the kernel tells of a descriptor, if it is of that kind.
fn look_at(descriptor: RawFd) -> io::Result<Option<EventFd>> {
    let kind = fs::read_link(format!("/proc/self/fd/{descriptor}"))?;
    if kind.as_os_str() != "anon_inode:[eventfd]" {
        return Ok(None);
    }
    let told = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}"))?;
    let field = |name: &str| told.lines().find_map(|line| Some(line.strip_prefix(name)?.trim()));
    let count = field("eventfd-count:").and_then(|count| u64::from_str_radix(count, 16).ok());
    let id = field("eventfd-id:").map(str::to_owned);
    Ok(id.zip(count).map(|(id, count)| EventFd { descriptor, id, count }))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use glommio::{LocalExecutorBuilder, Placement};

    use super::*;

    fn eventfd() -> OwnedFd {
        // SAFETY: takes no pointer; what it returns is nobody else's.
        unsafe { OwnedFd::from_raw_fd(libc::eventfd(0, libc::EFD_CLOEXEC)) }
    }

    /// Makes an executor and sees it end.
    fn end_an_executor() -> bool {
        let executor = LocalExecutorBuilder::new(Placement::Unbound).ring_depth(8).make();
        let executor = executor.expect("an executor");
        let leftover = executor.run(Leftover::of_this_executor(Duration::from_secs(60)));
        drop(executor);
        leftover.expect("it was handed out").close()
    }

    #[test]
    fn an_executors_own_is_closed_and_no_others() {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            // Descriptors come and go, so that numbers come again; those that are there stay what they are.
            let others = [(); 2].map(|()| {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        let ours = [(); 8].map(|()| eventfd());
                        let look = || ours.each_ref().map(|one| look_at(one.as_raw_fd()).expect("it is open"));
                        let before = look();
                        thread::yield_now();
                        assert_eq!(before, look());
                    }
                })
            });
            let executors = [(); 2].map(|()| scope.spawn(|| (0..20).filter(|_| end_an_executor()).count()));
            let found = executors.map(|thread| thread.join().expect("no panic"));
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(found, [20, 20], "every one was found");
            for other in others {
                other.join().expect("nothing of theirs was closed");
            }
        });
    }
}
