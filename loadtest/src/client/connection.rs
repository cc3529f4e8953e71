//! One WebSocket connection of a player: what it reads and what it wants to send.
//!
//! Owns the socket, the bytes not yet sent, and the start of a frame that has not arrived completely. Where TLS is spoken,
//! frames pass through its session on both ways. How bytes get in and out is the business of [`crate::client::sockets`].
//! Answers pings by itself.

use std::io::{self, ErrorKind, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};

use crate::client::frame::{self, Opcode, Parsed};
use crate::client::handshake;
use crate::client::milestones::Milestones;
use crate::client::outbox::Outbox;
use crate::client::tls::Session;
use crate::server::Server;
use crate::sys;

/// A server that leaves this much unread does not read at all.
const MAX_UNSENT_BYTES: usize = 64 << 20;
/// A buffer beyond this is given back once it is empty.
const KEPT_BUFFER_BYTES: usize = 8 * 1024;
/// Unread bytes that the kernel keeps for a connection that reads slowly. With the least that Linux grants, 2,304, its window
/// closed for good once 60 kB waited: the sender's probes then brought 1,115 bytes every 0.2 s, 4 to 5 kB/s, whatever was read.
const SLOW_BUFFER_BYTES: usize = 16 * 1024;

/// Receives what a connection reads.
pub(crate) trait Sink {
    /// Bytes have arrived; the messages in them follow. With stamps enabled the kernel says when, on the wall clock.
    fn arrived(&mut self, stamp_ns: Option<u64>);
    /// The server agreed to speak WebSocket.
    fn upgraded(&mut self);
    /// A whole text or binary message.
    fn message(&mut self, opcode: Opcode, message: &[u8]);
}

/// How a connection ended other than by our own wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The server sent a Close frame.
    Closed { code: Option<u16>, reason: String },
    /// The TCP stream ended or broke without one, or the server broke the protocol.
    Broken(String),
    /// TLS was refused, or broken by one of both sides.
    Insecure(String),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed {
                code: Some(code),
                reason,
            } => write!(f, "closed by the server with {code} {reason}"),
            Self::Closed { code: None, .. } => f.write_str("closed by the server without a code"),
            Self::Broken(what) | Self::Insecure(what) => f.write_str(what),
        }
    }
}

/// How a connection is cut without a word to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// A TCP reset.
    Reset,
    /// The end of the stream; what the kernel has taken still goes out.
    EndOfStream,
}

/// How a connection is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening {
    /// The member whom it is for; decides about addresses.
    pub(crate) member: u32,
    /// Key that all its frames are masked with.
    pub(crate) mask: [u8; 4],
    /// The kernel notes when bytes arrive.
    pub(crate) stamped: bool,
    /// It is read slowly, so the kernel keeps little for it.
    pub(crate) slow: bool,
}

/// One player's connection.
pub(crate) struct Connection {
    stream: TcpStream,
    /// In the clear. Without TLS it goes to the socket as it is.
    outbox: Outbox,
    tls: Option<Box<Session>>,
    tail: Vec<u8>,
    fragments: Option<(Opcode, Vec<u8>)>,
    end: Option<End>,
    /// The server speaks WebSocket.
    upgraded: bool,
    /// Elsewhere, so that what every message needs stays together.
    milestones: Box<Milestones>,
    /// Key that all frames to the server are masked with.
    pub(crate) mask: [u8; 4],
}

impl Connection {
    /// Begins to connect. The socket becomes writable when that has succeeded or failed.
    pub(crate) fn open(server: &Server, opening: Opening) -> Result<Self> {
        let Opening {
            member,
            mask,
            stamped,
            slow,
        } = opening;
        let address = server.address;
        let milestones = Box::new(Milestones::begin());
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)).context("socket")?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if slow {
            socket.set_recv_buffer_size(SLOW_BUFFER_BYTES)?;
        }
        if stamped {
            sys::enable_arrival_stamps(socket.as_fd()).context("arrival stamps")?;
        }
        if let Some(source) = server.source_of(member) {
            socket
                .bind(&SocketAddr::new(source, 0).into())
                .with_context(|| format!("cannot send from {source}"))?;
        }
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => {
                return Err(error).with_context(|| format!("cannot connect to {address}"));
            }
            _ => {}
        }
        let mut outbox = Outbox::default();
        let introduction = server.introduction_of(member);
        let tls = match &server.tls {
            Some(client) => Some(Box::new(client.open(&introduction)?)),
            None => {
                outbox.bytes().extend_from_slice(&introduction);
                None
            }
        };
        Ok(Self {
            stream: socket.into(),
            outbox,
            tls,
            tail: Vec::new(),
            fragments: None,
            end: None,
            upgraded: false,
            milestones,
            mask,
        })
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// How the connection ended, if it did.
    pub(crate) fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// How far the connection has come, and when.
    pub(crate) fn milestones(&self) -> &Milestones {
        &self.milestones
    }

    /// The socket is writable; the first time that means that it is connected, or has failed to be.
    pub(super) fn writable(&mut self) {
        if !self.upgraded && self.milestones.connected.is_none() && self.stream.peer_addr().is_ok() {
            self.milestones.connected = Some(Instant::now());
        }
    }

    /// Queues bytes that are already in their final form.
    pub(crate) fn queue(&mut self, bytes: &[u8]) {
        let sealed = self.tls.as_ref().map_or(0, |session| session.wire.unsent().len());
        if self.outbox.unsent().len() + sealed + bytes.len() > MAX_UNSENT_BYTES {
            self.fail("the server stopped reading: 64 MiB wait to be sent".to_owned());
        }
        if self.end.is_none() {
            self.outbox.bytes().extend_from_slice(bytes);
        }
    }

    /// Queues a text message.
    pub(crate) fn queue_text(&mut self, text: &str) {
        frame::append_masked(self.outbox.bytes(), Opcode::Text, text.as_bytes(), self.mask);
    }

    /// Queues a Close frame.
    pub(crate) fn queue_goodbye(&mut self) {
        frame::append_masked(self.outbox.bytes(), Opcode::Close, &1000u16.to_be_bytes(), self.mask);
    }

    /// Cuts the connection; what waits to be sent is dropped. Works while the kernel holds the socket for a receive.
    pub(crate) fn cut(&mut self, how: Cut) {
        // One that has broken already has nothing left to cut.
        let _ = match how {
            Cut::Reset => sys::reset(self.stream.as_fd()),
            Cut::EndOfStream => self.stream.shutdown(Shutdown::Both),
        };
        self.fail("cut by plan".to_owned());
    }

    /// Sends what waits and then the end of our stream, in TLS too; what the server says is still read.
    pub(crate) fn end_sending(&mut self) {
        self.flush();
        if self.end.is_none() {
            if let Some(session) = &mut self.tls {
                session.leave();
            }
            self.write_out();
            // A socket that is not connected any more has ended anyway.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }

    /// Whether [`Connection::unsent`] has something.
    pub(crate) fn has_unsent(&self) -> bool {
        let waits = match &self.tls {
            None => !self.outbox.is_empty(),
            Some(session) => !session.wire.is_empty() || (!self.outbox.is_empty() && !session.is_handshaking()),
        };
        waits && self.end.is_none()
    }

    /// Bytes that wait to be sent, as the socket is to have them.
    pub(crate) fn unsent(&mut self) -> &[u8] {
        self.seal();
        if self.end.is_some() {
            &[]
        } else {
            self.outgoing().unsent()
        }
    }

    /// Notes what a send of [`Connection::unsent`] brought; tells whether the socket took all.
    pub(crate) fn sent(&mut self, result: io::Result<usize>) -> bool {
        match result {
            Ok(bytes) => self.outgoing().advance(bytes),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A socket that is still connecting answers one of these.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {}
            Err(error) => self.fail(format!("sending failed: {error}")),
        }
        if self.end.is_some() {
            self.outgoing().clear();
        }
        self.outgoing().is_empty()
    }

    /// Sends until everything is sent or the socket is full; the rest goes when it is writable.
    pub(crate) fn flush(&mut self) {
        self.seal();
        if self.end.is_none() {
            self.write_out();
        }
    }

    /// What goes to the socket next.
    fn outgoing(&mut self) -> &mut Outbox {
        match &mut self.tls {
            None => &mut self.outbox,
            Some(session) => &mut session.wire,
        }
    }

    /// Puts into records what waits in the clear.
    fn seal(&mut self) {
        if let Some(session) = &mut self.tls
            && let Err(what) = session.seal(&mut self.outbox)
        {
            self.end.get_or_insert(End::Insecure(what));
        }
    }

    fn write_out(&mut self) {
        loop {
            let outgoing = match &self.tls {
                None => &self.outbox,
                Some(session) => &session.wire,
            };
            if outgoing.is_empty() {
                return;
            }
            let result = (&self.stream).write(outgoing.unsent());
            let full = result
                .as_ref()
                .is_err_and(|error| error.kind() != ErrorKind::Interrupted);
            if self.sent(result) || full {
                return;
            }
        }
    }

    /// Reads until the socket is empty and hands over whole messages. `scratch` grows to the largest frame.
    pub(crate) fn receive(&mut self, scratch: &mut [u8], sink: &mut impl Sink) {
        while self.end.is_none() && self.receive_once(scratch, sink) {}
    }

    /// Reads once, at most as much as `scratch` holds; tells whether there may be more.
    pub(crate) fn receive_once(&mut self, scratch: &mut [u8], sink: &mut impl Sink) -> bool {
        match sys::receive_stamped(self.stream.as_fd(), scratch) {
            Ok((read, stamp_ns)) => {
                self.take(Ok(read), &scratch[..read], stamp_ns, sink);
                // A stream socket that gave less than was asked for is empty; later bytes are a new edge.
                read == scratch.len()
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) => {
                self.take(Err(error), &[], None, sink);
                false
            }
        }
    }

    /// Takes what a read brought: `bytes`, or the end of the stream when there are none, or an error.
    pub(crate) fn take(
        &mut self,
        result: io::Result<usize>,
        bytes: &[u8],
        stamp_ns: Option<u64>,
        sink: &mut impl Sink,
    ) {
        if self.end.is_some() {
            return;
        }
        match result {
            Ok(0) => return self.end_of_stream(),
            Ok(_) => {}
            Err(error) => return self.fail(format!("receiving failed: {error}")),
        }
        match self.tls.take() {
            None => {
                sink.arrived(stamp_ns);
                self.take_plain(bytes, sink);
            }
            Some(session) => self.take_sealed(session, bytes, stamp_ns, sink),
        }
        if let Some(End::Closed { .. }) = &self.end {
            // The last word that the protocol asks for: a Close frame in answer to one.
            self.seal();
            self.write_out();
        }
    }

    fn end_of_stream(&mut self) {
        match &self.tls {
            None => self.fail("the server ended the stream without a close frame".to_owned()),
            Some(session) if session.is_handshaking() => {
                self.end = Some(End::Insecure(session.end_in_words().to_owned()));
            }
            Some(session) => self.fail(session.end_in_words().to_owned()),
        }
    }

    /// Takes bytes as TLS has them.
    #[inline(never)]
    fn take_sealed(&mut self, mut session: Box<Session>, bytes: &[u8], stamp_ns: Option<u64>, sink: &mut impl Sink) {
        // A record may take many reads, and each of them is a sign of life.
        sink.arrived(stamp_ns);
        let result = session.take(bytes, |plain| {
            if self.end.is_none() {
                self.take_plain(plain, sink);
            }
        });
        if self.milestones.secured.is_none() {
            self.milestones.secured = session.agreed().map(|agreed| (Instant::now(), agreed));
        }
        self.tls = Some(session);
        if let Err(what) = result {
            self.end.get_or_insert(End::Insecure(what));
        }
    }

    fn take_plain(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        if self.tail.is_empty() {
            let used = self.consume(bytes, sink);
            self.tail.extend_from_slice(&bytes[used..]);
            return;
        }
        let mut tail = std::mem::take(&mut self.tail);
        tail.extend_from_slice(bytes);
        let used = self.consume(&tail, sink);
        tail.drain(..used);
        if !tail.is_empty() || tail.capacity() <= KEPT_BUFFER_BYTES {
            self.tail = tail;
        }
    }

    /// Hands over the whole frames in `bytes`; returns how many bytes those were.
    fn consume(&mut self, bytes: &[u8], sink: &mut impl Sink) -> usize {
        let mut at = 0;
        if !self.upgraded {
            match handshake::upgrade_answer(bytes) {
                Ok(Some(head)) => {
                    self.upgraded = true;
                    self.milestones.upgraded = Some(Instant::now());
                    sink.upgraded();
                    at = head;
                }
                Ok(None) => return 0,
                Err(error) => {
                    self.fail(error.to_string());
                    return 0;
                }
            }
        }
        while self.end.is_none() {
            match frame::parse(&bytes[at..]) {
                Ok(Parsed::Incomplete) => return at,
                Ok(Parsed::Frame {
                    finished,
                    opcode,
                    payload,
                    length,
                }) => {
                    at += length;
                    self.take_frame(finished, opcode, payload, sink);
                }
                Err(violation) => self.fail(violation.to_owned()),
            }
        }
        at
    }

    fn take_frame(&mut self, finished: bool, opcode: Opcode, payload: &[u8], sink: &mut impl Sink) {
        match (opcode, &mut self.fragments) {
            (Opcode::Text | Opcode::Binary, None) if finished => sink.message(opcode, payload),
            (Opcode::Text | Opcode::Binary, None) => self.fragments = Some((opcode, payload.to_vec())),
            (Opcode::Continuation, Some((first, message))) => {
                message.extend_from_slice(payload);
                if message.len() > frame::MAX_FRAME_BYTES {
                    self.fail("the server sent a fragmented message of more than 16 MiB".to_owned());
                } else if finished {
                    sink.message(*first, message);
                    self.fragments = None;
                }
            }
            (Opcode::Continuation, None) => self.fail("the server continued a message it had not begun".to_owned()),
            (Opcode::Text | Opcode::Binary, Some(_)) => {
                self.fail("the server began a message inside another".to_owned());
            }
            (Opcode::Ping, _) => {
                frame::append_masked(self.outbox.bytes(), Opcode::Pong, payload, self.mask);
            }
            (Opcode::Pong, _) => {}
            (Opcode::Close, _) => {
                let (code, reason) = frame::close_reason(payload);
                frame::append_masked(self.outbox.bytes(), Opcode::Close, payload, self.mask);
                self.end = Some(End::Closed { code, reason });
            }
        }
    }

    fn fail(&mut self, what: String) {
        self.end.get_or_insert(End::Broken(what));
    }
}
