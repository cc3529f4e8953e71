//! Events that wait to be posted.
//!
//! Owns them as they came. Promises that no more wait than may, and that they are taken in their order. What finds no room is never
//! written.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use tokio::sync::Notify;

use super::body::body;
use crate::shard::RoomEvent;

/// Events of one request.
#[derive(Debug)]
pub(super) struct Batch {
    /// What the request is called: as the first of its events.
    pub(super) id: String,
    /// How many.
    pub(super) events: usize,
    /// The body of the request.
    pub(super) body: Bytes,
}

#[derive(Debug)]
struct Shared {
    waiting: RefCell<Waiting>,
    max_events: usize,
    is_over: Cell<bool>,
    changed: Notify,
}

/// What waits, as it came: by turns of shards.
#[derive(Debug, Default)]
struct Waiting {
    turns: VecDeque<Vec<RoomEvent>>,
    events: usize,
}

/// Where events are put in. Dropping it says that no more come.
#[derive(Debug)]
pub(super) struct Entrance(Rc<Shared>);

/// Where they are taken out.
#[derive(Debug)]
pub(super) struct Exit(Rc<Shared>);

/// A queue for so many events, and its two ends.
pub(super) fn queue(max_events: usize) -> (Entrance, Exit) {
    let shared = Rc::new(Shared {
        waiting: RefCell::default(),
        max_events,
        is_over: Cell::new(false),
        changed: Notify::new(),
    });
    (Entrance(Rc::clone(&shared)), Exit(shared))
}

impl Entrance {
    /// Puts events in. Says how many found no room.
    pub(super) fn put(&self, mut turn: Vec<RoomEvent>) -> u64 {
        let waiting = &mut *self.0.waiting.borrow_mut();
        let room = self.0.max_events - waiting.events;
        let lost = turn.len().saturating_sub(room);
        turn.truncate(room);
        if !turn.is_empty() {
            // What waits may wait for long, and only events are counted.
            if turn.capacity() / 2 > turn.len() {
                turn.shrink_to_fit();
            }
            waiting.events += turn.len();
            waiting.turns.push_back(turn);
            self.0.changed.notify_one();
        }
        lost as u64
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        self.0.is_over.set(true);
        self.0.changed.notify_one();
    }
}

impl Exit {
    /// Waits until there are events, and says how many. `None`: no more come.
    pub(super) async fn wait(&self) -> Option<usize> {
        loop {
            match self.0.waiting.borrow().events {
                0 if self.0.is_over.get() => return None,
                0 => {}
                count => return Some(count),
            }
            self.0.changed.notified().await;
        }
    }

    /// The next events, and no more than so many, as they are posted. `None`: nothing waits.
    pub(super) fn take(&self, most: usize) -> Option<Batch> {
        let turns = self.0.waiting.borrow_mut().take(most);
        let events = || turns.iter().flatten();
        Some(Batch {
            id: events().next()?.id(),
            events: events().count(),
            body: body(events()).into(),
        })
    }
}

impl Waiting {
    /// Takes the next events out, and no more than so many.
    fn take(&mut self, most: usize) -> Vec<Vec<RoomEvent>> {
        let (mut taken, mut count) = (Vec::new(), 0);
        while let Some(mut turn) = self.turns.pop_front() {
            if turn.len() > most - count {
                let rest = turn.split_off(most - count);
                self.turns.push_front(rest);
            }
            count += turn.len();
            taken.push(turn);
            if count == most {
                break;
            }
        }
        self.events -= count;
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::control::webhooks::body::tests::{examples, numbers_in};

    #[test]
    fn events_are_taken_in_order_and_what_finds_no_room_is_counted() {
        let events = |range: Range<usize>| examples().drain(range).collect::<Vec<_>>();
        let numbers = |taken: Option<Batch>| -> Vec<u64> {
            let Batch { id, events, body } = taken.expect("a batch");
            let numbers = numbers_in(&body);
            assert_eq!(numbers.len(), events);
            assert_eq!(id, format!("{}.{}", examples()[0].room.id, numbers[0]));
            numbers
        };
        let (entrance, exit) = queue(7);
        assert_eq!(entrance.put(events(0..2)), 0);
        assert_eq!(entrance.put(events(2..9)), 2);
        assert_eq!(numbers(exit.take(3)), [1, 2, 3]);
        assert_eq!(entrance.put(events(0..9)), 6);
        assert_eq!(numbers(exit.take(3)), [4, 5, 6]);
        assert_eq!(numbers(exit.take(9)), [7, 1, 2, 3]);
        assert!(exit.take(9).is_none());
        assert_eq!(entrance.put(events(8..9)), 0);
        drop(entrance);
        assert_eq!(numbers(exit.take(1)), [9], "what was left");
    }
}
