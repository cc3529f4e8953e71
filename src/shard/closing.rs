//! How connections end: by us, by the peer, by a deadline, by being too slow.

use super::connection::State;
use super::{Now, Shard};
use crate::protocol::{CloseCode, ErrorCode, Opcode, ServerMessage, write_close_payload};
use crate::room::MemberRef;
use crate::session::Stage;

impl<L> Shard<L> {
    /// Ends a connection: its room mates learn that it left, and it gets a last `Error`, if there is something to say,
    /// and a close frame. Its link is kept until the peer has answered or the time for that is over.
    pub fn close(&mut self, at: MemberRef, code: CloseCode, farewell: Option<(&str, ErrorCode)>, now: Now) {
        self.close_with(at, Some(code), farewell, now);
    }

    /// Ends a connection with a close frame that gives no code, as the protocol has it for refused admissions.
    pub fn close_without_code(&mut self, at: MemberRef, farewell: (&str, ErrorCode), now: Now) {
        self.close_with(at, None, Some(farewell), now);
    }

    fn close_with(&mut self, at: MemberRef, code: Option<CloseCode>, farewell: Option<(&str, ErrorCode)>, now: Now) {
        match self.post.connections.get(at).map(|connection| &connection.state) {
            None | Some(State::Closing { .. }) => return,
            Some(State::Open | State::Departing { .. }) => {}
        }
        self.vacate(at, now);
        let gives_up_at_ms = now.mono_ms + self.world.settings.close_timeout_ms;
        let connection = self.post.connections.get_mut(at).expect("looked up above");
        if matches!(code, Some(CloseCode::SlowConsumer | CloseCode::OutboundTooLarge)) {
            let dropped = connection.outbox.discard_unsent(&mut self.post.pool);
            self.post.counters.discarded_frames.add(dropped as u64);
        }
        if code == Some(CloseCode::SlowConsumer) {
            self.post.counters.slow_consumers.add(1);
        }
        let version = connection.session.dialect().version;
        connection.state = State::Closing {
            gives_up_at_ms,
            peer_has_closed: false,
        };
        self.post.frames.clear();
        if let Some((message, error_code)) = farewell {
            let message = ServerMessage::Error { message, error_code };
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

    /// Serves a close frame. `payload` is valid and comes back unchanged, unless the server had closed first.
    pub fn on_peer_close(&mut self, at: MemberRef, payload: &[u8], now: Now) {
        if let Some(connection) = self.post.connections.get_mut(at)
            && let State::Closing { peer_has_closed, .. } = &mut connection.state
        {
            *peer_has_closed = true;
            if connection.outbox.is_empty() {
                self.ended.push(at);
            }
            return;
        }
        self.vacate(at, now);
        let gives_up_at_ms = now.mono_ms + self.world.settings.close_timeout_ms;
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        connection.state = State::Closing {
            gives_up_at_ms,
            peer_has_closed: true,
        };
        self.post.frames.clear();
        let frame = self
            .post
            .frames
            .encode(Opcode::Close, |out| out.extend_from_slice(payload));
        self.post.deliver_last(at, &frame, now.mono_ms);
        self.plan_check(at);
        self.settle(now);
    }

    /// Ends every connection because the process stops. Nobody is told that the others leave: all of them do.
    pub fn close_all(&mut self, now: Now) {
        self.world.begin_drain();
        let everybody: Vec<_> = self.post.connections.iter().map(|(at, _)| at).collect();
        for at in everybody {
            self.close(at, CloseCode::ServerShutdown, None, now);
        }
        self.settle(now);
    }

    /// Ends the connections that could not take a frame during this event. Ending one tells its room mates, which may
    /// overrun another: the list grows while it is worked off, by each connection at most once.
    pub(super) fn settle(&mut self, now: Now) {
        while let Some((at, code)) = self.post.doomed.pop() {
            let farewell = match code {
                CloseCode::SlowConsumer => Some(("you did not read fast enough", ErrorCode::SlowConsumer)),
                _ => None,
            };
            self.close(at, code, farewell, now);
        }
    }

    /// Looks at the connections whose moment has come.
    pub(super) fn check_deadlines(&mut self, now: Now) {
        while let Some((at_ms, at)) = self.deadlines.pop_due(now.mono_ms) {
            let Some(connection) = self.post.connections.get_mut(at) else {
                continue;
            };
            if connection.next_check_ms != at_ms {
                continue; // overtaken by an earlier entry, which has planned anew
            }
            connection.next_check_ms = u64::MAX;
            match self.due(at, now) {
                Some(Due::GiveUp) => self.ended.push(at),
                Some(Due::Close(code, farewell)) => self.close(at, code, Some(farewell), now),
                None => self.plan_check(at),
            }
        }
    }

    /// What is overdue on a connection.
    fn due(&self, at: MemberRef, now: Now) -> Option<Due> {
        let moments = self.moments(at)?;
        let over = |moment: Option<u64>| moment.is_some_and(|moment| moment <= now.mono_ms);
        if over(moments.give_up_ms) {
            Some(Due::GiveUp)
        } else if over(moments.handshake_ms) {
            let farewell = (
                "send Authenticate sooner after connecting",
                ErrorCode::AuthenticationTimeout,
            );
            Some(Due::Close(CloseCode::AuthTimeout, farewell))
        } else if over(moments.slow_ms) {
            Some(Due::Close(
                CloseCode::SlowConsumer,
                ("you did not read for too long", ErrorCode::SlowConsumer),
            ))
        } else if over(moments.idle_ms) {
            let farewell = (
                "nothing was heard from you for too long",
                ErrorCode::ConnectionIdleTimeout,
            );
            Some(Due::Close(CloseCode::IdleTimeout, farewell))
        } else {
            None
        }
    }

    /// When what is due on a connection.
    fn moments(&self, at: MemberRef) -> Option<Moments> {
        let connection = self.post.connections.get(at)?;
        let settings = &self.world.settings;
        if let State::Closing { gives_up_at_ms, .. } = connection.state {
            return Some(Moments {
                give_up_ms: Some(gives_up_at_ms),
                ..Moments::default()
            });
        }
        let awaits_handshake =
            settings.handshake.apps.requires_handshake() && connection.session.stage() != Stage::Authenticated;
        let slow_ms = connection.stalled_since_ms.map(|since| {
            let aged = connection
                .outbox
                .oldest_queued_at_ms()
                .map_or(u64::MAX, |at| at + settings.outbox.max_age_ms);
            aged.min(since + settings.outbox.stall_timeout_ms)
        });
        Some(Moments {
            give_up_ms: None,
            handshake_ms: awaits_handshake.then_some(connection.session.opened_at_ms() + settings.handshake.timeout_ms),
            slow_ms,
            idle_ms: settings
                .idle_timeout_ms
                .filter(|_| !awaits_handshake)
                .map(|timeout| connection.last_inbound_ms + timeout),
        })
    }

    /// Makes sure that a connection is looked at when the first of its deadlines comes.
    pub(super) fn plan_check(&mut self, at: MemberRef) {
        let Some(moments) = self.moments(at) else { return };
        let Some(next_ms) = [
            moments.give_up_ms,
            moments.handshake_ms,
            moments.slow_ms,
            moments.idle_ms,
        ]
        .into_iter()
        .flatten()
        .min() else {
            return;
        };
        let connection = self.post.connections.get_mut(at).expect("looked up above");
        if next_ms < connection.next_check_ms {
            connection.next_check_ms = next_ms;
            self.deadlines.schedule(next_ms, at);
        }
    }
}

/// What is overdue.
enum Due {
    /// The peer never finished the closing handshake.
    GiveUp,
    /// The connection must be closed, for this reason.
    Close(CloseCode, (&'static str, ErrorCode)),
}

/// When what is due, in milliseconds of the monotonic clock.
#[derive(Default)]
struct Moments {
    give_up_ms: Option<u64>,
    handshake_ms: Option<u64>,
    slow_ms: Option<u64>,
    idle_ms: Option<u64>,
}
