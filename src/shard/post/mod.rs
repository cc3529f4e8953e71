//! The shard's post office: it puts frames into outboxes and remembers who has to be flushed.
//!
//! Owns the connections and the scratch in which frames are encoded. Promises that a frame is encoded once however many
//! receive it, that a receiver which cannot take a frame is noted and never skipped in silence, and that nobody waits for
//! anybody.

pub(super) mod announcing;
pub(super) mod answering;
pub(super) mod outgoing;
pub(super) mod slow_reader;

use self::outgoing::{Outgoing, Queued};
use crate::protocol::delivery::{Gap, GapReason};
use crate::protocol::{CloseCode, FrameBuffer, FrameSpan, Opcode, ProtocolVersion, ServerMessage};
use crate::room::{ConnectionKey, Member};
use crate::shard::exchange::registry::OutpostRegistry;
use crate::shard::exchange::send_queues::SendQueues;
use crate::shard::outbox::{FrameMark, FrameOrigin};
use crate::shard::state::connection::Connections;
use crate::shard::world::counters::Counters;
use crate::shard::world::settings::Settings;

/// The connections of a shard, and what is needed to send to them.
#[derive(Debug)]
pub(in crate::shard) struct Post<L> {
    pub(in crate::shard) connections: Connections<L>,
    pub(in crate::shard) frames: FrameBuffer,
    pub(in crate::shard) outgoing: Outgoing,
    pub(in crate::shard) counters: Counters,
    /// The outposts of the rooms that live here.
    pub(in crate::shard) registry: OutpostRegistry,
    /// Messages to other shards.
    pub(in crate::shard) send_queues: SendQueues,
}

impl<L> Post<L> {
    /// A post office without connections, whose outboxes weigh at most so much.
    pub(in crate::shard) fn new(outbox_bytes: usize, counters: Counters) -> Self {
        Self {
            connections: Connections::default(),
            frames: FrameBuffer::default(),
            outgoing: Outgoing::capped(outbox_bytes),
            counters,
            registry: OutpostRegistry::default(),
            send_queues: SendQueues::default(),
        }
    }

    /// Queues an encoded frame for one connection; says whether it was queued. If not, the connection is closing or is
    /// marked to be closed, or is told what it misses. Whether too much waits is judged when its socket was offered it, and not here.
    #[inline]
    pub(in crate::shard) fn deliver(
        &mut self,
        to: ConnectionKey,
        frame: &FrameSpan,
        mark: &FrameMark,
        settings: &Settings,
    ) -> bool {
        let Some(connection) = self.connections.get_mut(to) else {
            return false;
        };
        let bytes = self.frames.bytes(frame);
        let queued = self
            .outgoing
            .queue(connection, to, bytes, mark, settings, &self.counters);
        self.note(queued, to, mark)
    }

    /// The same for a frame that lies elsewhere.
    pub(in crate::shard) fn deliver_bytes(
        &mut self,
        to: ConnectionKey,
        bytes: &[u8],
        mark: &FrameMark,
        settings: &Settings,
    ) -> bool {
        let Some(connection) = self.connections.get_mut(to) else {
            return false;
        };
        let queued = self
            .outgoing
            .queue(connection, to, bytes, mark, settings, &self.counters);
        self.note(queued, to, mark)
    }

    #[inline]
    fn note(&mut self, queued: Queued, to: ConnectionKey, mark: &FrameMark) -> bool {
        match (queued, &mark.origin) {
            (Queued::Yes, _) => true,
            (Queued::Spared(reason), Some(origin)) => {
                self.counters.note_missed(reason);
                self.miss(to, origin, reason)
            }
            (Queued::No, Some(origin)) => {
                self.counters.game_data[origin.class as usize].abandoned.add(1);
                false
            }
            (Queued::No | Queued::Spared(_), None) => false,
        }
    }

    /// Notes that a receiver on version 3 does not get a message: it will be told before anything later of that sender.
    /// Never queued, so always `false`.
    pub(in crate::shard) fn miss(&mut self, to: ConnectionKey, origin: &FrameOrigin, reason: GapReason) -> bool {
        let Some(connection) = self.connections.get_mut(to) else {
            return false;
        };
        if connection.is_close_pending || connection.is_closing() {
            return false;
        }
        connection.outbox.miss(self.outgoing.pool(), origin, reason);
        connection.account.note_missed(origin.class, false);
        if connection.outbox.gaps_outstanding() > slow_reader::MAX_GAPS {
            self.outgoing.offer_again(connection, to);
        } else {
            self.outgoing.mark_dirty(connection, to);
        }
        false
    }

    /// Whether a receiver may be told in words that something is missing. On version 3 once for each report of gaps.
    pub(in crate::shard) fn may_advise(&mut self, at: ConnectionKey) -> bool {
        self.connections.get_mut(at).is_some_and(|connection| {
            connection.session.dialect().version < ProtocolVersion::V3 || connection.account.may_advise()
        })
    }

    /// Sees to it that a connection is closed before the turn ends.
    pub(in crate::shard) fn mark_for_close(&mut self, at: ConnectionKey, code: CloseCode) {
        if let Some(connection) = self.connections.get_mut(at)
            && !connection.is_closing()
        {
            self.outgoing.mark_for_close(connection, at, code);
        }
    }

    /// Queues the reports of all gaps that a receiver must be told of before what is sent to it next. Returns how many messages
    /// are missing.
    pub(in crate::shard) fn report_gaps(&mut self, to: ConnectionKey, now_ms: u64) -> u64 {
        let mut messages = 0;
        let Some(connection) = self.connections.get_mut(to) else {
            return messages;
        };
        loop {
            let gaps = connection.outbox.take_due_gaps(Gap::MAX_IN_REPORT);
            if gaps.is_empty() {
                return messages;
            }
            messages += gaps.iter().map(Gap::messages).sum::<u64>();
            connection.account.tell(&gaps);
            let counts = connection.account.counts(connection.outbox.untouched_by_class());
            let report = ServerMessage::DeliveryReport { counts, gaps: &gaps };
            self.frames.clear();
            let frame = encode_ahead(&mut self.frames, &report);
            self.outgoing
                .push(connection, to, self.frames.bytes(&frame), &FrameMark::ahead(now_ms));
        }
    }

    /// Tells a receiver on version 3 what it was sent so far. One that falls behind is spared it.
    pub(in crate::shard) fn report_stats(&mut self, to: ConnectionKey, interval_ms: u64, now_ms: u64) {
        let Some(connection) = self.connections.get_mut(to) else {
            return;
        };
        if connection.uptake.is_behind() || connection.is_close_pending || connection.is_closing() {
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
            self.outgoing
                .push(connection, to, self.frames.bytes(&frame), &FrameMark::ahead(now_ms));
        }
        self.outgoing.mark_dirty(connection, to);
    }

    /// Queues a WebSocket control frame or a farewell, whatever the caps say: they are small and bounded in number.
    pub(in crate::shard) fn deliver_last(&mut self, to: ConnectionKey, frame: &FrameSpan, now_ms: u64) {
        let bytes = self.frames.bytes(frame);
        if let Some(connection) = self.connections.get_mut(to) {
            self.outgoing.push(connection, to, bytes, &FrameMark::in_order(now_ms));
        }
    }

    /// Sends a control message to one connection, in the form that it reads.
    pub(in crate::shard) fn tell(
        &mut self,
        to: ConnectionKey,
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
        self.deliver(to, &frame, &FrameMark::in_order(now_ms), settings);
    }

    /// Sends a control message to everybody in an audience but one, encoded once per version. Returns the frames.
    pub(in crate::shard) fn tell_all(
        &mut self,
        audience: [&[Member]; 2],
        except: Option<ConnectionKey>,
        message: &ServerMessage<'_>,
        now_ms: u64,
        settings: &Settings,
    ) -> [Option<FrameSpan>; 2] {
        let members = audience.into_iter().flatten();
        let members = members.filter(|member| Some(member.connection) != except);
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
            self.deliver(member.connection, &frame, &FrameMark::in_order(now_ms), settings);
        }
        encoded
    }
}

fn encode_ahead(frames: &mut FrameBuffer, message: &ServerMessage<'_>) -> FrameSpan {
    frames.encode(Opcode::Text, |out| message.write_json(ProtocolVersion::V3, out))
}
