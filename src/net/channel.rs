//! A socket, and what is spoken on it below HTTP: nothing, a TLS handshake, or sealed records.
//!
//! Owns all of it from the accepted socket to its end, wherever the connection goes. Promises that to whoever reads and
//! writes there is no difference: what the socket did not take after it was sealed is kept here, at most one record, and the
//! channel says so until it is gone. Must never wait.

use super::kernel::{Received, Stream};
use super::tls::{Fault, Handshake, Progress, Records, Refusal, Secured};
use crate::protocol::CertificateFingerprint;
use crate::shard::SendOutcome;

/// A socket with what is spoken on it. Dropping it closes it.
#[derive(Debug)]
pub struct Channel<S> {
    socket: S,
    layer: Layer,
}

#[derive(Debug)]
enum Layer {
    Plain,
    Greeting(Box<Greeting>),
    Sealed(Box<Records>),
}

/// A handshake, and what the socket did not take of it. `None`: it failed, and the peer is told why.
#[derive(Debug)]
struct Greeting {
    handshake: Option<Handshake>,
    unsent: Vec<u8>,
}

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrived {
    /// What is in the buffer. No byte may be there after a read: a record has not come completely.
    pub(super) received: Received,
    /// Whether more may be there of which no edge will tell.
    pub(super) may_hold_more: bool,
}

/// What a step of a handshake led to.
#[derive(Debug)]
pub(super) enum Greeted {
    /// There is nothing more to read at this moment.
    Waits,
    /// Something was read, and the handshake goes on.
    Goes,
    /// It is over.
    Done(Welcome),
    /// It failed; why, the peer is told by what is kept.
    Refused(Refusal),
    /// The socket has ended.
    End,
}

/// What is known of a peer after its handshake.
#[derive(Debug)]
pub(super) struct Welcome {
    /// What the peer said behind its last words, opened.
    pub(super) early: Vec<u8>,
    /// SHA-256 of the certificate that it has shown.
    pub(super) fingerprint: Option<CertificateFingerprint>,
    /// Whether an earlier connection was resumed.
    pub(super) resumed: bool,
}

impl<S> Channel<S> {
    /// A socket on which nothing is spoken below HTTP.
    pub const fn plain(socket: S) -> Self {
        Self {
            socket,
            layer: Layer::Plain,
        }
    }

    /// A socket on which a handshake is to be made.
    pub fn greeting(socket: S, handshake: Handshake) -> Self {
        let mut channel = Self::plain(socket);
        channel.secure(handshake);
        channel
    }

    /// Begins a handshake on a socket on which nothing was spoken so far, or nothing that counts.
    pub fn secure(&mut self, handshake: Handshake) {
        self.layer = Layer::Greeting(Box::new(Greeting {
            handshake: Some(handshake),
            unsent: Vec::new(),
        }));
    }

    /// A socket after its handshake; `None`: without one.
    #[must_use]
    pub fn after_handshake(socket: S, records: Option<Box<Records>>) -> Self {
        let layer = records.map_or(Layer::Plain, Layer::Sealed);
        Self { socket, layer }
    }

    /// The socket itself.
    #[must_use]
    pub const fn socket(&self) -> &S {
        &self.socket
    }

    /// The socket, and what opens and seals. A handshake that is not over is given up.
    #[must_use]
    pub fn into_parts(self) -> (S, Option<Box<Records>>) {
        let records = match self.layer {
            Layer::Sealed(records) => Some(records),
            Layer::Plain | Layer::Greeting(_) => None,
        };
        (self.socket, records)
    }

    /// Whether a handshake is under way.
    pub(super) const fn is_greeting(&self) -> bool {
        matches!(&self.layer, Layer::Greeting(greeting) if greeting.handshake.is_some())
    }

    /// Whether bytes wait here for room in the socket.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        match &self.layer {
            Layer::Plain => false,
            Layer::Greeting(greeting) => !greeting.unsent.is_empty(),
            Layer::Sealed(records) => !records.tail().is_empty(),
        }
    }
}

impl<S: Stream> Channel<S> {
    /// Reads once, and goes on with the handshake. `buffer` and `room` are for its use meanwhile.
    pub(super) fn greet(&mut self, buffer: &mut [u8], room: &mut Vec<u8>) -> Greeted {
        if let Layer::Greeting(greeting) = &mut self.layer
            && send_kept(&self.socket, &mut greeting.unsent) == SendOutcome::Broken
        {
            return Greeted::End;
        }
        match self.socket.receive(buffer) {
            Received::Bytes(count) => self.greet_with(&buffer[..count], room),
            Received::Nothing => Greeted::Waits,
            Received::End => Greeted::End,
        }
    }

    /// Goes on with the handshake, with bytes that were read before. What is to be said to that is kept until somebody sends:
    /// whoever asks has noted first what the peer is about to learn.
    pub(super) fn greet_with(&mut self, fresh: &[u8], room: &mut Vec<u8>) -> Greeted {
        let Layer::Greeting(greeting) = &mut self.layer else {
            return Greeted::Waits;
        };
        let Some(handshake) = greeting.handshake.take() else {
            return Greeted::Goes;
        };
        room.clear();
        let progress = handshake.read(fresh, room);
        greeting.unsent.extend_from_slice(room);
        match progress {
            Progress::Goes(handshake) => {
                greeting.handshake = Some(handshake);
                Greeted::Goes
            }
            Progress::Refused(why) => Greeted::Refused(why),
            Progress::Done(secured) => {
                let Secured {
                    mut records,
                    early,
                    fingerprint,
                    resumed,
                } = secured;
                records.keep(&greeting.unsent);
                self.layer = Layer::Sealed(records);
                Greeted::Done(Welcome {
                    early,
                    fingerprint,
                    resumed,
                })
            }
        }
    }

    /// Reads once. `buffer` has room for a whole record and more.
    pub(super) fn receive(&mut self, buffer: &mut [u8], room: &mut Vec<u8>) -> Arrived {
        let Layer::Sealed(records) = &mut self.layer else {
            let received = self.socket.receive(buffer);
            return Arrived {
                received,
                may_hold_more: received == Received::Bytes(buffer.len()),
            };
        };
        let ended = Arrived {
            received: Received::End,
            may_hold_more: false,
        };
        if records.is_over() {
            return ended;
        }
        let carried = records.carried();
        let count = match self.socket.receive(&mut buffer[carried..]) {
            Received::Bytes(count) => count,
            received => {
                return Arrived {
                    received,
                    may_hold_more: false,
                };
            }
        };
        let is_full = carried + count == buffer.len();
        records.uncarry(buffer);
        match records.open(&mut buffer[..carried + count]) {
            Ok(opened) => Arrived {
                received: Received::Bytes(opened),
                may_hold_more: is_full || records.is_over(),
            },
            Err(fault) => {
                tell_fault(&self.socket, records, fault, room);
                ended
            }
        }
    }

    /// Sends as much of `bytes` as the socket takes, and one record more. `room` is for its use meanwhile.
    pub(super) fn send(&mut self, bytes: &[u8], room: &mut Vec<u8>) -> SendOutcome {
        match &mut self.layer {
            Layer::Plain if bytes.is_empty() => SendOutcome::Sent(0),
            Layer::Plain => self.socket.send(bytes),
            // Nobody but the handshake has anything to say.
            Layer::Greeting(greeting) => send_kept(&self.socket, &mut greeting.unsent),
            Layer::Sealed(records) => send_sealed(&self.socket, records, bytes, room),
        }
    }

    /// Says that nothing more will be sent; the peer can still finish.
    pub(super) fn finish_sending(&mut self, room: &mut Vec<u8>) {
        self.say_end(room);
        self.socket.finish_sending();
    }

    /// Says, unless that was said, that the end of the stream is meant. The last that is done before a channel is dropped.
    pub(super) fn say_end(&mut self, room: &mut Vec<u8>) {
        if let Layer::Sealed(records) = &mut self.layer
            && !records.has_said_end()
            && records.tail().is_empty()
        {
            room.clear();
            records.seal_end(room);
            // In a socket that has just taken everything there is room; and the peer has read why.
            let _ = self.socket.send(room);
        }
    }

    /// Bytes that were sent and that the peer has not acknowledged. `None`: the system does not say.
    pub(super) fn unacknowledged_bytes(&self) -> Option<u64> {
        let kept = match &self.layer {
            Layer::Sealed(records) => records.tail().len(),
            Layer::Plain | Layer::Greeting(_) => 0,
        };
        Some(self.socket.unacknowledged_bytes()? + kept as u64)
    }
}

/// Sends what was kept.
fn send_kept<S: Stream>(socket: &S, kept: &mut Vec<u8>) -> SendOutcome {
    if kept.is_empty() {
        return SendOutcome::Sent(0);
    }
    match socket.send(kept) {
        SendOutcome::Sent(count) if count == kept.len() => {
            *kept = Vec::new();
            SendOutcome::Sent(0)
        }
        SendOutcome::Sent(count) => {
            kept.drain(..count);
            SendOutcome::Kept(0)
        }
        outcome => outcome,
    }
}

fn send_sealed<S: Stream>(socket: &S, records: &mut Records, bytes: &[u8], room: &mut Vec<u8>) -> SendOutcome {
    match send_kept(socket, records.tail_mut()) {
        SendOutcome::Sent(_) => {}
        outcome => return outcome,
    }
    let mut taken = 0;
    while taken < bytes.len() {
        room.clear();
        match records.seal(&bytes[taken..], room) {
            Ok(count) => taken += count,
            Err(fault) => {
                tell_fault(socket, records, fault, room);
                return SendOutcome::Broken;
            }
        }
        match socket.send(room) {
            SendOutcome::Sent(count) if count == room.len() => {}
            SendOutcome::Sent(count) => {
                records.keep(&room[count..]);
                return SendOutcome::Kept(taken);
            }
            SendOutcome::Broken => return SendOutcome::Broken,
            SendOutcome::Full | SendOutcome::Kept(_) => {
                records.keep(room);
                return SendOutcome::Kept(taken);
            }
        }
    }
    SendOutcome::Sent(taken)
}

#[cold]
fn tell_fault<S: Stream>(socket: &S, records: &mut Records, fault: Fault, room: &mut Vec<u8>) {
    tracing::debug!(%fault, "a TLS connection ended");
    if records.tail().is_empty() {
        room.clear();
        records.seal_fault(fault, room);
        // A peer that does not read need not know.
        let _ = socket.send(room);
    }
}
