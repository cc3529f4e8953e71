//! What leaves at the end of a turn.

use super::connection::State;
use super::{Now, Shard, post};
use crate::room::MemberRef;

/// Sends to those who only watch that one turn makes at most, so that players wait at most a fraction of a millisecond for
/// a gallery of any size.
const GALLERY_SENDS_PER_TURN: usize = 64;

/// What a socket said to a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// It took so many bytes.
    Sent(usize),
    /// It is full.
    Full,
    /// It is gone.
    Broken,
}

/// What the caller does next about a connection that it sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterSend {
    /// Nothing.
    Nothing,
    /// Call [`Shard::writable`] once the socket is.
    AwaitWritable,
    /// Send again at once: what follows had to wait for what was sent.
    SendMore,
    /// All is said: tell the peer that no more will come, so that it can end the connection at once. One that broke the
    /// framing cannot be heard to answer the close.
    FinishSending,
    /// The connection is over: [remove](Shard::remove) it.
    Remove,
}

impl<L> Shard<L> {
    /// Takes a list of connections that have something to send, each once: everybody but those who only watch, and behind
    /// them some of the latter. Every one of them must be sent to, or asked about with [`unsent`](Self::unsent), and its
    /// outcome [reported](Self::sent).
    pub fn take_dirty(&mut self, into: &mut Vec<MemberRef>) {
        debug_assert!(
            self.post.doomed.is_empty(),
            "whoever could not take a frame is closed in the same event"
        );
        into.clear();
        std::mem::swap(into, &mut self.post.dirty.first);
        let gallery = &mut self.post.dirty.gallery;
        into.extend(gallery.drain(..gallery.len().min(GALLERY_SENDS_PER_TURN)));
    }

    /// Whether some connection has something to send, has to move, or is over, or a letter or an outpost waits: the caller
    /// must not wait.
    #[must_use]
    pub fn has_work(&self) -> bool {
        let post = &self.post;
        !post.dirty.first.is_empty()
            || !post.dirty.gallery.is_empty()
            || !self.departing.is_empty()
            || !self.ended.is_empty()
            || !self.resumed.is_empty()
            || self.outposts.has_mail()
            || post.branches.is_open()
            || post.couriers.has_fresh()
    }

    /// A connection's link and the bytes to send over it. `None` when it is gone or has nothing to say.
    pub fn unsent(&mut self, at: MemberRef, now: Now) -> Option<(&L, &[u8])> {
        let connection = self.post.connections.get_mut(at)?;
        connection.is_dirty = false;
        if connection.outbox.has_holes() {
            self.post.report_gaps(at, now.mono_ms);
        }
        let connection = self.post.connections.get_mut(at)?;
        let bytes = connection.outbox.unsent();
        (!bytes.is_empty()).then_some((&connection.link, bytes))
    }

    /// Notes what a socket said to a send of the unsent bytes.
    pub fn sent(&mut self, at: MemberRef, outcome: SendOutcome, now: Now) -> AfterSend {
        let Some(connection) = self.post.connections.get_mut(at) else {
            return AfterSend::Nothing;
        };
        let counters = &self.post.counters;
        let progress = match outcome {
            SendOutcome::Sent(bytes) => {
                counters.socket_sends.add(1);
                counters.egress_bytes.add(bytes as u64);
                connection.outbox.advance(&mut self.post.pool, bytes);
                bytes > 0
            }
            SendOutcome::Full => false,
            SendOutcome::Broken => return AfterSend::Remove,
        };
        if progress {
            connection.progress_at_ms = now.mono_ms;
        }
        if connection.outbox.is_empty() {
            connection.stalled_since_ms = None;
            return match connection.state {
                State::Closing { peer_has_closed, .. } if peer_has_closed => AfterSend::Remove,
                State::Closing { .. } => AfterSend::FinishSending,
                State::Open | State::Departing { .. } | State::Asking(_) => AfterSend::Nothing,
            };
        }
        if progress && connection.outbox.awaits_report() {
            return AfterSend::SendMore;
        }
        counters.socket_full.add(1);
        connection.account.note_wait();
        if progress || connection.stalled_since_ms.is_none() {
            connection.stalled_since_ms = Some(now.mono_ms);
        }
        self.plan_check(at);
        AfterSend::AwaitWritable
    }

    /// A socket that was full can take bytes again.
    pub fn writable(&mut self, at: MemberRef) {
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        if !connection.is_dirty && !connection.outbox.is_empty() {
            // `stalled_since_ms` stays until bytes really move: a socket that says so and takes nothing is still stalled.
            connection.is_dirty = true;
            self.post.dirty.push(at, connection);
        }
    }

    /// Queues a WebSocket control frame towards a connection: the answer to a ping.
    pub fn pong(&mut self, at: MemberRef, payload: &[u8], now: Now) {
        use crate::protocol::Opcode;
        let Some(connection) = self.post.connections.get(at) else {
            return;
        };
        if !connection.is_open() {
            return;
        }
        self.post.frames.clear();
        let frame = self
            .post
            .frames
            .encode(Opcode::Pong, |out| out.extend_from_slice(payload));
        let mark = super::FrameMark::in_order(now.mono_ms);
        // Under the caps like everything else: a flood of pings from a client that reads nothing ends that client.
        self.post.deliver(at, &frame, mark, &self.world.settings);
        self.settle(now);
    }

    /// Puts a connection on the list to flush, if it has something to say.
    pub(super) fn flush_soon(&mut self, at: MemberRef) {
        if let Some(connection) = self.post.connections.get_mut(at)
            && !connection.outbox.is_empty()
        {
            post::mark_dirty(connection, at, &mut self.post.dirty);
        }
    }
}
