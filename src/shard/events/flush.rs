//! What leaves at the end of a turn.

use crate::protocol::Opcode;
use crate::room::ConnectionKey;
use crate::shard::Shard;
use crate::shard::outbox::FrameMark;
use crate::shard::post::outgoing::Outgoing;
use crate::shard::post::slow_reader;
use crate::shard::state::connection::State;
use crate::shard::timings::Timings;
use crate::shard::world::counters::CounterSet;
use crate::shard::world::now::Now;

/// What a socket said to a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// It took so many bytes.
    Sent(usize),
    /// It took so many bytes, and keeps some of them, or of others before, until there is room for them: to be asked again.
    Kept(usize),
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
    /// The socket was full and has taken all: nobody needs to be told any more that it can be written.
    AwaitRead,
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
    pub fn take_dirty(&mut self, into: &mut Vec<ConnectionKey>) {
        self.post.outgoing.take_dirty(into);
    }

    /// How many connections would be sent to now.
    #[must_use]
    pub fn to_flush(&self) -> usize {
        self.post.outgoing.to_flush()
    }

    /// Whether some connection has something to send, has to move, or is over, or a shard message, an outpost or the search for a
    /// code waits: the caller must not wait.
    #[must_use]
    pub fn has_work(&self) -> bool {
        let post = &self.post;
        post.outgoing.to_flush() > 0
            || !self.departing.is_empty()
            || !self.ended.is_empty()
            || !self.resumed.is_empty()
            || !self.questions.are_sent()
            || !self.code_searches.is_empty()
            || self.outposts.has_mail()
            || post.registry.is_open()
            || post.send_queues.has_fresh()
    }

    /// A connection's link and the bytes to send over it; none at all when only the link has some left. `None` when it is gone
    /// or has nothing to say.
    pub fn unsent(&mut self, at: ConnectionKey, now: Now) -> Option<(&mut L, &[u8])> {
        let connection = self.post.connections.get_mut(at)?;
        connection.is_dirty = false;
        if connection.outbox.has_holes() {
            let messages = self.post.report_gaps(at, now.mono_ms);
            self.note_missed(at, messages, now);
        }
        // Again: the reports go into the same outbox.
        let connection = self.post.connections.get_mut(at)?;
        let bytes = connection.outbox.unsent();
        (!bytes.is_empty() || connection.link_keeps).then_some((&mut connection.link, bytes))
    }

    /// Notes what a socket said to a send of the unsent bytes. Whoever has too much waiting then is closed once all outcomes were
    /// reported: [`close_overrun`](Self::close_overrun).
    pub fn sent(&mut self, at: ConnectionKey, outcome: SendOutcome, now: Now) -> AfterSend {
        let Some(connection) = self.post.connections.get_mut(at) else {
            return AfterSend::Nothing;
        };
        let counters = &self.post.counters;
        let progress = match outcome {
            SendOutcome::Sent(bytes) | SendOutcome::Kept(bytes) => {
                connection.link_keeps = matches!(outcome, SendOutcome::Kept(_));
                counters.socket_sends.add(1);
                counters.egress_bytes.add(bytes as u64);
                connection.uptake.note_sent(bytes);
                connection.outbox.advance(self.post.outgoing.pool(), bytes);
                note_departed(&mut self.post.outgoing, &mut self.timings, counters, now);
                bytes > 0 || connection.link_keeps
            }
            SendOutcome::Full => false,
            SendOutcome::Broken => return AfterSend::Remove,
        };
        if connection.has_said_all() {
            let was_behind = connection.uptake.note_drained();
            return match connection.state {
                State::Closing { peer_has_closed, .. } if peer_has_closed => AfterSend::Remove,
                State::Closing { .. } => AfterSend::FinishSending,
                State::Open | State::Departing { .. } | State::Asking(_) if was_behind => AfterSend::AwaitRead,
                State::Open | State::Departing { .. } | State::Asking(_) => AfterSend::Nothing,
            };
        }
        if progress && !connection.link_keeps && connection.outbox.has_more_at_once() {
            return AfterSend::SendMore;
        }
        counters.backpressure.add(1);
        connection.account.note_wait();
        connection.uptake.note_full(progress, now.mono_ms);
        if !connection.is_closing() && slow_reader::is_beyond_help(connection, &self.world.settings, counters) {
            self.post.outgoing.note_overrun(connection, at);
        }
        self.plan_check(at);
        AfterSend::AwaitWritable
    }

    /// Closes those for whom too much waits after they were offered it. Call it after the outcomes of a round of sends.
    pub fn close_overrun(&mut self, now: Now) {
        self.event(now, |shard| shard.post.outgoing.end_round());
    }

    /// A socket that was full can take bytes again.
    pub fn writable(&mut self, at: ConnectionKey) {
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        if !connection.has_said_all() {
            // It stays behind until bytes really move: a socket that says so and takes nothing is still full.
            self.post.outgoing.offer_again(connection, at);
        }
    }

    /// Queues a WebSocket control frame towards a connection: the answer to a ping.
    pub fn pong(&mut self, at: ConnectionKey, payload: &[u8], now: Now) {
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
        let mark = FrameMark::in_order(now.mono_ms);
        // Under the caps like everything else: a flood of pings from a client that reads nothing ends that client.
        self.event(now, |shard| {
            shard.post.deliver(at, &frame, &mark, &shard.world.settings)
        });
    }
}

/// Counts what a send has taken out of an outbox, and for how long it had waited there.
fn note_departed(outgoing: &mut Outgoing, timings: &mut Timings, counters: &CounterSet, now: Now) {
    let departed = outgoing.pool().departed();
    for (of_class, left) in counters.game_data.iter().zip(departed.by_class()) {
        if left > 0 {
            of_class.delivered.add(left);
        }
    }
    for (queued_at_ms, frames) in departed.drain() {
        timings.note_departed(now.mono_ms.saturating_sub(queued_at_ms), frames);
    }
}
