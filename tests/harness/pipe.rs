//! A connection in memory: what a socket and the network between would hold.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use signal_fish_relay::net::{Received, Stream};
use signal_fish_relay::shard::SendOutcome;

use super::kernel::TurnCount;
use super::schedule::Schedule;
use super::simulation::ClientId;

/// How the client's end stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientEnd {
    /// The client is there.
    Open,
    /// The client has closed; what it sent before still arrives.
    Finished,
    /// The client is gone without a word; sending to it fails.
    Broken,
}

/// What is on its way in both directions.
#[derive(Debug)]
pub struct Pipe {
    /// Sent by the client, not yet received by the server.
    pub to_server: VecDeque<u8>,
    /// Sent by the server, not yet read by the client.
    pub to_client: VecDeque<u8>,
    /// The most bytes that wait for the client.
    pub capacity_bytes: usize,
    pub client_end: ClientEnd,
    /// Whether the server has closed its end.
    pub server_closed: bool,
    /// Whether the server has said that it sends no more.
    pub server_finished: bool,
    /// Whether something came of which the server was not told.
    pub has_news: bool,
    /// Whether the server was refused room, and not told since that there is some.
    pub wants_room: bool,
}

impl Pipe {
    pub fn new(capacity_bytes: usize) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            capacity_bytes,
            client_end: ClientEnd::Open,
            server_closed: false,
            server_finished: false,
            has_news: false,
            wants_room: false,
        }))
    }

    /// The client puts bytes on the wire, unless either end is closed.
    pub fn write(&mut self, bytes: &[u8]) {
        if self.client_end == ClientEnd::Open && !self.server_closed {
            self.to_server.extend(bytes);
            self.has_news = true;
        }
    }

    /// The client's end changes.
    pub fn end_as(&mut self, end: ClientEnd) {
        self.client_end = end;
        self.has_news = true;
    }

    /// Bytes that the server could send now.
    pub fn space(&self) -> usize {
        self.capacity_bytes.saturating_sub(self.to_client.len())
    }

    /// Whether a read by the server would find something.
    pub fn is_readable(&self) -> bool {
        !self.to_server.is_empty() || self.client_end != ClientEnd::Open
    }

    /// Whether there is room again for which the server waits.
    pub fn has_room_again(&self) -> bool {
        self.wants_room && (self.space() > 0 || self.client_end != ClientEnd::Open)
    }
}

/// The server's end of a pipe. Dropping it closes that end, as with a socket.
#[derive(Debug)]
pub struct Plug {
    pub client: ClientId,
    pub pipe: Rc<RefCell<Pipe>>,
    pub schedule: Rc<RefCell<Schedule>>,
    pub turns: TurnCount,
    pub read_in_turn: Cell<u64>,
}

impl Stream for Plug {
    fn receive(&self, buffer: &mut [u8]) -> Received {
        let mut pipe = self.pipe.borrow_mut();
        let before = self.read_in_turn.replace(self.turns.get());
        assert_ne!(before, self.turns.get(), "{:?} was read twice in a turn", self.client);
        if pipe.to_server.is_empty() {
            return match pipe.client_end {
                ClientEnd::Open => Received::Nothing,
                ClientEnd::Finished | ClientEnd::Broken => Received::End,
            };
        }
        let most = pipe.to_server.len().min(buffer.len());
        let count = self.schedule.borrow_mut().share_of(most);
        for (place, byte) in buffer.iter_mut().zip(pipe.to_server.drain(..count)) {
            *place = byte;
        }
        // What is left comes later, as far as the server can tell.
        pipe.has_news |= pipe.is_readable();
        Received::Bytes(count)
    }

    fn send(&self, bytes: &[u8]) -> SendOutcome {
        let mut pipe = self.pipe.borrow_mut();
        if pipe.client_end != ClientEnd::Open {
            return SendOutcome::Broken;
        }
        // A pipe without bounds takes all at once, always.
        let most = if pipe.capacity_bytes < usize::MAX {
            self.schedule.borrow_mut().share_of(bytes.len())
        } else {
            bytes.len()
        };
        let taken = bytes.len().min(pipe.space()).min(most);
        pipe.wants_room |= taken < bytes.len();
        if taken == 0 {
            return SendOutcome::Full;
        }
        pipe.to_client.extend(&bytes[..taken]);
        SendOutcome::Sent(taken)
    }

    fn finish_sending(&self) {
        self.pipe.borrow_mut().server_finished = true;
    }

    /// A client acknowledges what it reads: the pipe is all the buffer that there is.
    fn unacknowledged_bytes(&self) -> Option<u64> {
        Some(self.pipe.borrow().to_client.len() as u64)
    }
}

impl Drop for Plug {
    fn drop(&mut self) {
        self.pipe.borrow_mut().server_closed = true;
    }
}
