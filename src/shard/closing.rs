//! How connections end: by us, by the peer, or by being too slow.

use super::Shard;
use crate::protocol::{CloseCode, ErrorCode, Opcode, Refusal, write_close_payload};
use crate::room::ConnectionKey;
use crate::shard::state::connection::State;
use crate::shard::state::room_event::RoomNews;
use crate::shard::world::now::Now;
use crate::shard::world::refusals::RefusalReason;

impl<L> Shard<L> {
    /// Ends a connection: its room mates learn that it left, and it gets a last `Error`, if there is something to say,
    /// and a close frame. Its link is kept until the peer has answered or the time for that is over.
    pub(super) fn close(&mut self, at: ConnectionKey, code: CloseCode, why: Option<Refusal>, now: Now) {
        let is_news = self
            .post
            .connections
            .get(at)
            .is_some_and(|connection| !connection.is_closing());
        if let Some(why) = why.as_ref().filter(|_| is_news) {
            self.note_refusal(at, RefusalReason::Error(why.code), &why.text, now);
        }
        self.close_with(at, Some(code), why, now);
    }

    pub(super) fn close_with(&mut self, at: ConnectionKey, code: Option<CloseCode>, why: Option<Refusal>, now: Now) {
        match self.post.connections.get(at).map(|connection| &connection.state) {
            None | Some(State::Closing { .. }) => return,
            Some(State::Open) => {}
            // Its socket was not read. Bytes that stay in it would have the system reset the connection, farewell and all.
            Some(State::Departing { .. } | State::Asking(_)) => self.resumed.push(at),
        }
        self.note_closing(at, code, now);
        if let (Some(CloseCode::SlowConsumer), Some((room_key, player))) = (code, self.seat_of(at)) {
            self.note_news(room_key, now, |_| RoomNews::SlowReader { player });
        }
        self.vacate(at, self.keeps_seat(code), now);
        let gives_up_at_ms = now.mono_ms.saturating_add(self.world.settings.close_timeout_ms);
        let connection = self.post.connections.get_mut(at).expect("looked up above");
        if code == Some(CloseCode::SlowConsumer) {
            self.post
                .counters
                .note_abandoned(connection.outbox.untouched_by_class());
            let dropped = connection.outbox.discard_unsent(self.post.outgoing.pool());
            self.post.counters.discarded_frames.add(dropped as u64);
            self.post.counters.slow_consumers.add(1);
        }
        let version = connection.session.dialect().version;
        connection.state = State::Closing {
            gives_up_at_ms,
            peer_has_closed: false,
        };
        self.post.frames.clear();
        if let Some(code) = code {
            self.post.counters.closes[code as usize].add(1);
        }
        if let Some(why) = why {
            let message = why.to_error();
            let frame = self
                .post
                .frames
                .encode(Opcode::Text, |out| message.write_json(version, out));
            self.post.deliver_last(at, &frame, now.mono_ms);
        }
        let frame = self
            .post
            .frames
            .encode(Opcode::Close, |out| write_close_payload(code, out));
        self.post.deliver_last(at, &frame, now.mono_ms);
        self.plan_check(at);
    }

    /// Runs one event: afterwards those are closed who could not take a frame during it.
    ///
    /// Every public call that may mark a connection to be closed is one event, and none runs within another: whoever goes through a
    /// room must not find somebody closed meanwhile.
    #[inline]
    pub(super) fn event<T>(&mut self, now: Now, happen: impl FnOnce(&mut Self) -> T) -> T {
        debug_assert!(
            self.post.outgoing.has_no_pending_close(),
            "marked outside of every event, or in one around this"
        );
        let outcome = happen(self);
        self.close_pending(now);
        debug_assert!(
            self.post.outgoing.has_no_pending_close(),
            "an event leaves no close pending"
        );
        outcome
    }

    /// Ends the connections that could not take a frame during this event. Ending one tells its room mates, which may
    /// overrun another: the list grows while it is worked off, by each connection at most once.
    fn close_pending(&mut self, now: Now) {
        while let Some((at, code)) = self.post.outgoing.next_pending_close() {
            let why = (code == CloseCode::SlowConsumer)
                .then(|| Refusal::new(ErrorCode::SlowConsumer, "you did not read fast enough"));
            self.close(at, code, why, now);
        }
    }
}
