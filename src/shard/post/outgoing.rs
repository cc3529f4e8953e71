//! What a turn has for sockets: whose outbox has something new, who is to be closed, how much was queued.
//!
//! The only writer of outboxes. Promises that a connection is listed once for each thing, and that nothing is queued behind a
//! frame that was not taken.

use std::collections::VecDeque;

use super::slow_reader;
use crate::protocol::{CloseCode, ProtocolVersion};
use crate::room::ConnectionKey;
use crate::shard::outbox::{FrameMark, OutboxPool};
use crate::shard::state::connection::Connection;
use crate::shard::state::share::FRAME_COST_BYTES;
use crate::shard::state::standing::Place;
use crate::shard::world::counters::CounterSet;
use crate::shard::world::settings::Settings;

/// Sends to those who only watch that one turn makes at most, so that players wait at most a fraction of a millisecond for
/// a gallery of any size.
const GALLERY_SENDS_PER_TURN: usize = 64;

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queued {
    /// It waits to be sent.
    Yes,
    /// The connection is closing, or will be before the event is over.
    No,
    /// The reader is behind and is spared it; it must be told so.
    Spared(crate::protocol::delivery::GapReason),
}

/// The outgoing side of a turn.
#[derive(Debug, Default)]
pub(in crate::shard) struct Outgoing {
    pool: OutboxPool,
    /// Connections with something to send, each once: all but those who only watch.
    dirty: Vec<ConnectionKey>,
    /// Those who only watch: as many per turn as delay nobody for long.
    dirty_watchers: VecDeque<ConnectionKey>,
    /// Connections that could not take a frame and must be closed before the event is over.
    pending_closes: Vec<(ConnectionKey, CloseCode)>,
    /// Connections for which too much waits after they were offered it: closed after the round of sends.
    overrun: Vec<(ConnectionKey, CloseCode)>,
    queued_frames: u64,
    queued_bytes: u64,
}

impl Outgoing {
    /// Nothing yet, for outboxes that weigh at most so much.
    pub(super) fn capped(outbox_bytes: usize) -> Self {
        Self {
            pool: OutboxPool::capped(outbox_bytes),
            ..Self::default()
        }
    }

    /// Bytes put into outboxes so far, and a constant for each frame.
    pub(in crate::shard) const fn queued_bytes(&self) -> u64 {
        self.queued_bytes
    }

    /// Frames put into outboxes so far.
    pub(in crate::shard) const fn queued_frames(&self) -> u64 {
        self.queued_frames
    }

    /// Queues a frame that may be refused.
    #[inline]
    pub(super) fn queue<L>(
        &mut self,
        connection: &mut Connection<L>,
        at: ConnectionKey,
        bytes: &[u8],
        mark: &FrameMark,
        settings: &Settings,
        counters: &CounterSet,
    ) -> Queued {
        // Nothing may follow a frame that was not taken: that would be a hole.
        if connection.is_close_pending || connection.is_closing() {
            counters.deliveries_closed.add(1);
            return Queued::No;
        }
        if bytes.len() > settings.messages.max_outbound_bytes {
            self.mark_for_close(connection, at, CloseCode::OutboundTooLarge);
            counters.deliveries_closed.add(1);
            return Queued::No;
        }
        if connection.uptake.is_behind() {
            return self.queue_behind(connection, at, bytes, mark, settings, counters);
        }
        self.put(connection, bytes, mark);
        self.offer_again(connection, at);
        Queued::Yes
    }

    /// The same for a connection whose socket was full.
    #[inline(never)]
    fn queue_behind<L>(
        &mut self,
        connection: &mut Connection<L>,
        at: ConnectionKey,
        bytes: &[u8],
        mark: &FrameMark,
        settings: &Settings,
        counters: &CounterSet,
    ) -> Queued {
        if connection.session.dialect().version >= ProtocolVersion::V3
            && let Some(origin) = &mark.origin
            && let Some(reason) = slow_reader::spare(connection, origin, bytes.len(), settings, counters)
        {
            return Queued::Spared(reason);
        }
        self.put(connection, bytes, mark);
        // It is not asked again before its socket has room, unless it is to be judged.
        if slow_reader::has_too_much(connection, settings) {
            self.offer_again(connection, at);
        }
        Queued::Yes
    }

    #[inline]
    fn put<L>(&mut self, connection: &mut Connection<L>, bytes: &[u8], mark: &FrameMark) {
        connection.outbox.push(&mut self.pool, mark, bytes);
        self.queued_frames += 1;
        self.queued_bytes += (bytes.len() + FRAME_COST_BYTES) as u64;
        // Readers on version 2 are never told of it, but asking for the version costs more than keeping their books.
        connection.account.note_queued(mark.origin.as_ref());
    }

    /// Queues a frame, whatever the caps say.
    pub(super) fn push<L>(
        &mut self,
        connection: &mut Connection<L>,
        at: ConnectionKey,
        bytes: &[u8],
        mark: &FrameMark,
    ) {
        connection.outbox.push(&mut self.pool, mark, bytes);
        self.queued_frames += 1;
        self.mark_dirty(connection, at);
    }

    /// The memory from which outboxes come and to which they go back.
    pub(in crate::shard) const fn pool(&mut self) -> &mut OutboxPool {
        &mut self.pool
    }

    /// Sees to it that a connection is closed before the event is over.
    pub(super) fn mark_for_close<L>(&mut self, connection: &mut Connection<L>, at: ConnectionKey, code: CloseCode) {
        if !std::mem::replace(&mut connection.is_close_pending, true) {
            self.pending_closes.push((at, code));
        }
    }

    /// Sees to it that a connection is closed after this round of sends.
    pub(in crate::shard) fn note_overrun<L>(&mut self, connection: &mut Connection<L>, at: ConnectionKey) {
        if !std::mem::replace(&mut connection.is_close_pending, true) {
            self.overrun.push((at, CloseCode::SlowConsumer));
        }
    }

    /// A round of sends is over: those for whom too much waits are to be closed now.
    pub(in crate::shard) fn end_round(&mut self) {
        self.pending_closes.append(&mut self.overrun);
    }

    /// Somebody who is to be closed.
    pub(in crate::shard) fn next_pending_close(&mut self) -> Option<(ConnectionKey, CloseCode)> {
        self.pending_closes.pop()
    }

    /// Whether nobody is to be closed.
    pub(in crate::shard) const fn has_no_pending_close(&self) -> bool {
        self.pending_closes.is_empty()
    }

    /// Puts a connection on the list of those to flush, unless it is there or its socket is full.
    pub(super) fn mark_dirty<L>(&mut self, connection: &mut Connection<L>, at: ConnectionKey) {
        if !connection.uptake.is_behind() {
            self.offer_again(connection, at);
        }
    }

    /// Puts a connection on the list of those to flush even if its socket was full: it is asked once more, now, before the
    /// connection is judged by what waits.
    #[inline]
    pub(in crate::shard) fn offer_again<L>(&mut self, connection: &mut Connection<L>, at: ConnectionKey) {
        if std::mem::replace(&mut connection.is_dirty, true) {
            return;
        }
        match connection.place() {
            Some(Place::Watching(_) | Place::Posted(_)) => self.dirty_watchers.push_back(at),
            Some(Place::Seated(_)) | None => self.dirty.push(at),
        }
    }

    /// Takes the list of those to flush: everybody but those who only watch, and behind them some of the latter.
    pub(in crate::shard) fn take_dirty(&mut self, into: &mut Vec<ConnectionKey>) {
        into.clear();
        std::mem::swap(into, &mut self.dirty);
        if !self.dirty_watchers.is_empty() {
            let count = self.dirty_watchers.len().min(GALLERY_SENDS_PER_TURN);
            into.extend(self.dirty_watchers.drain(..count));
        }
    }

    /// How many connections would be flushed now.
    pub(in crate::shard) fn to_flush(&self) -> usize {
        self.dirty.len() + self.dirty_watchers.len().min(GALLERY_SENDS_PER_TURN)
    }
}
