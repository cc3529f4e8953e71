//! What time does to a connection: handshakes that never come, peers that fall silent, readers that stop reading.
//!
//! One look per connection at the earliest of its deadlines; see [`Deadlines`](super::deadlines::Deadlines). Nobody is
//! judged by its silence while bytes of it wait for us, nor by what its socket took: what the peer acknowledged is progress.

use rand_chacha::rand_core::RngCore;

use crate::protocol::{CloseCode, Opcode, Refusal};
use crate::room::ConnectionKey;
use crate::shard::Shard;
use crate::shard::outbox::FrameMark;
use crate::shard::state::traveller::{Ping, Probe};
use crate::shard::timers::Due;
use crate::shard::world::now::Now;

/// Connections that are looked at in one tick: 12,800 a second. Most looks end with a message, which costs the 6 µs of its
/// send, so that a tick takes a millisecond at most, even if everybody came and fell silent at one moment.
const LOOKS_PER_TICK: usize = 128;

/// Silence, in milliseconds, after which the kernel is asked whether the peer at least acknowledges what it is sent.
const ASKED_ABOUT_AFTER_MS: u64 = 1_000;

/// How long whoever waits for us is left alone before the next look, in milliseconds.
const WAITING_FOR_US_MS: u64 = 100;

/// What the owner of the links knows of one when its connection is judged.
pub trait LinkFacts<L> {
    /// Whether bytes of it arrived and were not served yet.
    fn has_unserved(&self, link: &L) -> bool;

    /// Bytes that were sent over it and that the peer has not acknowledged. `None`: nobody knows.
    fn unacknowledged_bytes(&self, link: &L) -> Option<u64>;
}

/// Links that have nothing to tell.
impl<L> LinkFacts<L> for () {
    fn has_unserved(&self, _: &L) -> bool {
        false
    }

    fn unacknowledged_bytes(&self, _: &L) -> Option<u64> {
        None
    }
}

impl<L> Shard<L> {
    /// Looks at the connections whose moment has come, at so many of them; the others have their turn with the next tick.
    pub(in crate::shard) fn check_deadlines(&mut self, links: &impl LinkFacts<L>, now: Now) {
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
            let silent_ms = now.mono_ms.saturating_sub(connection.last_inbound_ms);
            if connection.uptake.is_behind() || silent_ms >= ASKED_ABOUT_AFTER_MS {
                let bytes = links.unacknowledged_bytes(&connection.link);
                let free_rate_bytes = self.world.settings.pacing.free_rate_bytes;
                connection.uptake.note_asked(bytes, free_rate_bytes, now.mono_ms);
            }
            let due = self.due(at, now);
            if due.as_ref().is_some_and(Due::blames_silence) && self.waits_for_us(at, links) {
                self.plan_check_at(at, now.mono_ms + WAITING_FOR_US_MS);
                continue;
            }
            match due {
                Some(Due::Unanswered) => self.give_up_on_backend(at, now),
                Some(Due::GiveUp) => self.ended.push(at),
                Some(Due::Dismiss) => self.dismiss(at, now),
                Some(Due::Close(code, why)) => {
                    self.note_timeout(at, code, why.as_ref());
                    self.close(at, code, why, now);
                }
                Some(Due::Probe) => {
                    self.probe(at, now);
                    self.plan_check(at);
                }
                Some(Due::Stats) => {
                    self.tell_stats(at, now);
                    self.plan_check(at);
                }
                None => {
                    if self.is_probed_later(at, now) {
                        self.post.counters.pings_skipped.add(1);
                    }
                    self.plan_check(at);
                }
            }
        }
    }

    /// Whether what a peer has said, or would say, was not listened to yet.
    fn waits_for_us(&self, at: ConnectionKey, links: &impl LinkFacts<L>) -> bool {
        self.post
            .connections
            .get(at)
            .is_some_and(|connection| connection.paced_since_ms.is_some() || links.has_unserved(&connection.link))
    }

    /// Counts a connection that is closed by a deadline.
    fn note_timeout(&self, at: ConnectionKey, code: CloseCode, why: Option<&Refusal>) {
        let counters = &self.post.counters;
        if code == CloseCode::ActivityTimeout && why.is_none() {
            counters.ping_timeouts.add(1); // nobody is there to read why
        }
        if self
            .post
            .connections
            .get(at)
            .is_some_and(|connection| !connection.has_spoken)
        {
            counters.zero_frame_timeouts.add(1);
        }
    }

    /// Whether a connection would be asked if it had not been heard of since its last look was planned.
    fn is_probed_later(&self, at: ConnectionKey, now: Now) -> bool {
        let interval_ms = self.world.settings.liveness.ping_interval_ms;
        let connection = self.post.connections.get(at);
        connection.is_some_and(|connection| {
            interval_ms.is_some()
                && connection.probe.is_none()
                && connection.is_open()
                && connection.last_inbound_ms < now.mono_ms
        })
    }

    /// Asks a silent peer whether it is there.
    fn probe(&mut self, at: ConnectionKey, now: Now) {
        let payload = self.random.next_u64().to_be_bytes();
        self.post.frames.clear();
        let frame = self
            .post
            .frames
            .encode(Opcode::Ping, |out| out.extend_from_slice(&payload));
        self.post
            .deliver(at, &frame, &FrameMark::in_order(now.mono_ms), &self.world.settings);
        if let Some(connection) = self.post.connections.get_mut(at) {
            connection.probe = Some(Probe {
                sent_at_ms: now.mono_ms,
            });
            connection.ping = Some(Ping {
                payload,
                sent_at_us: now.mono_us,
            });
        }
    }

    /// Tells a connection on version 3 what it was sent, and plans the next time.
    fn tell_stats(&mut self, at: ConnectionKey, now: Now) {
        let interval_ms = self.world.settings.delivery.stats_interval_ms;
        if let Some(connection) = self.post.connections.get_mut(at) {
            connection.next_stats_ms = interval_ms.map(|interval_ms| now.mono_ms.saturating_add(interval_ms));
        }
        if let Some(interval_ms) = interval_ms {
            self.post.report_stats(at, interval_ms, now.mono_ms);
        }
    }
}
