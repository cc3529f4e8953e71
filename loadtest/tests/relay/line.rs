//! The way out to one connection: a thread that writes, so that a reader who is slow holds up nobody else.

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::fault::Culprit;
use super::outbox::Outbox;
use super::wire::{self, Delivery, Version};

/// A reader that has fallen behind catches up when nothing more comes for so long.
const LULL: Duration = Duration::from_millis(10);

enum Parcel {
    Frame(Vec<u8>),
    /// For a reader on version 3.
    Delivery(Box<Delivery>),
}

/// A connection, as far as others send to it.
#[derive(Clone)]
pub(super) struct Line {
    parcels: Sender<Parcel>,
    pub(super) version: Version,
    /// Room operations are answered with the ids that they came with.
    pub(super) operation_ids: bool,
}

impl Line {
    pub(super) fn open(stream: TcpStream, culprit: Culprit) -> Self {
        let (parcels, waiting) = channel();
        std::thread::spawn(move || write_all(stream, &waiting, Outbox::new(culprit)));
        Self {
            parcels,
            version: Version::Two,
            operation_ids: false,
        }
    }

    pub(super) fn deliver(&self, delivery: Delivery) {
        self.put(match self.version {
            Version::Two => Parcel::Frame(delivery.frame(Version::Two)),
            Version::Three => Parcel::Delivery(Box::new(delivery)),
        });
    }

    pub(super) fn frame(&self, frame: Vec<u8>) {
        self.put(Parcel::Frame(frame));
    }

    pub(super) fn message(&self, kind: &str, data: &Value) {
        self.answer(None, kind, data);
    }

    /// Answers a request in the form in which it was asked.
    pub(super) fn answer(&self, operation_id: Option<&str>, kind: &str, data: &Value) {
        let mut answer = json!({"type": kind});
        if !data.is_null() {
            answer["data"] = data.clone();
        }
        if let Some(id) = operation_id {
            let result = json!({"operation_id": id, "result": answer});
            answer = json!({"type": "RoomOperationResult", "data": result});
        }
        self.frame(wire::message(&answer));
    }

    fn put(&self, parcel: Parcel) {
        // A generator that has finished closes its sockets while others still send.
        let _ = self.parcels.send(parcel);
    }
}

fn write_all(mut stream: TcpStream, parcels: &Receiver<Parcel>, mut outbox: Outbox) {
    loop {
        let parcel = if outbox.is_empty() {
            parcels.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            parcels.recv_timeout(LULL)
        };
        let bytes = match parcel {
            Ok(Parcel::Frame(frame)) => [outbox.release(), frame].concat(),
            Ok(Parcel::Delivery(delivery)) => outbox.offer(*delivery),
            Err(RecvTimeoutError::Timeout) => outbox.release(),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if stream.write_all(&bytes).is_err() {
            return;
        }
    }
}
