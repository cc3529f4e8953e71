//! When a connection is looked at next, and what is due then.
//!
//! Promises one look per connection, at the earliest of its deadlines. Must never do what is due: `events` does.

use super::Shard;
use crate::protocol::{CloseCode, ErrorCode, ProtocolVersion, Refusal};
use crate::room::ConnectionKey;
use crate::session::Stage;
use crate::shard::state::connection::State;
use crate::shard::state::traveller::Unfinished;
use crate::shard::world::now::Now;

/// What is overdue.
pub(super) enum Due {
    /// The game's backend has not answered.
    Unanswered,
    /// The peer never finished the closing handshake.
    GiveUp,
    /// The process stops, and it is this connection's turn.
    Dismiss,
    /// The connection must be closed, for this reason.
    Close(CloseCode, Option<Refusal>),
    /// The peer has been silent: ask whether it is there.
    Probe,
    /// It is time to tell the peer what it was sent.
    Stats,
}

impl Due {
    /// Whether it is held against the peer that it said nothing.
    pub(super) const fn blames_silence(&self) -> bool {
        match self {
            Self::Close(code, _) => !matches!(code, CloseCode::SlowConsumer),
            Self::Probe => true,
            Self::Unanswered | Self::GiveUp | Self::Dismiss | Self::Stats => false,
        }
    }
}

/// When what is due, in milliseconds of the monotonic clock.
#[derive(Default)]
struct Timers {
    answer_ms: Option<u64>,
    give_up_ms: Option<u64>,
    leave_ms: Option<u64>,
    handshake_ms: Option<u64>,
    slow_ms: Option<u64>,
    idle_ms: Option<u64>,
    activity_ms: Option<u64>,
    pong_ms: Option<u64>,
    probe_ms: Option<u64>,
    stats_ms: Option<u64>,
    unfinished_ms: Option<u64>,
    ask_ms: Option<u64>,
}

impl Timers {
    fn first_ms(&self) -> Option<u64> {
        [
            self.answer_ms,
            self.give_up_ms,
            self.leave_ms,
            self.handshake_ms,
            self.slow_ms,
            self.idle_ms,
            self.activity_ms,
            self.pong_ms,
            self.probe_ms,
            self.stats_ms,
            self.unfinished_ms,
            self.ask_ms,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

impl<L> Shard<L> {
    /// What is overdue on a connection.
    pub(super) fn due(&self, at: ConnectionKey, now: Now) -> Option<Due> {
        let moments = self.moments(at)?;
        let over = |moment: Option<u64>| moment.is_some_and(|moment| moment <= now.mono_ms);
        let close = |code, error_code, text: &'static str| Some(Due::Close(code, Some(Refusal::new(error_code, text))));
        if over(moments.give_up_ms) {
            Some(Due::GiveUp)
        } else if over(moments.leave_ms) {
            Some(Due::Dismiss)
        } else if over(moments.answer_ms) {
            Some(Due::Unanswered)
        } else if over(moments.handshake_ms) {
            close(
                CloseCode::AuthTimeout,
                ErrorCode::AuthenticationTimeout,
                "send Authenticate sooner after connecting",
            )
        } else if over(moments.slow_ms) {
            close(
                CloseCode::SlowConsumer,
                ErrorCode::SlowConsumer,
                "you did not read for too long",
            )
        } else if over(moments.unfinished_ms) {
            close(
                CloseCode::IdleTimeout,
                ErrorCode::ConnectionIdleTimeout,
                "your message took too long to arrive",
            )
        } else if over(moments.idle_ms) {
            close(
                CloseCode::IdleTimeout,
                ErrorCode::ConnectionIdleTimeout,
                "nothing was heard from you for too long",
            )
        } else if over(moments.activity_ms) {
            close(
                CloseCode::ActivityTimeout,
                ErrorCode::ActivityTimeout,
                "you showed no activity for too long",
            )
        } else if over(moments.pong_ms) {
            // By the protocol's rule nothing is said: nobody is there to read it.
            Some(Due::Close(CloseCode::ActivityTimeout, None))
        } else if over(moments.probe_ms) {
            Some(Due::Probe)
        } else if over(moments.stats_ms) {
            Some(Due::Stats)
        } else {
            None
        }
    }

    /// When what is due on a connection.
    fn moments(&self, at: ConnectionKey) -> Option<Timers> {
        let connection = self.post.connections.get(at)?;
        let settings = &self.world.settings;
        if let State::Closing { gives_up_at_ms, .. } = connection.state {
            return Some(Timers {
                give_up_ms: Some(gives_up_at_ms),
                ..Timers::default()
            });
        }
        let awaits_handshake = self.access.requires_handshake() && connection.session.stage() != Stage::Authenticated;
        let heard_ms = connection.last_inbound_ms;
        let liveness = &settings.liveness;
        let slow_ms = connection.uptake.stalled_since_ms().map(|since| {
            let oldest_ms = connection
                .outbox
                .oldest_queued_at_ms(connection.session.dialect().version >= ProtocolVersion::V3)
                // Much may wait for long for somebody who reads: senders are paced for it.
                .filter(|_| !connection.uptake.keeps_reading());
            let aged = oldest_ms.map_or(u64::MAX, |at| at.saturating_add(settings.outbox.max_age_ms));
            aged.min(since.saturating_add(settings.outbox.stall_timeout_ms))
        });
        if let Some(wait) = connection.access_wait() {
            // It is not read meanwhile, so nothing is held against its silence.
            return Some(Timers {
                answer_ms: Some(wait.gives_up_at_ms),
                leave_ms: connection.leaves_at_ms,
                slow_ms,
                stats_ms: connection.next_stats_ms,
                ask_ms: connection.uptake.next_ask_ms(),
                ..Timers::default()
            });
        }
        Some(Timers {
            answer_ms: None,
            give_up_ms: None,
            leave_ms: connection.leaves_at_ms,
            handshake_ms: awaits_handshake.then_some(
                connection
                    .session
                    .opened_at_ms()
                    .saturating_add(settings.handshake.timeout_ms),
            ),
            slow_ms,
            idle_ms: liveness
                .idle_timeout_ms
                .filter(|_| !awaits_handshake)
                .map(|timeout| heard_ms.saturating_add(timeout)),
            // Whether a message counts as activity shows when it is complete.
            activity_ms: liveness.activity_timeout_ms.map(|timeout| {
                let arriving_until_ms = connection.unfinished.map_or(0, Unfinished::deadline_ms);
                (connection.last_activity_ms.saturating_add(timeout)).max(arriving_until_ms)
            }),
            // While it acknowledges what it is sent, a peer may be too busy reading to answer.
            pong_ms: connection.probe.map(|probe| {
                let heard_or_taken_ms = probe.sent_at_ms.max(connection.uptake.progress_at_ms());
                heard_or_taken_ms.saturating_add(liveness.pong_timeout_ms)
            }),
            probe_ms: liveness
                .ping_interval_ms
                .filter(|_| connection.probe.is_none())
                .map(|interval| heard_ms.saturating_add(interval)),
            stats_ms: connection.next_stats_ms,
            unfinished_ms: connection.unfinished.map(Unfinished::deadline_ms),
            ask_ms: connection.uptake.next_ask_ms(),
        })
    }

    /// Makes sure that a connection is looked at when the first of its deadlines comes.
    pub(super) fn plan_check(&mut self, at: ConnectionKey) {
        let Some(next_ms) = self.moments(at).and_then(|moments| moments.first_ms()) else {
            return;
        };
        self.plan_check_at(at, next_ms);
    }

    pub(super) fn plan_check_at(&mut self, at: ConnectionKey, next_ms: u64) {
        if let Some(connection) = self.post.connections.get_mut(at)
            && next_ms < connection.next_check_ms
        {
            connection.next_check_ms = next_ms;
            self.deadlines.schedule(next_ms, at);
        }
    }
}
