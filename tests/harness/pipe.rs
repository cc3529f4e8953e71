//! A connection in memory: what a socket and the network between would hold.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use signal_fish_relay::net::conversation::Wire;
use signal_fish_relay::net::websocket::Inbound;
use signal_fish_relay::shard::SendOutcome;

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
        }))
    }

    /// Bytes that the server could send now.
    pub fn space(&self) -> usize {
        self.capacity_bytes.saturating_sub(self.to_client.len())
    }

    /// Whether a read or a write by the server would do something.
    pub fn is_readable(&self) -> bool {
        !self.to_server.is_empty() || self.client_end != ClientEnd::Open
    }

    /// Takes the first of `bytes`, at most `most` of them.
    pub fn send(&mut self, bytes: &[u8], most: usize) -> SendOutcome {
        if self.client_end != ClientEnd::Open {
            return SendOutcome::Broken;
        }
        let taken = bytes.len().min(self.space()).min(most);
        if taken == 0 {
            return SendOutcome::Full;
        }
        self.to_client.extend(&bytes[..taken]);
        SendOutcome::Sent(taken)
    }
}

/// The server's end of a pipe. Dropping it closes that end, as with a socket.
#[derive(Debug)]
pub struct Link {
    pub client: ClientId,
    pub pipe: Rc<RefCell<Pipe>>,
    pub inbound: Inbound,
}

impl Wire for Link {
    fn inbound(&mut self) -> &mut Inbound {
        &mut self.inbound
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.pipe.borrow_mut().server_closed = true;
    }
}
