//! Events that wait to be posted, as they will be sent.
//!
//! Owns their JSON, in batches, so that an event is written once and nothing else of it is kept. Promises that no more events wait
//! than may, and that their order is the one in which they came.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use tokio::sync::Notify;

use super::json;
use crate::shard::RoomEvent;

/// What a body begins with.
const OPENING: &[u8] = b"{\"events\":[\n";
/// What stands between two events: JSON has no other line breaks.
const BETWEEN: &[u8] = b",\n";
/// What a body ends with.
const CLOSING: &[u8] = b"\n]}";

/// Events of one request.
#[derive(Debug)]
pub(super) struct Batch {
    /// What the request is called.
    pub(super) id: String,
    /// How many.
    pub(super) events: usize,
    /// The body of the request.
    pub(super) body: Bytes,
}

impl Batch {
    /// A line of JSON for each event.
    pub(super) fn lines(&self) -> Vec<u8> {
        let mut lines = Vec::with_capacity(self.body.len());
        let events = &self.body[OPENING.len()..self.body.len() - CLOSING.len()];
        for line in events.split(|byte| *byte == b'\n') {
            lines.extend_from_slice(line.strip_suffix(b",").unwrap_or(line));
            lines.push(b'\n');
        }
        lines
    }
}

/// A batch to which others may still be added.
#[derive(Debug)]
struct OpenBatch {
    id: String,
    events: usize,
    /// The body but for its end.
    body: Vec<u8>,
}

impl OpenBatch {
    fn begin(event: &RoomEvent, room_for_bytes: usize) -> Self {
        let mut body = Vec::with_capacity(room_for_bytes);
        body.extend_from_slice(OPENING);
        json::append(event, &mut body);
        Self {
            id: event.id(),
            events: 1,
            body,
        }
    }

    fn add(&mut self, event: &RoomEvent) {
        self.events += 1;
        self.body.extend_from_slice(BETWEEN);
        json::append(event, &mut self.body);
    }

    fn close(self) -> Batch {
        let Self { id, events, mut body } = self;
        body.extend_from_slice(CLOSING);
        Batch {
            id,
            events,
            body: body.into(),
        }
    }
}

#[derive(Debug)]
struct Shared {
    queue: RefCell<Queue>,
    changed: Notify,
}

#[derive(Debug)]
struct Queue {
    batches: VecDeque<OpenBatch>,
    /// Events in them.
    events: usize,
    max_events: usize,
    is_over: bool,
}

/// Where events are put in. Dropping it says that no more come.
#[derive(Debug)]
pub(super) struct Entrance(Rc<Shared>);

/// Where they are taken out.
#[derive(Debug)]
pub(super) struct Exit(Rc<Shared>);

/// A queue for so many events, and its two ends.
pub(super) fn batches(max_events: usize) -> (Entrance, Exit) {
    let shared = Rc::new(Shared {
        queue: RefCell::new(Queue {
            batches: VecDeque::new(),
            events: 0,
            max_events,
            is_over: false,
        }),
        changed: Notify::new(),
    });
    (Entrance(Rc::clone(&shared)), Exit(shared))
}

impl Entrance {
    /// Puts events in, up to `most` into a batch. Says how many found no room.
    pub(super) fn put<'e>(&self, events: impl Iterator<Item = &'e RoomEvent>, most: usize) -> u64 {
        let Queue {
            batches,
            events: waiting,
            max_events,
            ..
        } = &mut *self.0.queue.borrow_mut();
        let before = *waiting;
        let mut lost = 0;
        for event in events {
            if *waiting == *max_events {
                lost += 1;
                continue;
            }
            *waiting += 1;
            match batches.back_mut() {
                Some(batch) if batch.events < most => batch.add(event),
                // When one is full the next will be about as large: growing takes time.
                full => {
                    let room_for_bytes = full.map_or(0, |full| full.body.len() + full.body.len() / 8);
                    batches.push_back(OpenBatch::begin(event, room_for_bytes));
                }
            }
        }
        if *waiting > before {
            self.0.changed.notify_one();
        }
        lost
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        self.0.queue.borrow_mut().is_over = true;
        self.0.changed.notify_one();
    }
}

impl Exit {
    /// Waits until there is a batch, and says whether another is behind it. `None`: no more come.
    pub(super) async fn wait(&self) -> Option<bool> {
        loop {
            {
                let queue = self.0.queue.borrow();
                match queue.batches.len() {
                    0 if queue.is_over => return None,
                    0 => {}
                    batches => return Some(batches > 1),
                }
            }
            self.0.changed.notified().await;
        }
    }

    /// The next batch.
    pub(super) fn take(&self) -> Option<Batch> {
        let mut queue = self.0.queue.borrow_mut();
        let batch = queue.batches.pop_front()?;
        queue.events -= batch.events;
        Some(batch.close())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::control::webhooks::json::tests::examples;

    fn numbers(batch: &Batch) -> Vec<u64> {
        let body: Value = serde_json::from_slice(&batch.body).expect("JSON");
        let events = body["events"].as_array().expect("an array");
        let lines = String::from_utf8(batch.lines()).expect("text");
        let lines: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(*events, lines, "what is kept is what was posted");
        assert_eq!(events.len(), batch.events);
        assert_eq!(events[0]["id"], *batch.id);
        events
            .iter()
            .map(|event| event["number"].as_u64().expect("a number"))
            .collect()
    }

    #[test]
    fn batches_are_filled_in_order_and_what_finds_no_room_is_counted() {
        let events = examples();
        let (entrance, exit) = batches(7);
        assert_eq!(entrance.put(events[..2].iter(), 3), 0);
        assert_eq!(entrance.put(events[2..].iter(), 3), 2);
        assert_eq!(numbers(&exit.take().expect("full")), [1, 2, 3]);
        // Room for three, and another size from now on.
        assert_eq!(entrance.put(events.iter(), 4), 6);
        assert_eq!(numbers(&exit.take().expect("full")), [4, 5, 6]);
        assert_eq!(numbers(&exit.take().expect("filled up")), [7, 1, 2, 3]);
        assert!(exit.take().is_none());
        assert_eq!(entrance.put(events[8..].iter(), 1), 0);
        drop(entrance);
        assert_eq!(numbers(&exit.take().expect("what was left")), [9]);
    }

    #[test]
    fn line_breaks_in_names_are_no_line_breaks() {
        let mut event = examples().swap_remove(1);
        event.what = crate::shard::RoomNews::Joined {
            player: crate::protocol::PlayerId::from_bytes([7; 16]),
            name: "a,\nb\"],\n{".into(),
        };
        let (entrance, exit) = batches(7);
        entrance.put([&event, &event].into_iter(), 3);
        let batch = exit.take().expect("a batch");
        assert_eq!(numbers(&batch), [2, 2]);
        let body: Value = serde_json::from_slice(&batch.body).expect("JSON");
        assert_eq!(body["events"][1]["data"]["name"], "a,\nb\"],\n{");
    }
}
