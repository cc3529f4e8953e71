//! How a peer takes what it is sent: whether its socket is full, how much it has acknowledged, and how fast.
//!
//! Progress is what the peer acknowledged, not what the kernel took: a dead path takes bytes until the kernel's buffer is
//! full. The caller asks the kernel, seldom, and only for sockets that are full or whose peer was asked whether it is there.

use crate::clock::{ClockChange, Moments};

/// How long acknowledgements are counted before a reader is judged by them, in milliseconds.
const WINDOW_MS: u64 = 1_000;

/// How often a full socket is asked about, in milliseconds.
const ASK_INTERVAL_MS: u64 = 250;

/// One peer's uptake. What only matters of a peer that is behind lies apart, so that connections stay small.
#[derive(Debug, Clone, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(in crate::shard) struct Uptake {
    /// Bytes that the socket took since the connection was opened.
    sent_bytes: u64,
    /// How many of them the peer had acknowledged when the kernel was last asked.
    acknowledged_bytes: u64,
    /// When that count was last seen to rise while more was on its way.
    progress_at_ms: u64,
    /// What there is to say of a socket that is full.
    stall: Option<Box<Stall>>,
}

/// A socket that was offered bytes and did not take them all.
#[derive(Debug, Clone, Copy, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Stall {
    /// Since when it takes nothing; the flush then waits for it to become writable.
    since_ms: u64,
    /// When the kernel was last asked.
    asked_at_ms: u64,
    /// Where the current window began, and at which count.
    window_since_ms: u64,
    window_acknowledged_bytes: u64,
    /// What the last window showed.
    verdict: Verdict,
}

/// How fast a reader that is behind takes what it is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
enum Verdict {
    /// No window is over yet.
    #[default]
    Unknown,
    /// At the free rate or faster.
    Reads,
    /// More slowly.
    Slow,
}

impl Uptake {
    /// That of a connection that begins now.
    pub(in crate::shard) fn new(now_ms: u64) -> Self {
        Self {
            progress_at_ms: now_ms,
            ..Self::default()
        }
    }

    /// Notes that the socket took bytes.
    pub(in crate::shard) const fn note_sent(&mut self, bytes: usize) {
        self.sent_bytes += bytes as u64;
    }

    /// Notes that the socket is full. What it took before it was is a new beginning.
    pub(in crate::shard) fn note_full(&mut self, took_some: bool, now_ms: u64) {
        let acknowledged_bytes = self.acknowledged_bytes;
        let stall = self.stall.get_or_insert_with(|| {
            Box::new(Stall {
                since_ms: now_ms,
                asked_at_ms: now_ms,
                window_since_ms: now_ms,
                window_acknowledged_bytes: acknowledged_bytes,
                verdict: Verdict::Unknown,
            })
        });
        if took_some {
            stall.since_ms = now_ms;
        }
    }

    /// Notes that the socket took everything; says whether it had been full.
    pub(in crate::shard) fn note_drained(&mut self) -> bool {
        self.stall.take().is_some()
    }

    /// Bytes that the socket took since the connection was opened.
    pub(in crate::shard) const fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Since when the socket takes nothing.
    pub(in crate::shard) fn stalled_since_ms(&self) -> Option<u64> {
        self.stall.as_ref().map(|stall| stall.since_ms)
    }

    /// Whether the socket was offered bytes that it did not take.
    pub(in crate::shard) const fn is_behind(&self) -> bool {
        self.stall.is_some()
    }

    /// Whether it is behind and was seen to take less than the free rate.
    pub(in crate::shard) fn is_slow(&self) -> bool {
        self.shows(Verdict::Slow)
    }

    /// Whether it is behind and was seen to take the free rate at least.
    pub(in crate::shard) fn keeps_reading(&self) -> bool {
        self.shows(Verdict::Reads)
    }

    fn shows(&self, verdict: Verdict) -> bool {
        self.stall.as_ref().is_some_and(|stall| stall.verdict == verdict)
    }

    /// When the peer was last seen to acknowledge something while more was on its way to it.
    pub(in crate::shard) const fn progress_at_ms(&self) -> u64 {
        self.progress_at_ms
    }

    /// When to ask the kernel again how much is not acknowledged; `None`: no need.
    pub(in crate::shard) fn next_ask_ms(&self) -> Option<u64> {
        let stall = self.stall.as_ref()?;
        Some(stall.asked_at_ms.saturating_add(ASK_INTERVAL_MS))
    }

    /// Notes how many of the bytes sent the peer has not acknowledged, if the kernel says so. A reader that is behind and takes
    /// less than `free_rate_bytes` a second is slow from then on, until it is seen to be faster.
    pub(in crate::shard) fn note_asked(
        &mut self,
        unacknowledged_bytes: Option<u64>,
        free_rate_bytes: u64,
        now_ms: u64,
    ) {
        if let Some(stall) = &mut self.stall {
            stall.asked_at_ms = now_ms;
        }
        let Some(unacknowledged_bytes) = unacknowledged_bytes else {
            return;
        };
        let acknowledged_bytes = self.sent_bytes.saturating_sub(unacknowledged_bytes);
        if acknowledged_bytes > self.acknowledged_bytes {
            self.acknowledged_bytes = acknowledged_bytes;
            // Somebody who has been sent everything is not busy taking it.
            if unacknowledged_bytes > 0 {
                self.progress_at_ms = now_ms;
            }
        }
        let Some(stall) = &mut self.stall else { return };
        let span_ms = now_ms.saturating_sub(stall.window_since_ms);
        if span_ms >= WINDOW_MS {
            let taken = self.acknowledged_bytes.saturating_sub(stall.window_acknowledged_bytes);
            let reads = u128::from(taken) * 1_000 >= u128::from(free_rate_bytes) * u128::from(span_ms);
            stall.verdict = if reads { Verdict::Reads } else { Verdict::Slow };
            stall.window_since_ms = now_ms;
            stall.window_acknowledged_bytes = self.acknowledged_bytes;
        }
    }
}

impl Moments for Uptake {
    fn change_clock(&mut self, change: ClockChange) {
        let Self {
            sent_bytes: _,
            acknowledged_bytes: _,
            progress_at_ms,
            stall,
        } = self;
        change.apply(progress_at_ms);
        if let Some(stall) = stall {
            let Stall {
                since_ms,
                asked_at_ms,
                window_since_ms,
                window_acknowledged_bytes: _,
                verdict: _,
            } = &mut **stall;
            [since_ms, asked_at_ms, window_since_ms]
                .into_iter()
                .for_each(|moment_ms| change.apply(moment_ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: u64 = 100_000;

    #[test]
    fn a_reader_is_slow_that_acknowledges_less_than_the_free_rate_over_a_second() {
        let mut uptake = Uptake::new(0);
        uptake.note_sent(500_000);
        uptake.note_full(true, 0);
        uptake.note_asked(Some(450_000), FREE, 500);
        assert!(
            !uptake.is_slow() && !uptake.keeps_reading(),
            "half a second says nothing yet"
        );
        uptake.note_asked(Some(400_001), FREE, 1_000);
        assert!(uptake.is_slow(), "99,999 bytes in a second");
        uptake.note_asked(Some(300_001), FREE, 2_000);
        assert!(uptake.keeps_reading(), "100,000 in the next");
        uptake.note_asked(Some(300_001), FREE, 3_000);
        assert!(uptake.is_slow());
        uptake.note_drained();
        assert!(!uptake.is_slow() && !uptake.is_behind());
    }

    #[test]
    fn what_the_kernel_takes_is_no_progress_and_what_the_peer_acknowledges_is() {
        let mut uptake = Uptake::new(7);
        uptake.note_sent(1_000);
        uptake.note_asked(Some(1_000), FREE, 100);
        assert_eq!(uptake.progress_at_ms(), 7);
        uptake.note_asked(Some(900), FREE, 200);
        uptake.note_sent(1_000);
        uptake.note_asked(Some(1_900), FREE, 300);
        assert_eq!(uptake.progress_at_ms(), 200);
    }

    #[test]
    fn only_a_full_socket_is_asked_about_and_not_often() {
        let mut uptake = Uptake::new(0);
        uptake.note_sent(10);
        assert_eq!(uptake.next_ask_ms(), None);
        uptake.note_full(true, 50);
        assert_eq!(uptake.next_ask_ms(), Some(50 + ASK_INTERVAL_MS));
        uptake.note_asked(None, FREE, 900);
        assert_eq!(uptake.next_ask_ms(), Some(900 + ASK_INTERVAL_MS));
    }
}
