//! One nonblocking WebSocket connection of a player.
//!
//! Owns the socket, the bytes not yet sent, and the start of a frame that has not arrived completely. Received bytes are
//! read into one buffer shared by all connections of a thread. Answers pings by itself.

use std::io::{ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};

use crate::client::frame::{self, Opcode, Parsed};
use crate::client::handshake;
use crate::sys;

/// A server that leaves this much unread does not read at all.
const MAX_UNSENT_BYTES: usize = 64 << 20;
/// Buffers beyond this are given back once they are empty.
const KEPT_BUFFER_BYTES: usize = 8 * 1024;
/// First size of the buffer that a thread's connections read into; it grows to the largest frame.
pub(crate) const SCRATCH_BYTES: usize = 256 * 1024;

/// Receives what a connection reads.
pub(crate) trait Sink {
    /// Bytes have arrived; the messages in them follow. With stamps enabled the kernel says when, on the wall clock.
    fn arrived(&mut self, stamp_ns: Option<u64>);
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
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed {
                code: Some(code),
                reason,
            } => write!(f, "closed by the server with {code} {reason}"),
            Self::Closed { code: None, .. } => f.write_str("closed by the server without a code"),
            Self::Broken(what) => f.write_str(what),
        }
    }
}

/// One player's connection.
pub(crate) struct Connection {
    stream: TcpStream,
    outbox: Vec<u8>,
    written: usize,
    tail: Vec<u8>,
    fragments: Option<(Opcode, Vec<u8>)>,
    upgraded: bool,
    end: Option<End>,
    /// Key that all frames to the server are masked with.
    pub(crate) mask: [u8; 4],
}

impl Connection {
    /// Begins to connect; `stamped` asks the kernel to note when bytes arrive. The socket reports "writable" when that has succeeded or failed.
    pub(crate) fn open(server: SocketAddr, source: Option<IpAddr>, mask: [u8; 4], stamped: bool) -> Result<Self> {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP)).context("socket")?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if stamped {
            sys::enable_arrival_stamps(socket.as_fd()).context("arrival stamps")?;
        }
        if let Some(source) = source {
            socket
                .bind(&SocketAddr::new(source, 0).into())
                .with_context(|| format!("cannot send from {source}"))?;
        }
        match socket.connect(&server.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => {
                return Err(error).with_context(|| format!("cannot connect to {server}"));
            }
            _ => {}
        }
        Ok(Self {
            stream: socket.into(),
            outbox: Vec::new(),
            written: 0,
            tail: Vec::new(),
            fragments: None,
            upgraded: false,
            end: None,
            mask,
        })
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// How the connection ended, if it did.
    pub(crate) fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Whether the server agreed to speak WebSocket.
    pub(crate) fn is_upgraded(&self) -> bool {
        self.upgraded
    }

    /// Queues bytes that are already in their final form.
    pub(crate) fn queue(&mut self, bytes: &[u8]) {
        if self.outbox.len() - self.written + bytes.len() > MAX_UNSENT_BYTES {
            self.fail("the server stopped reading: 64 MiB wait to be sent".to_owned());
        }
        if self.end.is_none() {
            self.outbox.extend_from_slice(bytes);
        }
    }

    /// Queues a text message.
    pub(crate) fn queue_text(&mut self, text: &str) {
        frame::append_masked(&mut self.outbox, Opcode::Text, text.as_bytes(), self.mask);
    }

    /// Says good-bye and sends what fits; the socket is closed on drop.
    pub(crate) fn say_goodbye(&mut self) {
        frame::append_masked(&mut self.outbox, Opcode::Close, &1000u16.to_be_bytes(), self.mask);
        self.flush();
    }

    /// Sends until everything is sent or the socket is full; the rest goes when it reports "writable".
    pub(crate) fn flush(&mut self) {
        while self.end.is_none() && self.written < self.outbox.len() {
            match self.stream.write(&self.outbox[self.written..]) {
                Ok(sent) => self.written += sent,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A socket that is still connecting answers one of these; it will report "writable".
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => return,
                Err(error) => self.fail(format!("sending failed: {error}")),
            }
        }
        self.outbox.clear();
        self.written = 0;
        if self.outbox.capacity() > KEPT_BUFFER_BYTES {
            self.outbox = Vec::new();
        }
    }

    /// Reads until the socket is empty and hands over whole messages.
    pub(crate) fn receive(&mut self, scratch: &mut Vec<u8>, sink: &mut impl Sink) {
        while self.end.is_none() {
            let held = self.tail.len();
            scratch[..held].copy_from_slice(&self.tail);
            let room = scratch.len() - held;
            let (read, stamp_ns) = match sys::receive_stamped(self.stream.as_fd(), &mut scratch[held..]) {
                Ok((0, _)) => return self.fail("the server ended the stream without a close frame".to_owned()),
                Ok(read_and_stamp) => read_and_stamp,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return self.fail(format!("receiving failed: {error}")),
            };
            sink.arrived(stamp_ns);
            let filled = held + read;
            let (consumed, wanted) = self.consume(&scratch[..filled], sink);
            self.keep_tail(&scratch[consumed..filled]);
            if wanted > scratch.len() {
                scratch.resize(wanted.next_power_of_two(), 0);
            }
            // A stream socket that gave less than was asked for is empty; later bytes are a new edge.
            if read < room {
                return;
            }
        }
    }

    fn keep_tail(&mut self, rest: &[u8]) {
        self.tail.clear();
        if rest.is_empty() && self.tail.capacity() > KEPT_BUFFER_BYTES {
            self.tail = Vec::new();
        }
        self.tail.extend_from_slice(rest);
    }

    /// Hands over the whole frames in `bytes`; returns how many bytes those were, and how long the next frame is (0 when
    /// that is not known).
    fn consume(&mut self, bytes: &[u8], sink: &mut impl Sink) -> (usize, usize) {
        let mut at = 0;
        if !self.upgraded {
            match handshake::upgrade_answer(bytes) {
                Ok(Some(head)) => {
                    self.upgraded = true;
                    at = head;
                }
                Ok(None) => return (0, 0),
                Err(error) => {
                    self.fail(error.to_string());
                    return (0, 0);
                }
            }
        }
        while self.end.is_none() {
            match frame::parse(&bytes[at..]) {
                Ok(Parsed::Incomplete { total }) => return (at, total.unwrap_or(0)),
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
        (at, 0)
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
                frame::append_masked(&mut self.outbox, Opcode::Pong, payload, self.mask);
                self.flush();
            }
            (Opcode::Pong, _) => {}
            (Opcode::Close, _) => {
                let (code, reason) = frame::close_reason(payload);
                frame::append_masked(&mut self.outbox, Opcode::Close, payload, self.mask);
                self.flush();
                self.end = Some(End::Closed { code, reason });
            }
        }
    }

    fn fail(&mut self, what: String) {
        self.end.get_or_insert(End::Broken(what));
    }
}
