//! What somebody will be told: awaited under any executor, or waited for by a thread.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// What the server will say. `.await` it under any executor, or have a thread [`wait`](Self::wait) for it. It needs nothing of the
/// caller's runtime, and comes within a deadline of the server's. Dropping it takes nothing back.
#[must_use = "what was asked for is done all the same, but nobody hears what became of it"]
pub struct Answer<T> {
    slot: Arc<Slot<T>>,
}

struct Slot<T> {
    said: Mutex<Said<T>>,
    changed: Condvar,
}

struct Said<T> {
    what: Option<T>,
    waker: Option<Waker>,
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, Said<T>> {
        // Nothing that may panic is done under the lock.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The other end: says it, once. Dropped before, it says what is said then.
pub(super) struct Promise<T> {
    slot: Arc<Slot<T>>,
    /// `None`: it was said.
    otherwise: Option<fn() -> T>,
}

/// An answer, and what it will be given by; `otherwise` is what is said when nobody says anything.
pub(super) fn promise<T>(otherwise: fn() -> T) -> (Promise<T>, Answer<T>) {
    let slot = Arc::new(Slot {
        said: Mutex::new(Said {
            what: None,
            waker: None,
        }),
        changed: Condvar::new(),
    });
    let answer = Answer {
        slot: Arc::clone(&slot),
    };
    let promise = Promise {
        slot,
        otherwise: Some(otherwise),
    };
    (promise, answer)
}

impl<T> Promise<T> {
    /// Says it.
    pub(super) fn keep(mut self, what: T) {
        self.otherwise = None;
        self.say(what);
    }

    /// Whether nobody waits any more.
    pub(super) fn is_forgotten(&self) -> bool {
        Arc::strong_count(&self.slot) == 1
    }

    fn say(&self, what: T) {
        let mut said = self.slot.lock();
        said.what = Some(what);
        let waker = said.waker.take();
        drop(said);
        self.slot.changed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if let Some(otherwise) = self.otherwise {
            self.say(otherwise());
        }
    }
}

impl<T> Answer<T> {
    /// Blocks the thread until it is there. Not for a thread that drives other tasks: `.await` it there.
    pub fn wait(self) -> T {
        let mut said = self.slot.lock();
        loop {
            if let Some(what) = said.what.take() {
                return what;
            }
            said = self.slot.changed.wait(said).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Future for Answer<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut said = self.slot.lock();
        if let Some(what) = said.what.take() {
            return Poll::Ready(what);
        }
        said.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_and_a_task_hear_what_is_said() {
        let (promise, answer) = promise(|| 0);
        let waiting = thread::spawn(move || answer.wait());
        promise.keep(7);
        assert_eq!(waiting.join().expect("no panic"), 7);

        let (promise, answer) = super::promise(|| 0);
        let saying = thread::spawn(move || promise.keep(8));
        assert_eq!(futures_lite::future::block_on(answer), 8);
        saying.join().expect("no panic");
    }

    #[test]
    fn who_says_nothing_is_heard_as_well() {
        let (promise, answer) = promise(|| 0);
        let waiting = thread::spawn(move || futures_lite::future::block_on(answer));
        drop(promise);
        assert_eq!(waiting.join().expect("no panic"), 0);
    }

    #[test]
    fn whoever_waits_no_more_is_known() {
        let (promise, answer) = promise(|| 0);
        assert!(!promise.is_forgotten());
        drop(answer);
        assert!(promise.is_forgotten());
    }
}
