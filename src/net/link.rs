//! A connection's link to the world: its socket, what arrived but is not yet served, and where it stands in the loop.

use super::channel::Channel;
use super::conversation::Wire;
use super::kernel::{Interest, Stream};
use super::socket::Socket;
use super::websocket::Inbound;
use crate::shard::LinkFacts;

/// The link of a real connection. Dropping it closes the socket.
#[derive(Debug)]
pub struct Link<S = Socket> {
    pub(super) channel: Channel<S>,
    pub(super) inbound: Inbound,
    /// For what the socket is watched on the shard that holds it.
    pub(super) interest: Interest,
    /// Whether it stands in the line of those that are to be read.
    pub(super) is_in_line: bool,
    /// Whether bytes that were read wait to be served.
    pub(super) is_suspended: bool,
    /// Whether the socket may hold bytes of which no edge will tell.
    pub(super) is_unread: bool,
    /// Whether the peer has finished sending: only an empty socket ends the reading.
    pub(super) is_hung_up: bool,
}

impl<S> Link<S> {
    pub(super) fn new(channel: Channel<S>) -> Self {
        Self {
            channel,
            inbound: Inbound::default(),
            interest: Interest::Read,
            is_in_line: false,
            is_suspended: false,
            is_unread: false,
            is_hung_up: false,
        }
    }

    /// The socket itself.
    #[must_use]
    pub const fn socket(&self) -> &S {
        self.channel.socket()
    }

    /// Forgets where it stood in another shard's loop. What is in the socket is reported when it is watched.
    pub(super) const fn arrive(&mut self) {
        self.interest = Interest::Read;
        self.is_in_line = false;
        self.is_suspended = false;
        self.is_unread = false;
        self.is_hung_up = false;
    }
}

impl Link {
    /// How long the peer's system takes to acknowledge what is sent, in microseconds.
    #[must_use]
    pub fn round_trip_us(&self) -> Option<u32> {
        self.socket().round_trip_us()
    }
}

impl<S> Wire for Link<S> {
    fn inbound(&mut self) -> &mut Inbound {
        &mut self.inbound
    }
}

/// What the loop knows of its links.
pub(super) struct Facts;

impl<S: Stream> LinkFacts<Link<S>> for Facts {
    fn has_unserved(&self, link: &Link<S>) -> bool {
        link.is_in_line || link.is_suspended || link.is_unread
    }

    fn unacknowledged_bytes(&self, link: &Link<S>) -> Option<u64> {
        link.channel.unacknowledged_bytes()
    }
}
