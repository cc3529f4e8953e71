//! What a shard's loop asks of the system: sockets, readiness, waiting, the clock.
//!
//! The loop is written once, over this. The server runs it on the kernel's sockets ([`System`](super::System)), the tests on
//! pipes and a virtual clock. Whoever implements it promises readiness by edges: a socket is reported when something
//! came since it was last reported or watched, and then once.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::pending_upgrade::UpgradeKey;
use crate::room::ConnectionKey;
use crate::shard::{Now, SendOutcome};

/// What is watched, as the loop knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// The listener of that number.
    Listener(u32),
    /// Other threads want attention.
    Wakeup,
    /// A socket that has not been upgraded.
    PendingUpgrade(UpgradeKey),
    /// A connection of the shard.
    Connection(ConnectionKey),
}

/// What became ready.
#[derive(Debug, Clone, Copy)]
pub struct Readiness {
    /// What it is.
    pub token: Token,
    /// There are bytes, or an end of stream, or an error: a read will tell.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
    /// The peer has finished sending, or the socket failed: read until it says so, no further edge will come.
    pub hung_up: bool,
}

/// For what a socket is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Bytes to read.
    Read,
    /// Bytes to read, and room to write.
    ReadAndWrite,
}

/// What a wait found.
#[derive(Debug, Clone, Copy)]
pub struct Waited {
    /// How many things are ready.
    pub ready: usize,
    /// Whether more may be ready than was told: there was no room for all, or the wait was interrupted. What was ready first
    /// is told first.
    pub has_more: bool,
}

/// What a read found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// So many bytes. Fewer than there was room for: that was all.
    Bytes(usize),
    /// Nothing yet.
    Nothing,
    /// The peer has finished, or the connection failed: there will never be more.
    End,
}

/// A connected stream that never waits. Dropping it closes it.
pub trait Stream {
    /// Reads what has arrived into `buffer`.
    fn receive(&self, buffer: &mut [u8]) -> Received;

    /// Writes as much of `bytes` as the stream takes.
    fn send(&self, bytes: &[u8]) -> SendOutcome;

    /// Says that nothing more will be sent; the peer can still finish.
    fn finish_sending(&self);

    /// Bytes that were sent and that the peer has not acknowledged. `None`: the system does not say.
    fn unacknowledged_bytes(&self) -> Option<u64>;
}

/// The system under one shard's loop.
pub trait Kernel {
    /// Its connections.
    type Socket: Stream;

    /// Time since a moment that is the same for all shards of the process; it only goes forward.
    fn moment(&self) -> Duration;

    /// CPU time of the thread that asks.
    fn cpu_time(&self) -> Duration;

    /// A [moment](Self::moment) of just now, by both clocks.
    fn now(&mut self, moment: Duration) -> Now;

    /// Lets time pass, whatever becomes ready.
    fn pause(&mut self, span: Duration);

    /// Waits until something is ready or the time is over.
    ///
    /// # Errors
    ///
    /// When the system refuses to wait: the shard cannot go on.
    fn wait(&mut self, timeout: Duration) -> io::Result<Waited>;

    /// The thing at `index` that the last wait found ready.
    fn ready(&self, index: usize) -> Readiness;

    /// Takes note that the wake-up was heard.
    fn hush(&mut self);

    /// How many listeners there are, numbered from 0.
    fn listeners(&self) -> u32;

    /// Takes a connection from a listener, with the peer's address. `None`: none waits.
    ///
    /// # Errors
    ///
    /// What the system says, descriptors having run out for one.
    fn accept(&mut self, listener: u32) -> io::Result<Option<(Self::Socket, SocketAddr)>>;

    /// Watches the listeners, or leaves who comes in their queues. Says whether they are watched now.
    fn attend_listeners(&mut self, attend: bool) -> bool;

    /// Closes the listeners: who comes is refused.
    fn close_listeners(&mut self);

    /// Watches a socket. What is already there is reported too.
    ///
    /// # Errors
    ///
    /// What the system says: the socket must be let go.
    fn watch(&mut self, socket: &Self::Socket, token: Token, interest: Interest) -> io::Result<()>;

    /// Watches a socket differently. What is there at this moment is reported anew.
    ///
    /// # Errors
    ///
    /// As [`watch`](Self::watch).
    fn rewatch(&mut self, socket: &Self::Socket, token: Token, interest: Interest) -> io::Result<()>;

    /// Stops watching a socket. Needed before it moves to another thread; closing it does the same.
    ///
    /// # Errors
    ///
    /// As [`watch`](Self::watch).
    fn forget(&mut self, socket: &Self::Socket) -> io::Result<()>;
}
