//! Room events on their way to the program that the server runs in.
//!
//! Owns a bounded queue. Promises that whoever puts one in waits for nothing but a lock that is held for as long as some are moved,
//! and that what finds the queue full is counted.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::shard::RoomEvent;

/// The room events of a server, in order within each room. Dropping it ends the taking; the server goes on.
pub struct RoomEvents(Arc<Shared>);

/// Where the server puts them.
#[derive(Debug)]
pub struct RoomEventQueue(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    capacity: usize,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<RoomEvent>,
    lost: u64,
    is_over: bool,
    waker: Option<Waker>,
}

/// A queue for so many events, and its two ends.
#[must_use]
pub fn room_event_queue(capacity: usize) -> (RoomEventQueue, RoomEvents) {
    let shared = Arc::new(Shared {
        queue: Mutex::default(),
        changed: Condvar::new(),
        capacity,
    });
    (RoomEventQueue(Arc::clone(&shared)), RoomEvents(shared))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Queue)) {
        let mut queue = self.lock();
        change(&mut queue);
        let waker = queue.waker.take();
        drop(queue);
        self.changed.notify_one();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl RoomEventQueue {
    /// Puts some in, in their order. Those that find the queue full are lost, and counted.
    pub(super) fn put(&self, turns: Vec<Vec<RoomEvent>>) {
        if turns.is_empty() {
            return;
        }
        self.0.change(|queue| {
            for turn in turns {
                let room = self.0.capacity.saturating_sub(queue.events.len());
                queue.lost += turn.len().saturating_sub(room) as u64;
                queue.events.extend(turn.into_iter().take(room));
            }
        });
    }
}

impl Drop for RoomEventQueue {
    fn drop(&mut self) {
        self.0.change(|queue| queue.is_over = true);
    }
}

impl RoomEvents {
    /// The next one, under any executor. `None`: the server has ended, and all were taken.
    pub async fn next(&mut self) -> Option<RoomEvent> {
        poll_fn(|context| {
            let mut queue = self.0.lock();
            match queue.events.pop_front() {
                Some(event) => Poll::Ready(Some(event)),
                None if queue.is_over => Poll::Ready(None),
                None => {
                    queue.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// The same; blocks the thread until there is one.
    pub fn wait(&mut self) -> Option<RoomEvent> {
        let mut queue = self.0.lock();
        loop {
            match queue.events.pop_front() {
                Some(event) => return Some(event),
                None if queue.is_over => return None,
                None => queue = self.0.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// How many were lost because this queue was full; what a shard had no room for is in its
    /// `signal_fish_drops_total{queue="room_events"}`. Both leave a gap in the numbers of a room's events.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.lock().lost
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl fmt::Debug for RoomEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomEvents").finish_non_exhaustive()
    }
}
