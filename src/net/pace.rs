//! How long a turn is stretched, so that more frames share a send and fewer wake-ups are paid.
//!
//! Waiting costs everybody latency, so it is done only where it pays, judged by what it saves of the shard's CPU. What a turn
//! costs is known from its parts, a wake-up, reads, sends; how many of them a window saves, from how often messages come
//! and how often frames of one turn were seen to meet in one outbox. Never where frames meet anyway; else the whole window
//! where it saves a quarter (a large room, whose messages all go to the same receivers), and on a shard that is busy for more
//! than half of the time a shorter one where it saves anything worth naming (`docs/adr/007-stretched-turns.md`).

use std::time::Duration;

/// What the parts of a turn cost beside each other; how fast the machine is comes from what turns really take. At 50 rooms ×
/// 4 × 60 Hz, 64 B, a turn for each message, these are microseconds.
mod cost {
    pub(super) const WAKE: f64 = 3.0;
    pub(super) const SEND: f64 = 4.0;
    /// Reading a message, and whatever else each takes by itself.
    pub(super) const MESSAGE: f64 = 2.7;
}

/// The share of CPU that the whole window must save, and what it must seem to save before it is opened.
const PAYS_AT: f64 = 0.25;
const OPENS_AT: f64 = 1.0 / 3.0;

/// The share of CPU that the shorter window of a busy shard must save.
const PAYS_BUSY_AT: f64 = 0.03;

/// The share of time spent working from which on a shard is busy.
const BUSY_AT: f64 = 0.5;

/// Frames per send from which on they meet anyway.
const MEET_ANYWAY_AT: f64 = 2.0;

/// Messages of a turn beyond which nothing changes.
const MOST_MESSAGES: f64 = 4_096.0;

/// Frames of turns with two messages that are made up beside those that were seen: how many of them meet is taken from the
/// number of connections.
const GUESSED_FRAMES: f64 = 256.0;

/// A turn that takes longer holds up everybody on the shard for longer than a frame of a fast game may wait.
const SLOW_TURN: Duration = Duration::from_millis(5);

/// Windows shorter than this are not worth a timer.
const SHORTEST: Duration = Duration::from_micros(50);

/// The longest that turns are stretched.
#[derive(Debug, Clone, Copy)]
pub struct TurnWindows {
    /// Where it saves a quarter of the CPU; zero: never.
    pub longest: Duration,
    /// Where the shard is busy for more than half of the time.
    pub busy: Duration,
}

impl TurnWindows {
    /// Turns are never stretched.
    pub const NEVER: Self = Self {
        longest: Duration::ZERO,
        busy: Duration::ZERO,
    };
}

/// Decides how long turns are.
#[derive(Debug)]
pub(super) struct Pace {
    windows: TurnWindows,
    window: Duration,
    turn_began: Duration,
    /// Work since the beginning.
    busy: Duration,
    slow_turns: u64,
    totals: Totals,
    looked: Duration,
    since: Since,
    recent: Recent,
}

/// What happened since the last look, in whole numbers: each turn adds to it.
#[derive(Debug, Default)]
struct Since {
    worked: Duration,
    /// Turns in which something was relayed, and what.
    turns: u64,
    messages: u64,
    deliveries: u64,
    sends: u64,
    /// Of turns with several messages: frames, by how many messages, and the sends that they took.
    gathered_frames: u64,
    gathered_weight: u64,
    gathered_sends: u64,
}

impl Since {
    fn note_turn(&mut self, messages: u64, deliveries: u64, sends: u64) {
        if messages == 0 {
            return;
        }
        self.turns += 1;
        self.messages += messages;
        self.deliveries += deliveries;
        self.sends += sends;
        if messages > 1 {
            self.gathered_frames += deliveries;
            self.gathered_weight += deliveries * messages;
            self.gathered_sends += deliveries.min(sends);
        }
    }
}

/// What a shard has done since the beginning.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    /// Messages relayed.
    pub(super) messages: u64,
    /// Frames of them queued for receivers.
    pub(super) deliveries: u64,
    /// Sends to sockets.
    pub(super) sends: u64,
}

/// What happened of late. What is older counts less, by an eighth with each look: a decision by one tick of 10 ms, in which
/// 10 messages are expected, would swing with their number.
#[derive(Debug, Default)]
struct Recent {
    span_us: f64,
    worked_us: f64,
    /// Turns in which something was relayed, and what.
    turns: f64,
    messages: f64,
    deliveries: f64,
    sends: f64,
    /// Of turns with several messages: frames, by how many messages, and the sends that they took.
    gathered_frames: f64,
    gathered_weight: f64,
    gathered_sends: f64,
}

impl Recent {
    fn fade(&mut self) {
        let Self {
            span_us,
            worked_us,
            turns,
            messages,
            deliveries,
            sends,
            gathered_frames,
            gathered_weight,
            gathered_sends,
        } = self;
        for value in [span_us, worked_us, turns, messages, deliveries, sends] {
            *value *= 0.875;
        }
        // Seldom seen where turns are short, and nothing that changes from tick to tick.
        for value in [gathered_frames, gathered_weight, gathered_sends] {
            *value *= 0.984_375;
        }
    }

    fn add(&mut self, span: Duration, since: &Since) {
        self.span_us += span.as_secs_f64() * 1e6;
        self.worked_us += since.worked.as_secs_f64() * 1e6;
        self.turns += since.turns as f64;
        self.messages += since.messages as f64;
        self.deliveries += since.deliveries as f64;
        self.sends += since.sends as f64;
        self.gathered_frames += since.gathered_frames as f64;
        self.gathered_weight += since.gathered_weight as f64;
        self.gathered_sends += since.gathered_sends as f64;
    }

    /// The chance that a receiver of one message also receives another of the same turn: that with which messages as they came
    /// would have taken as many sends as they took.
    fn shared(&self, guess: f64) -> f64 {
        let frames = self.gathered_frames + GUESSED_FRAMES;
        let sends = self.gathered_sends + GUESSED_FRAMES * distinct(guess.clamp(LEAST_SHARED, 1.0), 2.0);
        let messages = (self.gathered_weight + GUESSED_FRAMES * 2.0) / frames;
        let (mut low, mut high) = (LEAST_SHARED, 1.0);
        for _ in 0..20 {
            let middle = f64::midpoint(low, high);
            if distinct(middle, messages) > sends / frames {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }

    /// What the shard has to do, as far as waiting changes it.
    fn demand(&self, connections: usize) -> Option<Demand> {
        if self.messages < 1.0 || self.deliveries < 1.0 {
            return None;
        }
        let fan_out = self.deliveries / self.messages;
        let mut demand = Demand {
            per_us: self.messages / self.span_us,
            fan_out,
            shared: self.shared(fan_out / connections.max(1) as f64),
            scale: 1.0,
        };
        let modelled = demand.cost(self.messages / self.turns);
        demand.scale = self.worked_us / self.messages / modelled;
        Some(demand)
    }
}

/// The least chance that is reckoned with.
const LEAST_SHARED: f64 = 1e-6;

/// The share of frames that are the first for their receiver, where so many messages share a turn.
fn distinct(shared: f64, messages: f64) -> f64 {
    (1.0 - (1.0 - shared).powf(messages)) / (shared * messages)
}

/// Messages as they come, and what each costs.
#[derive(Debug, Clone, Copy)]
struct Demand {
    /// How many come in a microsecond.
    per_us: f64,
    /// How many frames each makes.
    fan_out: f64,
    /// The chance that a receiver of one message also receives another.
    shared: f64,
    /// By what the machine is slower than [`cost`] says.
    scale: f64,
}

impl Demand {
    /// Sends that a turn with so many messages takes.
    fn sends(&self, messages: f64) -> f64 {
        self.fan_out * messages * distinct(self.shared, messages)
    }

    /// What a message costs, in microseconds, where so many share a turn.
    fn cost(&self, messages: f64) -> f64 {
        let shared = cost::WAKE + cost::SEND * self.sends(messages);
        self.scale * (shared / messages + cost::MESSAGE)
    }

    /// How many messages share a turn if the shard waits for so long behind each: those that come in the meantime and during
    /// the turn, and never less than the one that ends a sleep.
    fn messages(&self, window_us: f64) -> f64 {
        let mut messages = 1.0_f64;
        for _ in 0..24 {
            let came = self.per_us * (window_us + messages * self.cost(messages));
            messages = (came + (-came).exp()).min(MOST_MESSAGES);
        }
        messages
    }

    /// The share of CPU that waiting for so long saves, where so many messages share a turn without it.
    fn saving(&self, window: Duration, unstretched: f64) -> f64 {
        let stretched = self.messages(window.as_secs_f64() * 1e6);
        1.0 - self.cost(stretched) / self.cost(unstretched)
    }
}

impl Pace {
    /// A pace whose turns are stretched to at most so long.
    pub(super) fn new(windows: TurnWindows, now: Duration) -> Self {
        Self {
            windows,
            window: Duration::ZERO,
            turn_began: now,
            busy: Duration::ZERO,
            slow_turns: 0,
            totals: Totals::default(),
            looked: now,
            since: Since::default(),
            recent: Recent::default(),
        }
    }

    /// A turn begins.
    pub(super) const fn begin_turn(&mut self, now: Duration) {
        self.turn_began = now;
    }

    /// A turn ends, with so much done since the beginning. Returns for how long to let arrivals gather before the next one.
    pub(super) fn end_turn(&mut self, totals: Totals, now: Duration) -> Option<Duration> {
        let took = now.saturating_sub(self.turn_began);
        self.busy += took;
        self.slow_turns += u64::from(took > SLOW_TURN);
        self.since.worked += took;
        let Totals {
            messages,
            deliveries,
            sends,
        } = self.totals;
        self.since.note_turn(
            totals.messages - messages,
            totals.deliveries - deliveries,
            totals.sends - sends,
        );
        self.totals = totals;
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

    /// Works the window out anew from what the shard has had to do of late; `connections` may be receivers.
    pub(super) fn adapt(&mut self, connections: usize, now: Duration) {
        let elapsed = now.saturating_sub(self.looked);
        if elapsed.is_zero() {
            return;
        }
        self.looked = now;
        self.recent.add(elapsed, &std::mem::take(&mut self.since));
        self.window = self.wanted(connections);
        self.recent.fade();
    }

    /// The window that pays.
    fn wanted(&self, connections: usize) -> Duration {
        let TurnWindows { longest, busy } = self.windows;
        let Some(demand) = self.recent.demand(connections).filter(|_| !longest.is_zero()) else {
            return Duration::ZERO;
        };
        // As it was seen while there was no window; else as it would be.
        let seen_to_meet = self.window.is_zero() && self.recent.deliveries >= MEET_ANYWAY_AT * self.recent.sends;
        let unstretched = demand.messages(0.0);
        if seen_to_meet || unstretched * demand.fan_out >= MEET_ANYWAY_AT * demand.sends(unstretched) {
            return Duration::ZERO;
        }
        let pays_at = if self.window == longest { PAYS_AT } else { OPENS_AT };
        if demand.saving(longest, unstretched) >= pays_at {
            return longest;
        }
        let is_busy = self.recent.worked_us >= BUSY_AT * self.recent.span_us;
        if is_busy && demand.saving(busy, unstretched) >= PAYS_BUSY_AT {
            return busy.min(longest);
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests;
