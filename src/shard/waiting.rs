//! Connections that wait for another shard: what arrives for them is kept.

use super::Shard;
use crate::protocol::PlayerId;
use crate::room::ConnectionKey;
use crate::shard::state::connection::{Connection, State};

impl<L> Shard<L> {
    /// Connections whose question was answered: the bytes that their links have kept can be served now, and their sockets
    /// were not read meanwhile.
    pub fn take_resumed(&mut self) -> Vec<ConnectionKey> {
        std::mem::take(&mut self.resumed)
    }

    /// The connection that waits for an answer; its next messages are served now.
    pub(super) fn answered(&mut self, at: ConnectionKey, player: PlayerId) -> Option<&mut Connection<L>> {
        let connection = self.post.connections.get_mut(at)?;
        if connection.session.player() != player || !matches!(connection.state, State::Asking(_)) {
            return None;
        }
        connection.state = State::Open;
        self.resumed.push(at);
        Some(connection)
    }

    /// Connections that have to move to another shard. Each must be [extracted](Self::extract) or removed.
    pub fn take_departing(&mut self) -> Vec<ConnectionKey> {
        std::mem::take(&mut self.departing)
    }
}
