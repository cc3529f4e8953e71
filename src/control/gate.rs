//! A socket as the HTTP library sees it: one whole request head at a time, and none that asks for a WebSocket.
//!
//! Owns the socket and what was read from it. Promises that a request which is for a shard is never seen by the library:
//! to it the stream ends there, and socket and bytes can be taken out whole. Every head is read by the same function as on
//! the shards and written anew for the library, so no two parsers can disagree about what it says and where the next
//! request begins: after a request that announces a body nothing further is looked for, and the connection ends with its
//! answer. Must never hold more than two heads and one read.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::stream::ClientStream;
use crate::net::Clock;
use crate::net::http::{Doors, Head, Site, read_head, wanted_endpoint};
use crate::net::tls::Refusal;
use crate::session::{AccessPolicy, ClientAddress};
use crate::shard::Now;

/// How much is read from the socket at once.
const READ_BYTES: usize = 8 * 1024;

/// What the gate does with what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// Looks for a whole head.
    Closed,
    /// Lets everything through: the last request of the connection, with its body.
    Open,
    /// The next request is for a shard.
    ForShard,
    /// The next bytes are no request, or one that is not answered here.
    Refused,
}

/// What is known of a connection from outside while the library has it.
#[derive(Debug)]
pub(super) struct Signs {
    /// When it last got on: a whole head came, or the peer took bytes of an answer.
    pub(super) progress: Cell<Instant>,
    /// Whether an answer is being made. Not while it is sent: a peer that does not read would keep its place by that.
    pub(super) is_being_answered: Cell<bool>,
    /// Whom it is kept for: of what a proxy keeps open, the client that is being answered.
    pub(super) client: Cell<ClientAddress>,
}

/// A socket whose requests pass one by one.
#[derive(Debug)]
pub(super) struct Gate {
    stream: ClientStream,
    address: ClientAddress,
    held: BytesMut,
    /// A head that is let through.
    head: Bytes,
    passage: Passage,
    rules: Rc<Rules>,
    signs: Rc<Signs>,
}

/// What a gate lets through.
#[derive(Debug)]
pub(super) struct Rules {
    /// What is known of the server.
    pub(super) site: Arc<Site>,
    /// Under which names an operators' door is asked; `None`: as the players'.
    pub(super) doors: Option<Doors>,
    /// Whether WebSockets are served where the sockets come from.
    pub(super) lead_to_shards: bool,
    pub(super) clock: Clock,
    /// The newest word on who is let in, as far as it was heard here.
    pub(super) access: RefCell<(u64, Arc<AccessPolicy>)>,
}

impl Rules {
    pub(super) fn now(&self) -> Now {
        let mut clock = self.clock;
        clock.now(clock.moment())
    }

    /// Who is let in now.
    pub(super) fn access(&self) -> Arc<AccessPolicy> {
        let mut heard = self.access.borrow_mut();
        let live = &self.site.world.access;
        if live.revision() != heard.0 {
            *heard = live.newest();
        }
        Arc::clone(&heard.1)
    }

    /// The answer to somebody at this address for whom there is no place.
    pub(super) fn crowded_out(&self, address: ClientAddress) -> Vec<u8> {
        self.site.crowded_out(address, self.now())
    }

    /// Notes why somebody at this address has no TLS.
    pub(super) fn note_no_handshake(&self, address: ClientAddress, why: &Refusal) {
        self.site.note_no_handshake(address, why, self.now());
    }
}

impl Gate {
    /// A gate before `stream`, from which `received` was read already.
    pub(super) fn new(
        stream: ClientStream,
        address: ClientAddress,
        received: Bytes,
        rules: Rc<Rules>,
        signs: Rc<Signs>,
    ) -> Self {
        Self {
            stream,
            address,
            held: BytesMut::from(received),
            head: Bytes::new(),
            passage: Passage::Closed,
            rules,
            signs,
        }
    }

    /// What became of what came last.
    pub(super) const fn passage(&self) -> Passage {
        self.passage
    }

    /// The socket, and what was read from it and not let through; of one that was refused, the answer.
    pub(super) fn into_parts(self) -> (ClientStream, Bytes) {
        (self.stream, self.held.freeze())
    }

    /// Looks at what is held. `false`: more is needed.
    fn look(&mut self) -> bool {
        self.passage = match read_head(&self.held) {
            Ok(None) => return false,
            Ok(Some((head, _))) if self.rules.lead_to_shards && wanted_endpoint(&head).is_some() => Passage::ForShard,
            Ok(Some((head, head_bytes))) => {
                let client = self.rules.site.client(&head, self.address);
                self.signs.client.set(client);
                let doors = self.rules.doors.as_ref().unwrap_or(&self.rules.site.doors);
                let now = self.rules.now();
                if let Some(refusal) = self
                    .rules
                    .site
                    .turned_away(&head, doors, client, &self.rules.access(), now)
                {
                    return self.refuse(&refusal);
                }
                self.signs.progress.set(Instant::now());
                self.head = rewritten(&head);
                let announces_body = head.announces_body();
                self.held.advance(head_bytes);
                if announces_body { Passage::Open } else { Passage::Closed }
            }
            Err(refusal) => {
                let answer = self.rules.site.refused(refusal, self.address, self.rules.now());
                return self.refuse(&answer);
            }
        };
        true
    }

    /// What is held becomes the last answer.
    fn refuse(&mut self, answer: &[u8]) -> bool {
        self.held.clear();
        self.held.extend_from_slice(answer);
        self.passage = Passage::Refused;
        true
    }

    /// Reads more from the socket. `Ready(false)`: its peer has finished.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let before = self.held.len();
        self.held.resize(before + READ_BYTES, 0);
        let mut fresh = ReadBuf::new(&mut self.held[before..]);
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut fresh);
        let count = fresh.filled().len();
        self.held.truncate(before + count);
        polled.map_ok(|()| count > 0)
    }
}

/// Hands over what fits of the bytes that are held.
fn pass(held: &mut impl Buf, into: &mut ReadBuf<'_>) {
    let count = held.chunk().len().min(into.remaining());
    into.put_slice(&held.chunk()[..count]);
    held.advance(count);
}

/// The head as the library sees it. It never sees an upgrade: none reaches it that would be one, and of the others it would
/// hold the connection open for what never comes.
fn rewritten(head: &Head<'_>) -> Bytes {
    let version: &[u8] = if head.is_http_1_1 {
        b" HTTP/1.1\r\n"
    } else {
        b" HTTP/1.0\r\n"
    };
    let mut bytes = Vec::new();
    for part in [head.method.as_bytes(), b" ", head.target.as_bytes(), version] {
        bytes.extend_from_slice(part);
    }
    for (name, value) in head.fields() {
        if name.eq_ignore_ascii_case("upgrade") {
            continue;
        }
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        if name.eq_ignore_ascii_case("connection") {
            // One field stays one: the library's limits are those that the head has passed.
            let options = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            let kept = options.filter(|option| !option.eq_ignore_ascii_case(b"upgrade"));
            for (place, option) in kept.enumerate() {
                bytes.extend_from_slice(if place == 0 { b"" } else { b"," });
                bytes.extend_from_slice(option);
            }
        } else {
            bytes.extend_from_slice(value);
        }
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.into()
}

impl AsyncRead for Gate {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        loop {
            if !gate.head.is_empty() {
                pass(&mut gate.head, into);
                return Poll::Ready(Ok(()));
            }
            match gate.passage {
                Passage::Open if !gate.held.is_empty() => {
                    pass(&mut gate.held, into);
                    return Poll::Ready(Ok(()));
                }
                Passage::Open => return Pin::new(&mut gate.stream).poll_read(cx, into),
                Passage::ForShard | Passage::Refused => return Poll::Ready(Ok(())),
                Passage::Closed => {
                    if gate.look() {
                        continue;
                    }
                    match gate.poll_more(cx) {
                        Poll::Ready(Ok(true)) => {}
                        Poll::Ready(Ok(false)) => return Poll::Ready(Ok(())),
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Pending => return Poll::Pending,
                    }
                }
            }
        }
    }
}

impl AsyncWrite for Gate {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let gate = self.get_mut();
        let polled = Pin::new(&mut gate.stream).poll_write(cx, bytes);
        if polled.is_ready() {
            gate.signs.progress.set(Instant::now());
        }
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    /// What was written is sent; whether the stream ends is not for the library to say.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
