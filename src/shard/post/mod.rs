//! The shard's post office: it puts frames into outboxes and remembers who has to be flushed.
//!
//! Owns the connections and the scratch in which frames are encoded. Promises that a frame is encoded once however many
//! receive it, that a receiver which cannot take a frame is noted and never skipped in silence, and that nobody waits for
//! anybody.

pub(super) mod announcing;
pub(super) mod slow_reader;

use std::collections::VecDeque;

use crate::protocol::delivery::{Gap, GapReason};
use crate::protocol::{CloseCode, FrameBuffer, FrameSpan, Opcode, ProtocolVersion, ServerMessage};
use crate::room::{Member, MemberRef};
use crate::shard::exchange::registry::Branches;
use crate::shard::exchange::send_queues::Couriers;
use crate::shard::outbox::{FrameMark, FrameOrigin, Outbox, OutboxPool};
use crate::shard::state::connection::{Connection, Connections, Place};
use crate::shard::state::share::FRAME_COST_BYTES;
use crate::shard::world::counters::Counters;
use crate::shard::world::settings::Settings;

/// The connections of a shard, and what is needed to send to them.
#[derive(Debug)]
pub(in crate::shard) struct Post<L> {
    pub(in crate::shard) connections: Connections<L>,
    pub(in crate::shard) frames: FrameBuffer,
    pub(in crate::shard) pool: OutboxPool,
    pub(in crate::shard) dirty: Dirty,
    /// Connections that could not take a frame and must be closed before the turn ends.
    pub(in crate::shard) doomed: Vec<(MemberRef, CloseCode)>,
    /// Bytes put into outboxes so far.
    pub(in crate::shard) queued_bytes: u64,
    pub(in crate::shard) counters: Counters,
    /// The outposts of the rooms that live here.
    pub(in crate::shard) branches: Branches,
    /// Letters to other shards.
    pub(in crate::shard) couriers: Couriers,
}

/// Connections with something to send, each once.
#[derive(Debug, Default)]
pub(in crate::shard) struct Dirty {
    /// All but those who only watch.
    pub(in crate::shard) first: Vec<MemberRef>,
    /// Those who only watch: as many per turn as delay nobody for long.
    pub(in crate::shard) gallery: VecDeque<MemberRef>,
}

impl Dirty {
    pub(in crate::shard) fn push<L>(&mut self, at: MemberRef, connection: &Connection<L>) {
        match connection.place {
            Some(Place::Watching(_) | Place::Posted(_)) => self.gallery.push_back(at),
            Some(Place::Seated(_)) | None => self.first.push(at),
        }
    }
}

impl<L> Default for Post<L> {
    fn default() -> Self {
        Self {
            connections: Connections::default(),
            frames: FrameBuffer::default(),
            pool: OutboxPool::default(),
            dirty: Dirty::default(),
            doomed: Vec::new(),
            queued_bytes: 0,
            counters: Counters::default(),
            branches: Branches::default(),
            couriers: Couriers::default(),
        }
    }
}

impl<L> Post<L> {
    /// Queues an encoded frame for one connection; says whether it was queued. If not, the connection is closing or is
    /// doomed to, or is told what it misses. Whether too much waits is judged when its socket was offered it, and not here.
    pub(in crate::shard) fn deliver(
        &mut self,
        to: MemberRef,
        frame: &FrameSpan,
        mark: FrameMark,
        settings: &Settings,
    ) -> bool {
        let frames = std::mem::take(&mut self.frames);
        let was_queued = self.deliver_bytes(to, frames.bytes(frame), mark, settings);
        self.frames = frames;
        was_queued
    }

    /// The same for a frame that lies elsewhere.
    pub(in crate::shard) fn deliver_bytes(
        &mut self,
        to: MemberRef,
        bytes: &[u8],
        mark: FrameMark,
        settings: &Settings,
    ) -> bool {
        let Some(connection) = self.connections.get_mut(to) else {
            return false;
        };
        // Nothing may follow a frame that was not taken: that would be a hole.
        if connection.is_doomed || connection.is_closing() {
            return false;
        }
        let is_accountable = connection.session.dialect().version >= ProtocolVersion::V3;
        if bytes.len() > settings.messages.max_outbound_bytes {
            doom(connection, to, CloseCode::OutboundTooLarge, &mut self.doomed);
            return false;
        }
        if is_accountable
            && connection.uptake.is_behind()
            && let Some(origin) = &mark.origin
            && let Some(reason) = slow_reader::spare(connection, origin, bytes.len(), settings, &self.counters)
        {
            self.counters.note_missed(reason);
            return self.miss(to, origin, reason);
        }
        connection.outbox.push(&mut self.pool, mark, bytes);
        self.queued_bytes += (bytes.len() + FRAME_COST_BYTES) as u64;
        if is_accountable {
            connection.account.note_queued(mark.origin.as_ref());
        }
        // Who is behind is not asked again before its socket has room, unless it is to be judged.
        if !connection.uptake.is_behind() || slow_reader::has_too_much(connection, settings) {
            offer_again(connection, to, &mut self.dirty);
        }
        true
    }

    /// Notes that a receiver on version 3 does not get a message: it will be told before anything later of that sender.
    /// Never queued, so always `false`.
    pub(in crate::shard) fn miss(&mut self, to: MemberRef, origin: &FrameOrigin, reason: GapReason) -> bool {
        let Some(connection) = self.connections.get_mut(to) else {
            return false;
        };
        if connection.is_doomed || connection.is_closing() {
            return false;
        }
        connection.outbox.miss(&mut self.pool, origin, reason);
        connection.account.note_missed(origin.class, false);
        if connection.outbox.gaps_outstanding() > slow_reader::MAX_GAPS {
            offer_again(connection, to, &mut self.dirty);
        } else {
            mark_dirty(connection, to, &mut self.dirty);
        }
        false
    }

    /// Whether a receiver may be told in words that something is missing. On version 3 once for each report of gaps.
    pub(in crate::shard) fn may_advise(&mut self, at: MemberRef) -> bool {
        self.connections.get_mut(at).is_some_and(|connection| {
            connection.session.dialect().version < ProtocolVersion::V3 || connection.account.may_advise()
        })
    }

    /// Sees to it that a connection is closed before the turn ends.
    pub(in crate::shard) fn doom(&mut self, at: MemberRef, code: CloseCode) {
        if let Some(connection) = self.connections.get_mut(at)
            && !connection.is_closing()
        {
            doom(connection, at, code, &mut self.doomed);
        }
    }

    /// Queues the reports of all gaps that a receiver must be told of before what is sent to it next.
    pub(in crate::shard) fn report_gaps(&mut self, to: MemberRef, now_ms: u64) {
        let Some(connection) = self.connections.get_mut(to) else {
            return;
        };
        loop {
            let gaps = connection.outbox.take_due_gaps(Gap::MAX_IN_REPORT);
            if gaps.is_empty() {
                return;
            }
            connection.account.tell(&gaps);
            let counts = connection.account.counts(connection.outbox.untouched_by_class());
            let report = ServerMessage::DeliveryReport { counts, gaps: &gaps };
            self.frames.clear();
            let frame = encode_ahead(&mut self.frames, &report);
            connection
                .outbox
                .push(&mut self.pool, FrameMark::ahead(now_ms), self.frames.bytes(&frame));
        }
    }

    /// Tells a receiver on version 3 what it was sent so far. One that falls behind is spared it.
    pub(in crate::shard) fn report_stats(&mut self, to: MemberRef, interval_ms: u64, now_ms: u64) {
        let Some(connection) = self.connections.get_mut(to) else {
            return;
        };
        if connection.uptake.is_behind() || connection.is_doomed || connection.is_closing() {
            return;
        }
        let counts = connection.account.counts(connection.outbox.untouched_by_class());
        self.frames.clear();
        // Ahead like the reports of gaps: counts that were overtaken by newer ones would seem to go back.
        for message in [
            connection.account.stats(interval_ms),
            ServerMessage::DeliveryReport { counts, gaps: &[] },
        ] {
            let frame = encode_ahead(&mut self.frames, &message);
            connection
                .outbox
                .push(&mut self.pool, FrameMark::ahead(now_ms), self.frames.bytes(&frame));
        }
        mark_dirty(connection, to, &mut self.dirty);
    }

    /// Queues a WebSocket control frame or a farewell, whatever the caps say: they are small and bounded in number.
    pub(in crate::shard) fn deliver_last(&mut self, to: MemberRef, frame: &FrameSpan, now_ms: u64) {
        let bytes = self.frames.bytes(frame);
        if let Some(connection) = self.connections.get_mut(to) {
            connection
                .outbox
                .push(&mut self.pool, FrameMark::in_order(now_ms), bytes);
            mark_dirty(connection, to, &mut self.dirty);
        }
    }

    /// Sends a control message to one connection, in the form that it reads.
    pub(in crate::shard) fn tell(
        &mut self,
        to: MemberRef,
        message: &ServerMessage<'_>,
        now_ms: u64,
        settings: &Settings,
    ) {
        let Some(connection) = self.connections.get(to) else {
            return;
        };
        let version = connection.session.dialect().version;
        self.frames.clear();
        let frame = self.frames.encode(Opcode::Text, |out| message.write_json(version, out));
        self.deliver(to, &frame, FrameMark::in_order(now_ms), settings);
    }

    /// Sends a control message to everybody in an audience but one, encoded once per version. Returns the frames.
    pub(in crate::shard) fn tell_all(
        &mut self,
        audience: [&[Member]; 2],
        except: Option<MemberRef>,
        message: &ServerMessage<'_>,
        now_ms: u64,
        settings: &Settings,
    ) -> [Option<FrameSpan>; 2] {
        let members = audience.into_iter().flatten();
        let members = members.filter(|member| Some(member.link) != except);
        self.tell_each(members, message, now_ms, settings)
    }

    /// Sends a control message to some members, encoded once per version. Returns the frames.
    pub(in crate::shard) fn tell_each<'m>(
        &mut self,
        members: impl Iterator<Item = &'m Member>,
        message: &ServerMessage<'_>,
        now_ms: u64,
        settings: &Settings,
    ) -> [Option<FrameSpan>; 2] {
        debug_assert!(!message.is_personal(), "each receiver reads another text");
        self.frames.clear();
        let mut encoded: [Option<FrameSpan>; 2] = [None, None];
        for member in members {
            let version = member.dialect.version;
            let frame = encoded[usize::from(version == ProtocolVersion::V3)]
                .get_or_insert_with(|| self.frames.encode(Opcode::Text, |out| message.write_json(version, out)))
                .clone();
            self.deliver(member.link, &frame, FrameMark::in_order(now_ms), settings);
        }
        encoded
    }
}

fn encode_ahead(frames: &mut FrameBuffer, message: &ServerMessage<'_>) -> FrameSpan {
    frames.encode(Opcode::Text, |out| message.write_json(ProtocolVersion::V3, out))
}

pub(in crate::shard) fn doom<L>(
    connection: &mut Connection<L>,
    at: MemberRef,
    code: CloseCode,
    doomed: &mut Vec<(MemberRef, CloseCode)>,
) {
    if !connection.is_doomed {
        connection.is_doomed = true;
        doomed.push((at, code));
    }
}

/// Whether so many bytes more are too many. A single frame always fits: the cap is on what piles up.
pub(in crate::shard) fn is_full(outbox: &Outbox, bytes: usize, settings: &Settings) -> bool {
    outbox.unsent_bytes() > 0 && outbox.weight_bytes_with(bytes) > settings.outbox.max_bytes
}

/// Puts a connection on the list of those to flush, unless it is there or its socket is full.
pub(in crate::shard) fn mark_dirty<L>(connection: &mut Connection<L>, at: MemberRef, dirty: &mut Dirty) {
    if !connection.uptake.is_behind() {
        offer_again(connection, at, dirty);
    }
}

/// Puts a connection on the list of those to flush even if its socket was full: it is asked once more, now, before the
/// connection is judged by what waits.
pub(in crate::shard) fn offer_again<L>(connection: &mut Connection<L>, at: MemberRef, dirty: &mut Dirty) {
    if !connection.is_dirty {
        connection.is_dirty = true;
        dirty.push(at, connection);
    }
}
