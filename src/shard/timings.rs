//! How long things take on a shard, as histograms of its own.
//!
//! Recorded from the turn's clock, once for each turn and, of those who do not read at once, once for each send, with the
//! number of messages as the weight. Nobody else writes them; whoever wants to know asks for a copy. Each holds two
//! significant digits from a microsecond to a minute: 20 KiB.

use hdrhistogram::Histogram;

/// The longest span that is told from longer ones, in microseconds.
const LONGEST_US: u64 = 60_000_000;

/// Significant decimal digits of a span.
const DIGITS: u8 = 2;

/// A histogram of spans, in microseconds.
#[derive(Debug, Clone)]
pub struct Timing {
    spans: Histogram<u64>,
    sum_us: u64,
    /// Spans that were longer than can be told.
    clamped: u64,
}

impl Default for Timing {
    fn default() -> Self {
        let spans = Histogram::new_with_bounds(1, LONGEST_US, DIGITS).expect("the bounds are in order");
        Self {
            spans,
            sum_us: 0,
            clamped: 0,
        }
    }
}

impl Timing {
    /// Notes that so many things took so long.
    #[inline]
    pub fn record(&mut self, span_us: u64, weight: u64) {
        if span_us > LONGEST_US {
            self.clamped += weight;
        }
        self.sum_us = self.sum_us.saturating_add(span_us.saturating_mul(weight));
        self.spans.saturating_record_n(span_us, weight);
    }

    /// Adds what another shard has noted.
    pub fn add(&mut self, other: &Self) {
        self.spans.add(&other.spans).expect("both have the same bounds");
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.clamped += other.clamped;
    }

    /// What was noted, in microseconds.
    #[must_use]
    pub const fn spans(&self) -> &Histogram<u64> {
        &self.spans
    }

    /// How long all of them took together, in microseconds.
    #[must_use]
    pub const fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// How many were longer than can be told.
    #[must_use]
    pub const fn clamped(&self) -> u64 {
        self.clamped
    }
}

/// Everything of which a shard notes how long it takes.
#[derive(Debug, Clone, Default)]
pub struct Timings {
    /// From the begin of the turn that reads a message to the end of its sends, a wait for further messages before it
    /// included.
    pub relay: Timing,
    /// From the moment at which a frame is queued to that at which the socket has taken all of it.
    pub sojourn: Timing,
    /// From the moment at which a request to join is read to the end of the turn that answers it.
    pub join: Timing,
    /// From a ping of the server to its pong.
    pub ping: Timing,
    /// Turns.
    pub turn: Timing,
    /// Frames that left in the current turn, and had been queued in its millisecond.
    fresh_frames: u64,
    /// Requests to join that were granted in the current turn: when they had come.
    joins_asked_us: Vec<u64>,
    /// Messages relayed before the current turn.
    messages_before: u64,
}

impl Timings {
    /// Adds what another shard has noted.
    pub fn add(&mut self, other: &Self) {
        let Self {
            relay,
            sojourn,
            join,
            ping,
            turn,
            fresh_frames: _,
            joins_asked_us: _,
            messages_before: _,
        } = self;
        relay.add(&other.relay);
        sojourn.add(&other.sojourn);
        join.add(&other.join);
        ping.add(&other.ping);
        turn.add(&other.turn);
    }

    /// How many spans were longer than can be told.
    #[must_use]
    pub const fn clamped(&self) -> u64 {
        self.relay.clamped + self.sojourn.clamped + self.join.clamped + self.ping.clamped + self.turn.clamped
    }

    /// Notes that frames have left which had waited for so long.
    #[inline]
    pub(in crate::shard) fn note_departed(&mut self, waited_ms: u64, frames: u32) {
        if waited_ms == 0 {
            self.fresh_frames += u64::from(frames);
        } else {
            self.sojourn.record(waited_ms * 1_000, u64::from(frames));
        }
    }

    /// Notes that a request to join that came then was granted.
    pub(in crate::shard) fn note_join(&mut self, asked_us: u64) {
        self.joins_asked_us.push(asked_us);
    }

    /// Notes that a turn has ended now, which took so long, so much longer if it had waited for arrivals to gather; so many
    /// messages were relayed until now.
    pub(in crate::shard) fn end_turn(&mut self, took_us: u64, gathered_us: u64, messages: u64, now_us: u64) {
        self.turn.record(took_us, 1);
        let relayed = messages - self.messages_before;
        if relayed > 0 {
            self.messages_before = messages;
            self.relay.record(took_us + gathered_us, relayed);
        }
        if self.fresh_frames > 0 {
            self.sojourn.record(took_us, std::mem::take(&mut self.fresh_frames));
        }
        for asked_us in self.joins_asked_us.drain(..) {
            self.join.record(now_us.saturating_sub(asked_us), 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_has_the_size_that_is_said() {
        let timing = Timing::default();
        assert_eq!(timing.spans.distinct_values() * size_of::<u64>(), 20 * 1_024);
    }

    #[test]
    fn a_span_beyond_the_range_is_counted_as_the_longest_and_said() {
        let mut timing = Timing::default();
        timing.record(LONGEST_US, 1);
        assert_eq!(timing.clamped(), 0);
        timing.record(LONGEST_US * 10, 3);
        assert_eq!((timing.clamped(), timing.spans().len()), (3, 4));
    }

    #[test]
    fn a_turn_weighs_as_much_as_it_relays() {
        let mut timings = Timings::default();
        timings.end_turn(10, 0, 0, 10);
        assert_eq!((timings.turn.spans().len(), timings.relay.spans().len()), (1, 0));
        timings.note_departed(0, 12);
        timings.note_departed(40, 2);
        timings.note_join(500);
        timings.end_turn(100, 50, 4, 1_500);
        assert_eq!((timings.relay.spans().len(), timings.relay.spans().max()), (4, 150));
        assert_eq!(
            (timings.sojourn.spans().len(), timings.sojourn.spans().min()),
            (14, 100)
        );
        assert!(
            timings
                .sojourn
                .spans()
                .equivalent(timings.sojourn.spans().max(), 40_000)
        );
        assert!(timings.join.spans().equivalent(timings.join.spans().max(), 1_000));
        timings.end_turn(10, 0, 4, 1_600);
        assert_eq!((timings.relay.spans().len(), timings.sojourn.spans().len()), (4, 14));
    }
}
