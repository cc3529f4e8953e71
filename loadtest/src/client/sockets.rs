//! All connections of a generator thread, and the two ways to serve them: epoll, or io_uring where the kernel has it.
//!
//! Both flush every connection that has something to send once per turn, then wait, then hand over what has come.
//! Connections that read slowly are left out; their owner reads them by hand.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::cli;
use crate::client::connection::{Connection, Cut, Opening};
use crate::client::desk::{Desk, Wait, note_end};
use crate::client::milestones::Openings;
use crate::client::ring_port::RingPort;
use crate::poller::Poller;
use crate::server::Server;

/// The buffer that epoll's connections read into.
const SCRATCH_BYTES: usize = 256 * 1024;

enum Port {
    Epoll { poller: Poller, scratch: Vec<u8> },
    Ring(Box<RingPort>),
}

/// The connections of one thread.
pub(crate) struct Sockets {
    port: Port,
    connections: Vec<Connection>,
    /// Which are read by hand.
    by_hand: Vec<bool>,
    /// What connections took to open that others have replaced.
    replaced: Openings,
    dirty: Vec<usize>,
    ended: Vec<usize>,
}

impl Sockets {
    /// `stamped`: what arrives is taken later, and the kernel notes when it came.
    pub(crate) fn new(io: cli::Io, stamped: bool) -> Result<Self> {
        let epoll = || -> Result<Port> {
            Ok(Port::Epoll {
                poller: Poller::new().context("cannot create an epoll set")?,
                scratch: vec![0; SCRATCH_BYTES],
            })
        };
        let port = match (io, RingPort::new(stamped)) {
            (cli::Io::Epoll, _) | (cli::Io::Auto, Err(_)) => epoll()?,
            (_, Ok(ring)) => Port::Ring(Box::new(ring)),
            (cli::Io::Ring, Err(error)) => return Err(error).context("io_uring is not available here (--io epoll)"),
        };
        Ok(Self {
            port,
            connections: Vec::new(),
            by_hand: Vec::new(),
            replaced: Openings::default(),
            dirty: Vec::new(),
            ended: Vec::new(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    pub(crate) fn get(&self, number: usize) -> &Connection {
        &self.connections[number]
    }

    /// What this serves its sockets with.
    pub(crate) fn port_name(&self) -> &'static str {
        match self.port {
            Port::Epoll { .. } => "epoll",
            Port::Ring(_) => "io_uring",
        }
    }

    /// Opens the next connection.
    pub(crate) fn open(&mut self, server: &Server, opening: Opening) -> Result<usize> {
        let number = self.connections.len();
        let connection = Connection::open(server, opening)?;
        self.connections.push(connection);
        self.by_hand.push(opening.slow);
        self.attach(number)?;
        Ok(number)
    }

    /// Gives up a connection and opens another under its number.
    pub(crate) fn reopen(&mut self, number: usize, server: &Server, opening: Opening) -> Result<()> {
        let connection = Connection::open(server, opening)?;
        // A receive that is under way keeps the old socket open, so it has to be shut down and not only dropped.
        let _ = self.connections[number].stream().shutdown(std::net::Shutdown::Both);
        let before = std::mem::replace(&mut self.connections[number], connection);
        self.replaced.note(before.milestones());
        self.attach(number)
    }

    /// Cuts a connection without a word to the server.
    pub(crate) fn cut(&mut self, number: usize, how: Cut) {
        self.connections[number].cut(how);
    }

    /// What all connections took to open; where some were replaced, their rate says nothing.
    pub(crate) fn openings(&self) -> Openings {
        let mut all = Openings::default();
        for connection in &self.connections {
            all.note(connection.milestones());
        }
        all.add(&self.replaced);
        if self.replaced.count() > 0 {
            all.forget_rate();
        }
        all
    }

    fn attach(&mut self, number: usize) -> Result<()> {
        match &mut self.port {
            Port::Epoll { poller, .. } => poller
                .add(self.connections[number].descriptor(), number)
                .context("epoll"),
            Port::Ring(ring) => {
                ring.attach(number, !self.by_hand[number]);
                Ok(())
            }
        }
    }

    /// Queues bytes that are already in their final form; they go with the next turn.
    pub(crate) fn queue(&mut self, number: usize, bytes: &[u8]) {
        self.connections[number].queue(bytes);
        self.mark(number);
    }

    /// Queues a text message; it goes with the next turn.
    pub(crate) fn queue_text(&mut self, number: usize, text: &str) {
        self.connections[number].queue_text(text);
        self.mark(number);
    }

    /// Queues a Close frame; it goes with the next turn.
    pub(crate) fn queue_goodbye(&mut self, number: usize) {
        self.connections[number].queue_goodbye();
        self.mark(number);
    }

    fn mark(&mut self, number: usize) {
        if self.dirty.last() != Some(&number) {
            self.dirty.push(number);
        }
    }

    /// Flushes, waits, and hands over what has come; tells whether anything has.
    pub(crate) fn turn(&mut self, wait: Wait, desk: &mut impl Desk) -> Result<bool> {
        let Self {
            port,
            connections,
            by_hand,
            dirty,
            ended,
            ..
        } = self;
        match port {
            Port::Epoll { poller, scratch } => {
                for number in dirty.drain(..) {
                    connections[number].flush();
                    note_end(&connections[number], number, ended);
                }
                let timeout = match wait {
                    Wait::Poll => Duration::ZERO,
                    Wait::For(timeout) => timeout,
                    Wait::Gather(length) => {
                        std::thread::sleep(length);
                        Duration::ZERO
                    }
                };
                let count = poller
                    .wait(timeout)
                    .context("epoll_pwait2 (Linux 5.11 or newer is needed)")?;
                if count > 0 {
                    desk.open();
                }
                for index in 0..count {
                    let ready = poller.ready(index);
                    let connection = &mut connections[ready.token];
                    // First: an answer may have come before it was noticed that the connection stands.
                    if ready.writable {
                        connection.writable();
                    }
                    if ready.readable && !by_hand[ready.token] {
                        desk.turn_to(ready.token);
                        connection.receive(scratch, desk);
                    }
                    if ready.writable || connection.has_unsent() {
                        connection.flush();
                    }
                    note_end(connection, ready.token, ended);
                }
                Ok(count > 0)
            }
            Port::Ring(ring) => ring
                .turn(connections, dirty, ended, wait, desk)
                .context("io_uring failed"),
        }
    }

    /// Reads a connection that is left out of the turns, at most as much as `scratch` holds.
    pub(crate) fn read_by_hand(&mut self, number: usize, scratch: &mut [u8], desk: &mut impl Desk) -> bool {
        let connection = &mut self.connections[number];
        desk.open();
        desk.turn_to(number);
        let more = connection.end().is_none() && connection.receive_once(scratch, desk);
        if connection.has_unsent() {
            self.dirty.push(number);
        }
        note_end(&self.connections[number], number, &mut self.ended);
        more
    }

    /// The connections that have ended since this was last asked; one may be named twice.
    pub(crate) fn take_ended(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.ended)
    }

    /// Ends our side of a connection at once, with a Close frame where WebSocket is spoken already; the server's end is
    /// still awaited.
    pub(crate) fn leave(&mut self, number: usize, with_goodbye: bool) {
        if with_goodbye {
            self.connections[number].queue_goodbye();
        }
        self.connections[number].end_sending();
        note_end(&self.connections[number], number, &mut self.ended);
    }

    /// Says good-bye on all connections and sends what fits; sockets are closed on drop.
    pub(crate) fn say_goodbye(&mut self) {
        for connection in &mut self.connections {
            connection.queue_goodbye();
            connection.end_sending();
        }
    }
}
