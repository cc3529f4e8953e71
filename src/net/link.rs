//! A connection's link to the world: its socket, and what arrived but is not yet served.

use super::conversation::Wire;
use super::poller::Interest;
use super::socket::Socket;
use super::websocket::Inbound;

/// The link of a real connection. Dropping it closes the socket.
#[derive(Debug)]
pub struct Link {
    pub(super) socket: Socket,
    pub(super) inbound: Inbound,
    /// For what the socket is watched on the shard that holds it.
    pub(super) interest: Interest,
    /// Whether bytes of it wait because its room has used up its share of a turn.
    pub(super) is_suspended: bool,
}

impl Link {
    pub(super) fn new(socket: Socket) -> Self {
        Self {
            socket,
            inbound: Inbound::default(),
            interest: Interest::Read,
            is_suspended: false,
        }
    }
}

impl Wire for Link {
    fn inbound(&mut self) -> &mut Inbound {
        &mut self.inbound
    }
}
