//! Where what comes in on many connections is handed over, whatever serves their sockets, and how long that waits.

use std::time::Duration;

use crate::client::connection::{Connection, Sink};

/// Takes the messages of many connections, one connection at a time.
pub(crate) trait Desk: Sink {
    /// What comes next is of the connection with this number.
    fn turn_to(&mut self, connection: usize);
    /// What has come is about to be handed over.
    fn open(&mut self);
}

/// How long a turn waits.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wait {
    /// Not at all.
    Poll,
    /// For the first arrival, or so long.
    For(Duration),
    /// So long; what arrives meanwhile is taken together.
    Gather(Duration),
}

/// Remembers a connection that has ended.
pub(super) fn note_end(connection: &Connection, number: usize, ended: &mut Vec<usize>) {
    if connection.end().is_some() && ended.last() != Some(&number) {
        ended.push(number);
    }
}
