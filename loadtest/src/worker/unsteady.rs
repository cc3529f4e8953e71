//! Members that do not simply stay: slow players, who read little at a time until the server has enough of them, and
//! returning players, who close their connection and come back. Also how connections end that should not.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::client::connection::End;
use crate::random::Random;
use crate::scenario::Scenario;
use crate::schedule::Schedule;
use crate::seating::{Part, Seating};
use crate::worker::Worker;
use crate::worker::entrance::Stage;

/// Slow players read this often.
const SLOW_TICK_NS: u64 = 10_000_000;
const TICKS_PER_SECOND: u32 = 100;
/// What a slow player reads at once when it need not be slow.
const FAST_READ_BYTES: usize = 64 * 1024;

/// The state of those members.
pub(super) struct Unsteady {
    /// Slow players, with the bytes that each reads at a tick.
    slow: Vec<(u32, usize)>,
    returning: Vec<u32>,
    /// Slow players are slow at present.
    hold_back: bool,
    next_tick_ns: u64,
    scratch: Vec<u8>,
    departures: Vec<Schedule>,
    pub(super) slow_ends: BTreeMap<String, u64>,
    pub(super) returns: u64,
    /// Connections that did not last, and players that did not come back.
    pub(super) mishaps: Vec<(u32, String)>,
}

impl Unsteady {
    pub(super) fn new(scenario: &Scenario, seating: &Seating) -> Self {
        let per_tick = |member| {
            let rate = scenario.groups[seating.room_of(member).group].slow_bytes_per_second;
            rate.div_ceil(TICKS_PER_SECOND) as usize
        };
        let slow = seating.all(Part::Slow);
        Self {
            slow: slow.into_iter().map(|member| (member, per_tick(member))).collect(),
            returning: seating.all(Part::Returning),
            hold_back: false,
            next_tick_ns: 0,
            scratch: vec![0; FAST_READ_BYTES],
            departures: Vec::new(),
            slow_ends: BTreeMap::new(),
            returns: 0,
            mishaps: Vec::new(),
        }
    }
}

impl Worker {
    /// From now on slow players are slow, and returning ones go and come back until the end.
    pub(super) fn begin_unsteadiness(&mut self, start_ns: u64, end_ns: u64) {
        self.unsteady.hold_back = true;
        let mut random = Random::seeded(self.scenario.seed ^ 0xC0E_BACC);
        let (seating, returning) = (&self.seating, &self.unsteady.returning);
        let groups = self.scenario.groups.iter().enumerate();
        self.unsteady.departures = groups
            .filter(|(_, group)| group.returning > 0)
            .map(|(at, group)| {
                let members = returning.iter().copied();
                let ours = members.filter(|&member| seating.room_of(member).group == at);
                let period_ns = group.return_every.as_nanos() as f64;
                Schedule::new(
                    ours,
                    crate::cli::Phase::Random,
                    period_ns,
                    start_ns,
                    end_ns - start_ns,
                    &mut random,
                )
            })
            .collect();
    }

    /// From now on slow players read all they get, so that the drain comes to an end.
    pub(super) fn end_unsteadiness(&mut self) {
        self.unsteady.hold_back = false;
        self.unsteady.departures.clear();
    }

    /// Lets players go whose time has come, brings back those that are gone, and notes whose connection has ended.
    pub(super) fn tend(&mut self, now_ns: u64, end_ns: u64) -> Result<()> {
        for at in 0..self.unsteady.departures.len() {
            while let Some(due) = self.unsteady.departures[at].pop(now_ns) {
                if self.front.entrance.stage(due.player) == Stage::Joined {
                    self.sockets.queue_goodbye(due.player as usize);
                    self.front.entrance.advance(due.player as usize, Stage::Leaving);
                }
            }
        }
        for number in self.sockets.take_ended() {
            self.ended(number as u32, now_ns < end_ns)?;
        }
        while let Some(error) = self.front.entrance.take_failure() {
            self.unsteady.mishaps.push((u32::MAX, format!("{error:#}")));
        }
        Ok(())
    }

    fn ended(&mut self, member: u32, come_back: bool) -> Result<()> {
        let (stage, part) = (self.front.entrance.stage(member), self.seating.part(member));
        let Some(end) = self.sockets.get(member as usize).end().cloned() else {
            return Ok(());
        };
        match (stage, part) {
            (Stage::Outside, _) => {}
            (Stage::Leaving, _) => {
                self.front.intake.ledger.depart(member);
                self.front.entrance.advance(member as usize, Stage::Outside);
                if come_back {
                    self.unsteady.returns += 1;
                    self.bring_back(member)?;
                }
            }
            (Stage::Joined, Part::Slow) => {
                self.front.intake.ledger.depart(member);
                self.front.entrance.advance(member as usize, Stage::Outside);
                let how = match end {
                    End::Closed {
                        code: Some(code),
                        reason,
                    } => format!("{code} {reason}"),
                    other => other.to_string(),
                };
                *self.unsteady.slow_ends.entry(how).or_default() += 1;
            }
            _ => {
                self.front.entrance.advance(member as usize, Stage::Outside);
                self.mishap(member, end.to_string());
            }
        }
        Ok(())
    }

    fn mishap(&mut self, member: u32, what: String) {
        self.unsteady.mishaps.push((self.seating.first_member + member, what));
    }

    /// Whether somebody is on the way in or out.
    pub(super) fn somebody_moves(&self) -> bool {
        let mut returning = self.unsteady.returning.iter();
        returning.any(|&member| !matches!(self.front.entrance.stage(member), Stage::Joined | Stage::Outside))
    }

    /// At the end: connections that have ended since, and players that have not come back.
    pub(super) fn note_who_is_missing(&mut self) {
        for number in self.sockets.take_ended() {
            if self.front.entrance.stage(number as u32) == Stage::Joined
                && let Some(end) = self.sockets.get(number).end().cloned()
            {
                self.front.entrance.advance(number, Stage::Outside);
                self.mishap(number as u32, end.to_string());
            }
        }
        for at in 0..self.unsteady.returning.len() {
            let member = self.unsteady.returning[at];
            let stage = self.front.entrance.stage(member);
            if !matches!(stage, Stage::Joined | Stage::Outside) {
                self.mishap(member, format!("is still {stage:?}"));
            }
        }
    }

    /// Reads those that the turns leave out.
    pub(super) fn read_slow_players(&mut self) {
        if self.unsteady.slow.is_empty() {
            return;
        }
        let now_ns = self.clock.now_ns();
        if now_ns < self.unsteady.next_tick_ns {
            return;
        }
        let Unsteady {
            slow,
            hold_back,
            scratch,
            next_tick_ns,
            ..
        } = &mut self.unsteady;
        *next_tick_ns = now_ns + SLOW_TICK_NS;
        for &(member, bytes) in slow.iter() {
            if member as usize >= self.sockets.len() {
                break;
            }
            let piece = if *hold_back { bytes } else { scratch.len() };
            while self
                .sockets
                .read_by_hand(member as usize, &mut scratch[..piece], &mut self.front)
                && !*hold_back
            {}
        }
    }
}
