//! The work that both backends share: connections, rooms, relaying, outboxes. No sockets and no waiting here.
//!
//! On the relay path a message is unmasked in place, its value is spliced behind a head that was rendered when its sender
//! joined, and the frame is copied into the outbox of every other member. Nothing is validated. That is the least a relay
//! can do, and what others are measured against; whatever is added here makes every ratio look better than it is.

use std::collections::HashMap;

use crate::random::Random;
use crate::sys;
use crate::yardstick::counters::Counters;

/// A connection's place in the hall; given away again after its socket is closed.
pub(super) type Slot = usize;

/// What follows a value of game data.
pub(super) const VALUE_END: &[u8] = b"}}";

pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody sits here.
    Free,
    /// An HTTP request is awaited.
    Greeting,
    /// A WebSocket.
    Open,
    /// The socket is to be closed as soon as the outbox is out, or at once when it cannot go out.
    Leaving,
}

pub(super) struct Connection {
    pub(super) phase: Phase,
    /// Waits to be flushed, or for its socket to take more.
    pub(super) queued: bool,
    /// The socket takes no more at present.
    pub(super) blocked: bool,
    pub(super) room: Option<usize>,
    pub(super) plays: bool,
    pub(super) outbox: Vec<u8>,
    /// A message that has not arrived completely.
    pub(super) tail: Vec<u8>,
    /// What precedes the value, in both forms.
    pub(super) text_head: Vec<u8>,
    pub(super) binary_head: Vec<u8>,
    pub(super) id: String,
    pub(super) name: String,
}

pub(super) struct Room {
    /// Everybody who gets the room's messages.
    pub(super) members: Vec<Slot>,
    pub(super) key: (String, String),
    pub(super) id: String,
    pub(super) max_players: u8,
    pub(super) supports_authority: bool,
    pub(super) authority: Option<Slot>,
}

/// All connections and rooms.
pub(super) struct Hall {
    pub(super) connections: Vec<Connection>,
    free: Vec<Slot>,
    dirty: Vec<Slot>,
    pub(super) leaving: Vec<Slot>,
    pub(super) rooms: Vec<Option<Room>>,
    pub(super) free_rooms: Vec<usize>,
    /// Rooms by game name and code.
    pub(super) directory: HashMap<(String, String), usize>,
    pub(super) random: Random,
    pub(super) counters: Counters,
    /// The frame that is being copied.
    frame: Vec<u8>,
}

impl Hall {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            connections: Vec::new(),
            free: Vec::new(),
            dirty: Vec::new(),
            leaving: Vec::new(),
            rooms: Vec::new(),
            free_rooms: Vec::new(),
            directory: HashMap::new(),
            random: Random::seeded(seed),
            counters: Counters::default(),
            frame: Vec::new(),
        }
    }

    /// A place for a new connection.
    pub(super) fn enter(&mut self) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.connections.push(Connection {
                phase: Phase::Free,
                queued: false,
                blocked: false,
                room: None,
                plays: false,
                outbox: Vec::new(),
                tail: Vec::new(),
                text_head: Vec::new(),
                binary_head: Vec::new(),
                id: String::new(),
                name: String::new(),
            });
            self.connections.len() - 1
        });
        self.connections[slot].phase = Phase::Greeting;
        slot
    }

    /// Relays a JSON value.
    pub(super) fn relay_text(&mut self, from: Slot, value: &[u8]) {
        let Some(room) = self.connections[from].room else {
            return;
        };
        let head = &self.connections[from].text_head;
        self.frame.clear();
        frame_header(&mut self.frame, TEXT, head.len() + value.len() + VALUE_END.len());
        self.frame.extend_from_slice(head);
        self.frame.extend_from_slice(value);
        self.frame.extend_from_slice(VALUE_END);
        self.fan_out(from, room);
    }

    pub(super) fn relay_binary(&mut self, from: Slot, payload: &[u8]) {
        let Some(room) = self.connections[from].room else {
            return;
        };
        let head = &self.connections[from].binary_head;
        let (marker, marker_bytes) = binary_marker(payload.len());
        self.frame.clear();
        frame_header(&mut self.frame, BINARY, head.len() + marker_bytes + payload.len());
        self.frame.extend_from_slice(head);
        self.frame.extend_from_slice(&marker[..marker_bytes]);
        self.frame.extend_from_slice(payload);
        self.fan_out(from, room);
    }

    fn fan_out(&mut self, from: Slot, room: usize) {
        let Self {
            connections,
            rooms,
            dirty,
            counters,
            frame,
            ..
        } = self;
        let Some(room) = &rooms[room] else { return };
        if counters.cpu_at_first_ns.is_none() {
            counters.cpu_at_first_ns = Some(sys::thread_cpu_ns());
        }
        for &to in &room.members {
            if to == from {
                continue;
            }
            let receiver = &mut connections[to];
            receiver.outbox.extend_from_slice(frame);
            if !receiver.queued {
                receiver.queued = true;
                dirty.push(to);
            }
        }
        counters.messages += 1;
        counters.deliveries += room.members.len() as u64 - 1;
    }

    /// Puts a frame of the server into an outbox.
    pub(super) fn send_frame(&mut self, to: Slot, opcode: u8, payload: &[u8]) {
        let outbox = &mut self.connections[to].outbox;
        frame_header(outbox, opcode, payload.len());
        self.append(to, payload);
    }

    pub(super) fn append(&mut self, to: Slot, bytes: &[u8]) {
        let receiver = &mut self.connections[to];
        receiver.outbox.extend_from_slice(bytes);
        if !receiver.queued {
            receiver.queued = true;
            self.dirty.push(to);
        }
    }

    /// Takes the connections with something to send; give the list back with [`Hall::flushed`].
    pub(super) fn take_dirty(&mut self) -> Vec<Slot> {
        std::mem::take(&mut self.dirty)
    }

    /// Takes back the list of connections that have been flushed.
    pub(super) fn flushed(&mut self, mut list: Vec<Slot>) {
        list.clear();
        // A connection that could not be flushed whole may have been marked again meanwhile.
        list.append(&mut self.dirty);
        self.dirty = list;
    }

    pub(super) fn outbox(&self, slot: Slot) -> &[u8] {
        &self.connections[slot].outbox
    }

    pub(super) fn is_blocked(&self, slot: Slot) -> bool {
        self.connections[slot].blocked
    }

    /// The socket takes bytes again.
    pub(super) fn writable(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot];
        if connection.blocked {
            connection.blocked = false;
            connection.queued = true;
            self.dirty.push(slot);
        }
    }

    /// The connections whose sockets are to be closed now.
    pub(super) fn take_leaving(&mut self) -> Vec<Slot> {
        std::mem::take(&mut self.leaving)
    }

    /// Gives a place away; its socket is closed and nothing refers to it any more.
    pub(super) fn free(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot];
        connection.phase = Phase::Free;
        connection.blocked = false;
        connection.queued = false;
        connection.outbox = Vec::new();
        connection.tail = Vec::new();
        self.dirty.retain(|&dirty| dirty != slot);
        self.free.push(slot);
    }
}

/// Header of an unmasked frame.
fn frame_header(out: &mut Vec<u8>, opcode: u8, length: usize) {
    match length {
        0..=125 => out.extend_from_slice(&[0x80 | opcode, length as u8]),
        126..=0xFFFF => {
            let [a, b] = (length as u16).to_be_bytes();
            out.extend_from_slice(&[0x80 | opcode, 126, a, b]);
        }
        _ => {
            out.extend_from_slice(&[0x80 | opcode, 127]);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// The shortest MessagePack marker of a binary of this length.
fn binary_marker(length: usize) -> ([u8; 5], usize) {
    let [a, b, c, d] = (length as u32).to_be_bytes();
    match length {
        0..=0xFF => ([0xC4, d, 0, 0, 0], 2),
        0x100..=0xFFFF => ([0xC5, c, d, 0, 0], 3),
        _ => ([0xC6, a, b, c, d], 5),
    }
}
