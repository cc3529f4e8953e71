//! The busy loop of a generator thread: send what is due, read what has come, until everything has arrived.

use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::closed_loop::Flights;
use crate::payload;
use crate::random::Random;
use crate::scenario::{Pace, Traffic};
use crate::schedule::{Due, Schedule};
use crate::server_figures;
use crate::sys;
use crate::worker::Worker;
use crate::worker::intake::{self, Stretch};
use crate::worker::outgoing::Outgoing;

/// Frames up to this size are kept ready per player; larger ones are built when they are sent.
const KEPT_FRAME_BYTES: usize = 4096;
/// After the last delivery is in, a repeated one is waited for this long.
const QUIET_NS: u64 = 100_000_000;
/// The drain ends after this many times its deadline even when deliveries still trickle in.
const DRAIN_FACTOR: u64 = 6;
/// Longest sleep, so that window edges and the display are not missed by much.
const MAX_SLEEP_NS: u64 = 5_000_000;

/// What one thread measured in one stretch of traffic. Counts are those of the measured window.
pub(crate) struct Outcome {
    pub(crate) latency_ns: Histogram<u64>,
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
}

/// The sending side of one stretch.
struct Sending {
    schedule: Option<Schedule>,
    end_ns: u64,
    size_bytes: usize,
    frames: Vec<Outgoing>,
    /// Players with something to flush.
    dirty: Vec<u32>,
    /// Messages sent within the window.
    sent: u64,
    lag_ns: Histogram<u64>,
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
    pub(super) fn carry(&mut self, traffic: &Traffic, start_ns: u64) -> Result<Outcome> {
        let window_start = start_ns + traffic.warmup.as_nanos() as u64;
        let end_ns = window_start + traffic.measured.as_nanos() as u64;
        let players = self.connections.len() as u32;
        let mut sending = self.prepare(traffic, start_ns, end_ns);
        self.intake.stretch = Stretch {
            window_ns: window_start..end_ns,
            body_chars: payload::body_chars(self.scenario.encoding, traffic.size_bytes),
            latency_ns: intake::latency_histogram(),
            delivered: 0,
            reads: 0,
            flights: None,
            released: Vec::new(),
        };
        while self.clock.now_ns() < start_ns {
            let wait = Duration::from_nanos(start_ns - self.clock.now_ns().min(start_ns));
            self.serve(wait.min(Duration::from_millis(1)))?;
        }
        if let Pace::ClosedLoop { in_flight } = traffic.pace {
            self.intake.stretch.flights = Some(Flights::new(&self.intake.ledger, players));
            self.intake.stretch.released = (0..players).map(|player| (player, in_flight)).collect();
        }

        // In a closed loop what arrives decides what is sent, so it is read at once.
        let gathers = self.scenario.gathers() && sending.schedule.is_some();
        let mut served = false;
        let mut meter = CpuMeter::default();
        let mut now_ns = self.clock.now_ns();
        loop {
            meter.pass(now_ns, window_start, end_ns);
            let sent = self.send_due(&mut sending, now_ns);
            let totals = self.intake.ledger.progress();
            self.progress.publish(totals.sent, totals.received, totals.faults());
            if self.finished(&sending, now_ns) {
                break;
            }
            if gathers && served {
                let nap_ns = sending.sleep_ns(now_ns).min(self.scenario.gather.as_nanos() as u64);
                std::thread::sleep(Duration::from_nanos(nap_ns));
                served = self.serve(Duration::ZERO)?;
            } else {
                let timeout_ns = if self.scenario.spin {
                    0
                } else {
                    sending.sleep_ns(now_ns)
                };
                served = self.serve(Duration::from_nanos(timeout_ns))?;
            }
            let after_ns = self.clock.now_ns();
            if self.scenario.spin && !served && !sent && (window_start..end_ns).contains(&now_ns) {
                meter.idle_poll_ns += after_ns - now_ns;
            }
            now_ns = after_ns;
        }
        let stretch = &mut self.intake.stretch;
        stretch.flights = None;
        let (cpu_spent_ns, cpu_wait_ns) = meter.spent_ns.unwrap_or_default();
        Ok(Outcome {
            latency_ns: stretch.latency_ns.clone(),
            send_lag_ns: sending.lag_ns,
            sent: sending.sent,
            delivered: stretch.delivered,
            reads: stretch.reads,
            cpu_ns: cpu_spent_ns,
            idle_poll_ns: meter.idle_poll_ns,
            cpu_wait_ns,
        })
    }

    fn prepare(&self, traffic: &Traffic, start_ns: u64, end_ns: u64) -> Sending {
        let players = self.connections.len() as u32;
        let schedule = match traffic.pace {
            Pace::OpenLoop { period_ns, phase } => {
                let mut random = Random::seeded(self.scenario.seed.wrapping_add(u64::from(self.first_player)));
                Some(Schedule::new(
                    players,
                    phase,
                    period_ns,
                    start_ns,
                    end_ns - start_ns,
                    &mut random,
                ))
            }
            Pace::ClosedLoop { .. } => None,
        };
        let kept = if traffic.size_bytes <= KEPT_FRAME_BYTES {
            players
        } else {
            0
        };
        Sending {
            schedule,
            end_ns,
            size_bytes: traffic.size_bytes,
            frames: (0..kept).map(|player| self.frame(player, traffic.size_bytes)).collect(),
            dirty: Vec::with_capacity(players as usize),
            sent: 0,
            lag_ns: intake::latency_histogram(),
        }
    }

    fn frame(&self, player: u32, size_bytes: usize) -> Outgoing {
        let mask = self.connections[player as usize].mask;
        Outgoing::build(self.scenario.encoding, size_bytes, self.first_player + player, mask)
    }

    /// Sends everything that may go now; tells whether there was anything.
    fn send_due(&mut self, sending: &mut Sending, now_ns: u64) -> bool {
        while let Some(due) = sending.schedule.as_mut().and_then(|schedule| schedule.pop(now_ns)) {
            self.enqueue(sending, due, now_ns);
        }
        if !self.intake.stretch.released.is_empty() {
            let mut released = std::mem::take(&mut self.intake.stretch.released);
            let open = now_ns < sending.end_ns;
            for (player, count) in released.drain(..).filter(|_| open) {
                for _ in 0..count {
                    self.enqueue(
                        sending,
                        Due {
                            player,
                            scheduled_ns: now_ns,
                        },
                        now_ns,
                    );
                }
            }
            self.intake.stretch.released = released;
        }
        let sent = !sending.dirty.is_empty();
        for player in sending.dirty.drain(..) {
            self.connections[player as usize].flush();
        }
        sent
    }

    fn enqueue(&mut self, sending: &mut Sending, due: Due, now_ns: u64) {
        let sequence = self.intake.ledger.send(due.player);
        match sending.frames.get_mut(due.player as usize) {
            Some(frame) => self.connections[due.player as usize].queue(frame.stamped(sequence, due.scheduled_ns)),
            None => {
                let mut frame = self.frame(due.player, sending.size_bytes);
                self.connections[due.player as usize].queue(frame.stamped(sequence, due.scheduled_ns));
            }
        }
        if sending.dirty.last() != Some(&due.player) {
            sending.dirty.push(due.player);
        }
        if self.intake.stretch.window_ns.contains(&due.scheduled_ns) {
            sending.sent += 1;
            sending.lag_ns.saturating_record(now_ns - due.scheduled_ns);
        }
    }

    fn finished(&self, sending: &Sending, now_ns: u64) -> bool {
        let sends_left = sending
            .schedule
            .as_ref()
            .is_some_and(|schedule| schedule.next_ns().is_some());
        if sends_left || now_ns < sending.end_ns {
            return false;
        }
        let last_news_ns = self.intake.last_arrival_ns.max(sending.end_ns);
        let drain_ns = self.scenario.drain.as_nanos() as u64;
        let settled = self.intake.ledger.settled() && now_ns - last_news_ns.min(now_ns) >= QUIET_NS;
        settled || now_ns >= last_news_ns + drain_ns || now_ns >= sending.end_ns + drain_ns * DRAIN_FACTOR
    }
}

impl Sending {
    fn sleep_ns(&self, now_ns: u64) -> u64 {
        let next_ns = self.schedule.as_ref().and_then(Schedule::next_ns);
        next_ns.map_or(MAX_SLEEP_NS, |next_ns| next_ns.saturating_sub(now_ns).min(MAX_SLEEP_NS))
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
