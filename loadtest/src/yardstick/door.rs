//! What comes in from clients, and who has to go: bytes in, messages handed on, sends that have failed.

use std::io;

use crate::yardstick::greeting::{self, Greeting};
use crate::yardstick::hall::{BINARY, Hall, Phase, Slot, TEXT, VALUE_END};
use crate::yardstick::inbound::{self, Frame};

/// What every client sends around a value of game data; anything else takes the slow way.
const VALUE_HEAD: &[u8] = br#"{"type":"GameData","data":{"data":"#;
/// A receiver with more than this unsent does not read; it is dropped.
const MAX_OUTBOX_BYTES: usize = 16 << 20;
/// Buffers beyond this are given back once they are empty.
const KEPT_BUFFER_BYTES: usize = 16 * 1024;

const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

impl Hall {
    /// Takes what a connection has sent; the bytes are changed.
    pub(super) fn receive(&mut self, from: Slot, bytes: &mut [u8]) {
        if self.connections[from].tail.is_empty() {
            let used = self.take(from, bytes);
            self.connections[from].tail.extend_from_slice(&bytes[used..]);
            return;
        }
        let mut tail = std::mem::take(&mut self.connections[from].tail);
        tail.extend_from_slice(bytes);
        let used = self.take(from, &mut tail);
        tail.drain(..used);
        if !tail.is_empty() || tail.capacity() <= KEPT_BUFFER_BYTES {
            self.connections[from].tail = tail;
        }
    }

    /// Takes the whole messages in `bytes` and tells how many bytes they were.
    fn take(&mut self, from: Slot, bytes: &mut [u8]) -> usize {
        let mut at = 0;
        if self.connections[from].phase == Phase::Greeting {
            at = self.greet(from, bytes);
        }
        while self.connections[from].phase == Phase::Open {
            match inbound::parse(&bytes[at..]) {
                Frame::Incomplete => return at,
                Frame::Whole { opcode, payload, mask } => {
                    let (start, end) = (at + payload.start, at + payload.end);
                    at = end;
                    inbound::unmask(&mut bytes[start..end], mask);
                    self.message(from, opcode, &bytes[start..end]);
                }
                Frame::Unsupported => self.drop_out(from),
            }
        }
        if self.connections[from].phase == Phase::Greeting {
            at
        } else {
            bytes.len()
        }
    }

    fn greet(&mut self, from: Slot, bytes: &[u8]) -> usize {
        match greeting::read(bytes) {
            Greeting::Incomplete => 0,
            Greeting::Upgrade { answer, head } => {
                self.append(from, answer.as_bytes());
                self.connections[from].phase = Phase::Open;
                self.welcome(from);
                head
            }
            Greeting::Counters => {
                let answer = greeting::counters_answer(&self.counters.page());
                self.append(from, answer.as_bytes());
                self.drop_out(from);
                bytes.len()
            }
            Greeting::Other(answer) => {
                self.append(from, answer.as_bytes());
                self.drop_out(from);
                bytes.len()
            }
        }
    }

    fn message(&mut self, from: Slot, opcode: u8, payload: &[u8]) {
        match opcode {
            TEXT => match payload
                .strip_prefix(VALUE_HEAD)
                .and_then(|rest| rest.strip_suffix(VALUE_END))
            {
                Some(value) => self.relay_text(from, value),
                None => self.request(from, payload),
            },
            BINARY => self.relay_binary(from, payload),
            PING => self.send_frame(from, PONG, payload),
            CLOSE => {
                self.send_frame(from, CLOSE, payload);
                self.drop_out(from);
            }
            _ => {}
        }
    }

    /// Notes what became of a send of this connection's outbox.
    pub(super) fn sent(&mut self, to: Slot, result: io::Result<usize>) {
        self.counters.sends += 1;
        let connection = &mut self.connections[to];
        connection.queued = false;
        match result {
            Ok(bytes) if bytes == connection.outbox.len() => {
                connection.outbox.clear();
                if connection.outbox.capacity() > KEPT_BUFFER_BYTES {
                    connection.outbox = Vec::new();
                }
            }
            Ok(bytes) => {
                connection.outbox.drain(..bytes);
                self.block(to);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.block(to),
            Err(_) => {
                connection.outbox.clear();
                self.drop_out(to);
            }
        }
    }

    fn block(&mut self, to: Slot) {
        let connection = &mut self.connections[to];
        connection.blocked = true;
        connection.queued = true;
        if connection.outbox.len() > MAX_OUTBOX_BYTES {
            self.drop_out(to);
        }
    }

    /// Ends a connection; its socket is closed after the flush of this turn.
    pub(super) fn drop_out(&mut self, slot: Slot) {
        if matches!(self.connections[slot].phase, Phase::Free | Phase::Leaving) {
            return;
        }
        self.leave_room(slot);
        self.connections[slot].phase = Phase::Leaving;
        self.leaving.push(slot);
    }
}
