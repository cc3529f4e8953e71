//! What time does to a connection: handshakes that never come, peers that fall silent, readers that stop reading.
//!
//! One look per connection at the earliest of its deadlines; see [`Deadlines`](super::deadlines::Deadlines).

use rand_chacha::rand_core::RngCore;

use super::connection::{Probe, State};
use super::{FrameMark, Now, Shard};
use crate::protocol::{CloseCode, ErrorCode, Opcode, ProtocolVersion};
use crate::room::MemberRef;
use crate::session::Stage;

/// Connections that are looked at in one tick: 12,800 a second. Most looks end with a message, which costs the 6 µs of its
/// send, so that a tick takes a millisecond at most, even if everybody came and fell silent at one moment.
const LOOKS_PER_TICK: usize = 128;

impl<L> Shard<L> {
    /// Looks at the connections whose moment has come, at so many of them; the others have their turn with the next tick.
    pub(super) fn check_deadlines(&mut self, now: Now) {
        // The drain spreads its goodbyes itself, and must not be held up.
        let looks = if self.world.is_draining() {
            usize::MAX
        } else {
            LOOKS_PER_TICK
        };
        for _ in 0..looks {
            let Some((at_ms, at)) = self.deadlines.pop_due(now.mono_ms) else {
                return;
            };
            let Some(connection) = self.post.connections.get_mut(at) else {
                continue;
            };
            if connection.next_check_ms != at_ms {
                continue; // overtaken by an earlier entry, which has planned anew
            }
            connection.next_check_ms = u64::MAX;
            match self.due(at, now) {
                Some(Due::GiveUp) => self.ended.push(at),
                Some(Due::Dismiss) => self.dismiss(at, now),
                Some(Due::Close(code, farewell)) => self.close(at, code, farewell, now),
                Some(Due::Probe) => {
                    self.probe(at, now);
                    self.plan_check(at);
                }
                Some(Due::Stats) => {
                    self.tell_stats(at, now);
                    self.plan_check(at);
                }
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
        } else if over(moments.leave_ms) {
            Some(Due::Dismiss)
        } else if over(moments.handshake_ms) {
            let farewell = (
                "send Authenticate sooner after connecting",
                ErrorCode::AuthenticationTimeout,
            );
            Some(Due::Close(CloseCode::AuthTimeout, Some(farewell)))
        } else if over(moments.slow_ms) {
            let farewell = ("you did not read for too long", ErrorCode::SlowConsumer);
            Some(Due::Close(CloseCode::SlowConsumer, Some(farewell)))
        } else if over(moments.idle_ms) {
            let farewell = (
                "nothing was heard from you for too long",
                ErrorCode::ConnectionIdleTimeout,
            );
            Some(Due::Close(CloseCode::IdleTimeout, Some(farewell)))
        } else if over(moments.activity_ms) {
            let farewell = ("you showed no activity for too long", ErrorCode::ActivityTimeout);
            Some(Due::Close(CloseCode::ActivityTimeout, Some(farewell)))
        } else if over(moments.pong_ms) {
            // By the protocol's rule there is no farewell: nobody is there to read it.
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
    fn moments(&self, at: MemberRef) -> Option<Moments> {
        let connection = self.post.connections.get(at)?;
        let settings = &self.world.settings;
        if let State::Closing { gives_up_at_ms, .. } = connection.state {
            return Some(Moments {
                give_up_ms: Some(gives_up_at_ms),
                ..Moments::default()
            });
        }
        let awaits_handshake = self.access.requires_handshake() && connection.session.stage() != Stage::Authenticated;
        let heard_ms = connection.last_inbound_ms;
        let liveness = &settings.liveness;
        let slow_ms = connection.stalled_since_ms.map(|since| {
            let aged = connection
                .outbox
                .oldest_queued_at_ms(connection.session.dialect().version >= ProtocolVersion::V3)
                .map_or(u64::MAX, |at| at + settings.outbox.max_age_ms);
            aged.min(since + settings.outbox.stall_timeout_ms)
        });
        Some(Moments {
            give_up_ms: None,
            leave_ms: connection.leaves_at_ms,
            handshake_ms: awaits_handshake.then_some(connection.session.opened_at_ms() + settings.handshake.timeout_ms),
            slow_ms,
            idle_ms: liveness
                .idle_timeout_ms
                .filter(|_| !awaits_handshake)
                .map(|timeout| heard_ms + timeout),
            activity_ms: liveness
                .activity_timeout_ms
                .map(|timeout| connection.last_activity_ms + timeout),
            // While bytes still move towards it, a peer may be too busy reading to answer.
            pong_ms: connection
                .probe
                .map(|probe| probe.sent_at_ms.max(connection.progress_at_ms) + liveness.pong_timeout_ms),
            probe_ms: liveness
                .ping_interval_ms
                .filter(|_| connection.probe.is_none())
                .map(|interval| heard_ms + interval),
            stats_ms: connection.next_stats_ms,
        })
    }

    /// Asks a silent peer whether it is there.
    fn probe(&mut self, at: MemberRef, now: Now) {
        let payload = self.random.next_u64().to_be_bytes();
        self.post.frames.clear();
        let frame = self
            .post
            .frames
            .encode(Opcode::Ping, |out| out.extend_from_slice(&payload));
        self.post
            .deliver(at, &frame, FrameMark::in_order(now.mono_ms), &self.world.settings);
        if let Some(connection) = self.post.connections.get_mut(at) {
            connection.probe = Some(Probe {
                sent_at_ms: now.mono_ms,
            });
        }
    }

    /// Tells a connection on version 3 what it was sent, and plans the next time.
    fn tell_stats(&mut self, at: MemberRef, now: Now) {
        let interval_ms = self.world.settings.delivery.stats_interval_ms;
        if let Some(connection) = self.post.connections.get_mut(at) {
            connection.next_stats_ms = interval_ms.map(|interval_ms| now.mono_ms + interval_ms);
        }
        if let Some(interval_ms) = interval_ms {
            self.post.report_stats(at, interval_ms, now.mono_ms);
        }
    }

    /// Makes sure that a connection is looked at when the first of its deadlines comes.
    pub(super) fn plan_check(&mut self, at: MemberRef) {
        let Some(next_ms) = self.moments(at).and_then(|moments| moments.first_ms()) else {
            return;
        };
        let connection = self
            .post
            .connections
            .get_mut(at)
            .expect("it has moments, so it is there");
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
    /// The process stops, and it is this connection's turn.
    Dismiss,
    /// The connection must be closed, for this reason.
    Close(CloseCode, Option<(&'static str, ErrorCode)>),
    /// The peer has been silent: ask whether it is there.
    Probe,
    /// It is time to tell the peer what it was sent.
    Stats,
}

/// When what is due, in milliseconds of the monotonic clock.
#[derive(Default)]
struct Moments {
    give_up_ms: Option<u64>,
    leave_ms: Option<u64>,
    handshake_ms: Option<u64>,
    slow_ms: Option<u64>,
    idle_ms: Option<u64>,
    activity_ms: Option<u64>,
    pong_ms: Option<u64>,
    probe_ms: Option<u64>,
    stats_ms: Option<u64>,
}

impl Moments {
    fn first_ms(&self) -> Option<u64> {
        [
            self.give_up_ms,
            self.leave_ms,
            self.handshake_ms,
            self.slow_ms,
            self.idle_ms,
            self.activity_ms,
            self.pong_ms,
            self.probe_ms,
            self.stats_ms,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
