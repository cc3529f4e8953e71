//! The busy loop of a generator thread: send what is due, read what has come, until everything has arrived.

use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::client::desk::Wait;
use crate::closed_loop::Flights;
use crate::delivery::Delivery;
use crate::due_book::DueBook;
use crate::histogram::latency_histogram;
use crate::interruption::Curfew;
use crate::load::Pace;
use crate::payload;
use crate::random::Random;
use crate::scenario::Traffic;
use crate::schedule::{Due, Schedule};
use crate::server_figures;
use crate::sys;
use crate::tempo::Tempo;
use crate::timeline::Timeline;
use crate::worker::intake::Stretch;
use crate::worker::meter::{Meter, StepFigures};
use crate::worker::operations::OperationFigures;
use crate::worker::outgoing::Outgoing;
use crate::worker::state::Worker;

/// Frames up to this size are kept ready per player; larger ones are built when they are sent.
const KEPT_FRAME_BYTES: usize = 4096;
/// After the last delivery is in, a repeated one is waited for this long.
const QUIET_NS: u64 = 100_000_000;
/// The drain ends after this many times its deadline even when deliveries still trickle in.
const DRAIN_FACTOR: u64 = 6;
/// Longest sleep, so that window edges and the display are not missed by much.
const MAX_SLEEP_NS: u64 = 5_000_000;
/// How often the display is told.
const NEWS_NS: u64 = 50_000_000;
/// Pauses of the processor between two looks at the clock; together well below a microsecond.
const PAUSES_PER_POLL: u32 = 8;
/// A poll in vain costs less than this.
const LONGEST_IDLE_POLL_NS: u64 = 2_000;

/// What one thread measured in one stretch of traffic. Counts are those of the measured window.
pub(crate) struct Outcome {
    /// By group.
    pub(crate) latency_ns: Vec<Histogram<u64>>,
    /// How late messages left, against their schedule.
    pub(crate) send_lag_ns: Histogram<u64>,
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) reads: u64,
    /// CPU time of the thread.
    pub(crate) cpu_ns: u64,
    /// Part of it that was spent polling in vain.
    pub(crate) idle_poll_ns: u64,
    /// Time that the thread was ready to run and got no CPU.
    pub(crate) cpu_wait_ns: u64,
    pub(crate) timeline: Timeline,
    /// One for each step.
    pub(crate) steps: Vec<StepFigures>,
    /// What served the sockets.
    pub(crate) port: &'static str,
    /// From the loss of a socket to the seat taken again, of the whole stretch.
    pub(crate) back_ns: Histogram<u64>,
    pub(crate) operations: OperationFigures,
}

/// The sending side of one stretch.
struct Sending {
    /// One for each group with an open loop.
    schedules: Vec<Schedule>,
    /// By group, in a closed loop with steps: what it holds back at a factor of 0.
    tempos: Vec<Tempo>,
    start_ns: u64,
    end_ns: u64,
    /// By group.
    sizes: Vec<usize>,
    /// By member; large ones are built when they are sent.
    frames: Vec<Option<Outgoing>>,
    /// By member and class, as they are first wanted.
    classed: Vec<Vec<Option<Outgoing>>>,
    /// Messages sent within the window.
    sent: u64,
    lag_ns: Histogram<u64>,
    /// When anything was last sent.
    last_ns: u64,
}

/// CPU time of the thread over the measured window.
#[derive(Default)]
struct CpuMeter {
    /// Readings of CPU time and of waiting for a CPU.
    at_start: Option<(u64, u64)>,
    /// Differences at the end of the window.
    spent_ns: Option<(u64, u64)>,
    idle_poll_ns: u64,
}

impl Worker {
    /// Carries `traffic` from `start_ns` on, and waits for what is outstanding at the end.
    pub(super) fn carry(&mut self, traffic: &Traffic, start_ns: u64, curfew: &Curfew) -> Result<Outcome> {
        let window_start = start_ns + traffic.warmup.as_nanos() as u64;
        let mut end_ns = window_start + traffic.measured.as_nanos() as u64;
        let mut sending = self.prepare(traffic, start_ns, end_ns);
        let body_chars = traffic
            .loads
            .iter()
            .zip(&self.scenario.groups)
            .map(|(load, group)| payload::body_chars(group.encoding, load.size_bytes));
        self.front.intake.stretch = Stretch::new(window_start..end_ns, body_chars.collect());
        self.front.intake.stretch.meters = Meter::of_all(&traffic.steps, window_start);
        self.front.intake.stretch.due_book = DueBook::new(self.seating.members());
        while self.clock.now_ns() < start_ns {
            let wait = Duration::from_nanos(start_ns - self.clock.now_ns().min(start_ns));
            self.turn(Wait::For(wait.min(Duration::from_millis(1))))?;
        }
        if traffic.is_closed_loop() {
            self.release_first(traffic);
        }
        self.begin_unsteadiness(start_ns, end_ns);
        self.begin_storms(&traffic.steps, window_start);

        let gather_ns = self.scenario.gather.as_nanos() as u64;
        let mut served = false;
        let mut next_reading_ns = 0;
        let mut next_news_ns = 0;
        let mut meter = CpuMeter::default();
        let mut now_ns = self.clock.now_ns();
        loop {
            self.vigil.look(now_ns);
            meter.pass(now_ns, window_start, end_ns);
            let sent = self.send_due(&mut sending, now_ns);
            if sent {
                sending.last_ns = now_ns;
            }
            self.tend(now_ns, end_ns)?;
            if now_ns >= next_news_ns {
                next_news_ns = now_ns + NEWS_NS;
                self.progress.publish(&mut self.front.intake);
                if let Some(earlier_ns) = curfew.before(end_ns) {
                    end_ns = earlier_ns;
                    sending.end_at(end_ns);
                    self.front.intake.stretch.window_ns.end = end_ns;
                }
            }
            if now_ns >= end_ns {
                self.end_unsteadiness();
            }
            if self.finished(&sending, now_ns) {
                break;
            }
            if !self.scenario.spin {
                let sleep = Duration::from_nanos(sending.sleep_ns(now_ns));
                served = self.turn(if gather_ns > 0 && served {
                    Wait::Gather(sleep.min(self.scenario.gather))
                } else {
                    Wait::For(sleep)
                })?;
            } else if sent || now_ns >= next_reading_ns {
                next_reading_ns = now_ns + gather_ns;
                served = self.turn(Wait::Poll)?;
            } else {
                // A sibling thread of this core may be the server's; it gets what a pause leaves.
                (0..PAUSES_PER_POLL).for_each(|_| std::hint::spin_loop());
                served = false;
            }
            let after_ns = self.clock.now_ns();
            if self.scenario.spin && !served && !sent && (window_start..end_ns).contains(&now_ns) {
                // Longer ones were interrupted, and what interrupted them is not on our CPU clock.
                meter.idle_poll_ns += (after_ns - now_ns).min(LONGEST_IDLE_POLL_NS);
            }
            now_ns = after_ns;
        }
        self.progress.publish(&mut self.front.intake);
        self.end_storms();
        let stretch = &mut self.front.intake.stretch;
        stretch.flights = None;
        stretch.timeline.heeded_but(self.vigil.absences());
        let (cpu_spent_ns, cpu_wait_ns) = meter.spent_ns.unwrap_or_default();
        Ok(Outcome {
            latency_ns: stretch.latency_ns.clone(),
            timeline: stretch.timeline.clone(),
            steps: stretch.meters.drain(..).map(|meter| meter.figures(end_ns)).collect(),
            send_lag_ns: sending.lag_ns,
            sent: sending.sent,
            delivered: stretch.delivered,
            reads: stretch.reads,
            cpu_ns: cpu_spent_ns,
            idle_poll_ns: meter.idle_poll_ns,
            cpu_wait_ns,
            port: self.sockets.port_name(),
            back_ns: self.unsteady.returns.take_times(),
            operations: self.front.intake.operations.take_figures(),
        })
    }

    /// In a closed loop everybody begins with all messages in flight that it may have.
    fn release_first(&mut self, traffic: &Traffic) {
        let stretch = &mut self.front.intake.stretch;
        stretch.flights = Some(Flights::new(&self.front.intake.ledger, self.seating.members()));
        for (group, load) in traffic.loads.iter().enumerate() {
            if let Pace::ClosedLoop { in_flight } = load.pace {
                let senders = self.seating.senders_of(group).into_iter();
                stretch.released.extend(senders.map(|sender| (sender, in_flight)));
            }
        }
    }

    fn prepare(&self, traffic: &Traffic, start_ns: u64, end_ns: u64) -> Sending {
        let mut random = Random::seeded(self.scenario.seed.wrapping_add(u64::from(self.seating.first_member)));
        let mut schedules = Vec::new();
        let mut frames: Vec<Option<Outgoing>> = (0..self.seating.members()).map(|_| None).collect();
        for (group, load) in traffic.loads.iter().enumerate() {
            let senders = self.seating.senders_of(group);
            if load.size_bytes <= KEPT_FRAME_BYTES {
                for &sender in &senders {
                    frames[sender as usize] = Some(self.frame(sender, load.size_bytes, Delivery::Reliable));
                }
            }
            if let Pace::OpenLoop { period_ns, phase } = load.pace {
                let schedule = Schedule::new(senders, phase, period_ns, start_ns, end_ns - start_ns, &mut random);
                schedules.push(schedule.at(traffic.tempo(group)));
            }
        }
        let holds_back = traffic.is_closed_loop() && !traffic.steps.is_empty();
        let groups = if holds_back { traffic.loads.len() } else { 0 };
        Sending {
            schedules,
            tempos: (0..groups).map(|group| traffic.tempo(group)).collect(),
            start_ns,
            end_ns,
            sizes: traffic.loads.iter().map(|load| load.size_bytes).collect(),
            classed: frames.iter().map(|_| Vec::new()).collect(),
            frames,
            sent: 0,
            lag_ns: latency_histogram(),
            last_ns: start_ns,
        }
    }

    fn frame(&self, player: u32, size_bytes: usize, delivery: Delivery) -> Outgoing {
        let mask = self.sockets.get(player as usize).mask;
        let encoding = self.scenario.groups[self.seating.room_of(player).group].encoding;
        Outgoing::build(encoding, size_bytes, self.seating.first_member + player, delivery, mask)
    }

    /// Queues everything that may go now; tells whether there was anything.
    fn send_due(&mut self, sending: &mut Sending, now_ns: u64) -> bool {
        let mut any = false;
        for at in 0..sending.schedules.len() {
            while let Some(due) = sending.schedules[at].pop(now_ns) {
                any |= self.enqueue(sending, due, now_ns);
            }
        }
        if !self.front.intake.stretch.released.is_empty() {
            let mut released = std::mem::take(&mut self.front.intake.stretch.released);
            let open = now_ns < sending.end_ns;
            released.retain(|&(player, count)| {
                let held = || sending.pauses(self.seating.room_of(player).group, now_ns) || self.is_away(player);
                if open && held() {
                    return true;
                }
                for _ in 0..if open { count } else { 0 } {
                    let scheduled_ns = now_ns;
                    any |= self.enqueue(sending, Due { player, scheduled_ns }, now_ns);
                }
                false
            });
            self.front.intake.stretch.released = released;
        }
        any
    }

    fn enqueue(&mut self, sending: &mut Sending, due: Due, now_ns: u64) -> bool {
        // Who is away sends nothing; what falls into that time is not made up for.
        if self.is_away(due.player) {
            return false;
        }
        let owed_before = self.front.intake.ledger.progress().expected;
        let sequence = self.front.intake.ledger.send(due.player);
        let room = self.seating.room_of(due.player);
        let owed = self.front.intake.ledger.progress().expected - owed_before;
        let stretch = &mut self.front.intake.stretch;
        let slot = stretch.timeline.owed(due.scheduled_ns, owed);
        stretch.due_book.note(due.player, sequence, slot);
        for meter in &mut stretch.meters {
            meter.sent(room.group, due.scheduled_ns, owed);
        }
        let delivery = room.mixture.delivery(self.seating.first_member + due.player, sequence);
        let size_bytes = sending.sizes[room.group];
        let player = due.player as usize;
        match sending.kept(player, delivery) {
            Some(frame) => self.sockets.queue(player, frame.stamped(sequence, due.scheduled_ns)),
            empty => {
                let mut frame = self.frame(due.player, size_bytes, delivery);
                self.sockets.queue(player, frame.stamped(sequence, due.scheduled_ns));
                *empty = Some(frame).filter(|_| size_bytes <= KEPT_FRAME_BYTES);
            }
        }
        if self.front.intake.stretch.window_ns.contains(&due.scheduled_ns) {
            sending.sent += 1;
            sending.lag_ns.saturating_record(now_ns - due.scheduled_ns);
        }
        true
    }

    fn finished(&self, sending: &Sending, now_ns: u64) -> bool {
        if sending.next_ns().is_some() || now_ns < sending.end_ns {
            return false;
        }
        // Who is late sends beyond the end.
        let waits_since_ns = sending.end_ns.max(sending.last_ns);
        let last_news_ns = self.front.intake.last_arrival_ns.max(waits_since_ns);
        let waited_ns = self.vigil.waited_ns(waits_since_ns, now_ns);
        let silent_ns = self.vigil.waited_ns(last_news_ns, now_ns);
        let drain_ns = self.scenario.drain.as_nanos() as u64;
        // Where nobody is left, nothing can come.
        let abandoned = self.front.entrance.joined == 0 && !self.somebody_moves();
        let settled = self.front.intake.ledger.settled()
            && !self.somebody_moves()
            && self.front.intake.operations.all_answered()
            && silent_ns >= QUIET_NS;
        settled || abandoned || silent_ns >= drain_ns || waited_ns >= drain_ns * DRAIN_FACTOR
    }
}

impl Sending {
    /// Nothing is sent any more.
    fn end_at(&mut self, end_ns: u64) {
        self.schedules.clear();
        self.end_ns = end_ns;
    }

    fn pauses(&self, group: usize, now_ns: u64) -> bool {
        let tempo = self.tempos.get(group);
        tempo.is_some_and(|tempo| tempo.factor(now_ns.saturating_sub(self.start_ns)) == 0.0)
    }

    /// Where the frame of a player's messages of this class is kept.
    fn kept(&mut self, player: usize, delivery: Delivery) -> &mut Option<Outgoing> {
        if delivery == Delivery::Reliable {
            return &mut self.frames[player];
        }
        let ours = &mut self.classed[player];
        if ours.len() <= delivery.place() {
            ours.resize_with(delivery.place() + 1, || None);
        }
        &mut ours[delivery.place()]
    }

    fn next_ns(&self) -> Option<u64> {
        self.schedules.iter().filter_map(Schedule::next_ns).min()
    }

    fn sleep_ns(&self, now_ns: u64) -> u64 {
        self.next_ns()
            .map_or(MAX_SLEEP_NS, |next_ns| next_ns.saturating_sub(now_ns).min(MAX_SLEEP_NS))
    }
}

impl CpuMeter {
    fn read() -> (u64, u64) {
        (sys::thread_cpu_ns(), server_figures::own_thread_wait_ns())
    }
    fn pass(&mut self, now_ns: u64, window_start_ns: u64, window_end_ns: u64) {
        match (self.at_start, self.spent_ns) {
            (None, _) if now_ns >= window_start_ns => self.at_start = Some(Self::read()),
            (Some(at_start), None) if now_ns >= window_end_ns => {
                let (cpu_ns, waited_ns) = Self::read();
                self.spent_ns = Some((cpu_ns - at_start.0, waited_ns - at_start.1));
            }
            _ => {}
        }
    }
}
