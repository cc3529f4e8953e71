//! How long a turn is stretched, so that more frames share a send and fewer wake-ups are paid.
//!
//! An idle shard serves at once. The busier it gets, the longer it lets arrivals gather before it looks again, up to a
//! bound; but only if something will have gathered, either arrivals that share a wake-up or frames that share a send: a
//! window that gathers nothing is a wake-up more, not less. A shard that is busy all the time never sleeps: its turns are
//! longer than any window.

use std::time::Duration;

/// The share of time spent working at which the window is fully open.
const FULL_AT_PERCENT: u32 = 20;

/// Arrivals per window below which sharing wake-ups does not pay: at 10 rooms × 4 × 30 Hz, 1.2 in a
/// millisecond, it cost a fifth more CPU (`docs/adr/007-stretched-turns.md`).
const PAYS_AT_ARRIVALS: f64 = 1.5;

/// Sends saved per window from which on stretching pays however little arrives: one message in a large room is
/// little to wake up for and much to send. With 2 a room of 25 at 20 Hz cost a sixth more CPU, in windows that opened and shut
/// again; a room of 50 costs a fifth less (`docs/adr/007-stretched-turns.md`).
const PAYS_AT_SAVED_SENDS: f64 = 8.0;

/// A turn that takes longer holds up everybody on the shard for longer than a frame of a fast game may wait.
const SLOW_TURN: Duration = Duration::from_millis(5);

/// Windows shorter than this are not worth a timer.
const SHORTEST: Duration = Duration::from_micros(50);

/// Decides how long turns are.
#[derive(Debug)]
pub(super) struct Pace {
    longest: Duration,
    window: Duration,
    turn_began: Duration,
    /// Work since the beginning.
    busy: Duration,
    slow_turns: u64,
    /// Frames queued for receivers until the last look.
    deliveries: u64,
    looked: Duration,
    recent: Recent,
}

/// What happened of late. What is older counts less, by a quarter with each look: a decision by one tick of 10 ms, in which
/// 10 messages are expected, would swing with their number.
#[derive(Debug, Default)]
struct Recent {
    span: Duration,
    worked: Duration,
    arrivals: f64,
    deliveries: f64,
}

impl Recent {
    fn fade(&mut self) {
        self.span = self.span * 3 / 4;
        self.worked = self.worked * 3 / 4;
        self.arrivals *= 0.75;
        self.deliveries *= 0.75;
    }

    /// How many windows there were room for.
    fn windows_of(&self, window: Duration) -> f64 {
        self.span.as_secs_f64() / window.as_secs_f64()
    }

    fn shares_wakes(&self, window: Duration) -> bool {
        self.arrivals >= PAYS_AT_ARRIVALS * self.windows_of(window)
    }

    /// Whether enough frames for one receiver meet in a window. If each of `n` receivers gets `d / n` frames at random
    /// moments, about half of `d² / n` meet another one; if some get more than others, more.
    fn shares_sends(&self, window: Duration, receivers: usize) -> bool {
        let gathered = self.deliveries / self.windows_of(window);
        gathered * gathered / 2.0 >= PAYS_AT_SAVED_SENDS * receivers.max(1) as f64
    }
}

/// What a shard has to do with, for working its window out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Frames queued for receivers since the beginning.
    pub(super) deliveries: u64,
    /// Connections that may be receivers.
    pub(super) connections: usize,
}

impl Pace {
    /// A pace whose turns are stretched to at most `longest`; zero: never.
    pub(super) fn new(longest: Duration, now: Duration) -> Self {
        Self {
            longest,
            window: Duration::ZERO,
            turn_began: now,
            busy: Duration::ZERO,
            slow_turns: 0,
            deliveries: 0,
            looked: now,
            recent: Recent::default(),
        }
    }

    /// A turn begins, with so many things to serve.
    pub(super) fn begin_turn(&mut self, arrivals: usize, now: Duration) {
        self.recent.arrivals += arrivals as f64;
        self.turn_began = now;
    }

    /// A turn ends. Returns for how long to let arrivals gather before the next one.
    pub(super) fn end_turn(&mut self, now: Duration) -> Option<Duration> {
        let took = now.saturating_sub(self.turn_began);
        self.recent.worked += took;
        self.busy += took;
        self.slow_turns += u64::from(took > SLOW_TURN);
        // A whole window behind a short turn; behind a long one less, for what came during it has gathered already.
        let gather = self.window.min((self.window * 2).saturating_sub(took * 2));
        (gather >= SHORTEST).then_some(gather)
    }

    /// Time spent in turns.
    pub(super) const fn busy(&self) -> Duration {
        self.busy
    }

    /// Turns that took more than 5 ms.
    pub(super) const fn slow_turns(&self) -> u64 {
        self.slow_turns
    }

    /// Works the window out anew from what the shard has had to do of late.
    pub(super) fn adapt(&mut self, load: Load, now: Duration) {
        let elapsed = now.saturating_sub(self.looked);
        if elapsed.is_zero() {
            return;
        }
        let recent = &mut self.recent;
        recent.span += elapsed;
        recent.deliveries += load.deliveries.saturating_sub(self.deliveries) as f64;
        let percent = (recent.worked.as_nanos() * 100 / recent.span.as_nanos()).min(100) as u32;
        let wanted = self.longest * percent.min(FULL_AT_PERCENT) / FULL_AT_PERCENT;
        let pays = !wanted.is_zero() && (recent.shares_wakes(wanted) || recent.shares_sends(wanted, load.connections));
        let wanted = if pays { wanted } else { Duration::ZERO };
        // Half-way each time: stretching makes the shard less busy, and a window that followed at once would swing.
        self.window = (self.window + wanted) / 2;
        recent.fade();
        self.deliveries = load.deliveries;
        self.looked = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing is relayed.
    const QUIET: Load = Load {
        deliveries: 0,
        connections: 100,
    };

    const LONGEST: Duration = Duration::from_millis(1);
    const TICK: Duration = Duration::from_millis(10);

    /// Ticks of so many microseconds of work and so many arrivals each; what the next turn of 10 µs then gathers.
    fn gathered_after(work_us: u64, arrivals: usize, longest: Duration) -> Option<Duration> {
        let mut now = Duration::ZERO;
        let mut pace = Pace::new(longest, now);
        for _ in 0..40 {
            pace.begin_turn(arrivals, now);
            pace.end_turn(now + Duration::from_micros(work_us));
            now += TICK;
            pace.adapt(QUIET, now);
        }
        pace.begin_turn(arrivals, now);
        pace.end_turn(now + Duration::from_micros(10))
    }

    #[test]
    fn an_idle_shard_serves_at_once_and_a_busy_one_gathers() {
        assert_eq!(gathered_after(20, 200, LONGEST), None, "0.2 % busy");
        let some = gathered_after(1_000, 200, LONGEST).expect("10 % busy");
        let most = gathered_after(5_000, 200, LONGEST).expect("50 % busy");
        assert!(some < most && most <= LONGEST, "{some:?} {most:?}");
    }

    #[test]
    fn a_shard_that_works_all_the_time_never_sleeps() {
        let mut now = Duration::ZERO;
        let mut pace = Pace::new(LONGEST, now);
        for _ in 0..10 {
            pace.begin_turn(100, now);
            now += LONGEST;
            assert_eq!(pace.end_turn(now), None);
            pace.adapt(QUIET, now);
        }
    }

    #[test]
    fn a_window_in_which_nothing_gathers_is_not_opened() {
        assert_eq!(gathered_after(5_000, 10, LONGEST), None, "one arrival in a millisecond");
        assert!(
            gathered_after(5_000, 20, LONGEST).is_some(),
            "two arrivals in a millisecond"
        );
    }

    #[test]
    fn time_in_turns_adds_up_and_the_long_ones_are_counted() {
        let mut now = Duration::ZERO;
        let mut pace = Pace::new(LONGEST, now);
        for turn in [5, 6, 1] {
            pace.begin_turn(1, now);
            now += Duration::from_millis(turn);
            pace.end_turn(now);
            now += TICK;
            pace.adapt(QUIET, now);
        }
        assert_eq!((pace.busy(), pace.slow_turns()), (Duration::from_millis(12), 1));
    }

    /// What is gathered after ticks of 5 ms of work, with one arrival a millisecond, and so many frames for so many receivers.
    fn gathered_in_rooms(deliveries_per_tick: u64, connections: usize) -> Option<Duration> {
        let mut now = Duration::ZERO;
        let mut pace = Pace::new(LONGEST, now);
        let mut deliveries = 0;
        for _ in 0..40 {
            pace.begin_turn(10, now);
            pace.end_turn(now + Duration::from_millis(5));
            now += TICK;
            deliveries += deliveries_per_tick;
            pace.adapt(
                Load {
                    deliveries,
                    connections,
                },
                now,
            );
        }
        pace.begin_turn(1, now);
        pace.end_turn(now + Duration::from_micros(10))
    }

    #[test]
    fn few_messages_in_a_large_room_are_worth_a_window_and_in_small_rooms_they_are_not() {
        assert!(gathered_in_rooms(490, 50).is_some(), "one room of fifty");
        assert_eq!(gathered_in_rooms(30, 40), None, "ten rooms of four");
        assert_eq!(gathered_in_rooms(0, 0), None, "nobody is there");
    }

    #[test]
    fn a_window_of_zero_switches_it_off() {
        assert_eq!(gathered_after(9_000, 200, Duration::ZERO), None);
    }
}
