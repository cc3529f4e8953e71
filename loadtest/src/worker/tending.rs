//! Looks after members that do not simply stay, and notes how connections end that should not.

use anyhow::Result;

use crate::client::connection::End;
use crate::random::Random;
use crate::schedule::Schedule;
use crate::seating::Part;
use crate::worker::entrance::Stage;
use crate::worker::state::Worker;

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
                    crate::phase::Phase::Random,
                    period_ns,
                    start_ns,
                    end_ns - start_ns,
                    &mut random,
                )
            })
            .collect();
        self.unsteady.operations = self.operating(start_ns, end_ns, &mut random);
    }

    /// From now on slow players read all they get, so that the drain comes to an end.
    pub(super) fn end_unsteadiness(&mut self) {
        self.unsteady.hold_back = false;
        self.unsteady.departures.clear();
        self.unsteady.operations.clear();
        self.unsteady.storms.call_off();
    }

    /// Lets players go whose time has come, brings back those that are gone, and notes whose connection has ended.
    pub(super) fn tend(&mut self, now_ns: u64, end_ns: u64) -> Result<()> {
        for at in 0..self.unsteady.departures.len() {
            while let Some(due) = self.unsteady.departures[at].pop(now_ns) {
                self.depart(due.player, now_ns);
            }
        }
        self.storm(now_ns);
        for number in self.sockets.take_ended() {
            self.ended(number as u32, now_ns, end_ns)?;
        }
        for (member, error) in std::mem::take(&mut self.front.entrance.failures) {
            if self.unsteady.returns.is_away(member) {
                self.set_back(member, now_ns, &format!("{error:#}"));
            } else {
                let name = self.front.entrance.name(member);
                self.unsteady.mishaps.push((u32::MAX, format!("{name}: {error:#}")));
            }
        }
        self.tend_returns(now_ns);
        self.operate(now_ns);
        Ok(())
    }

    fn ended(&mut self, member: u32, now_ns: u64, end_ns: u64) -> Result<()> {
        let (stage, part) = (self.front.entrance.stage(member), self.seating.part(member));
        let Some(end) = self.sockets.get(member as usize).end().cloned() else {
            return Ok(());
        };
        self.front.intake.operations.forget(member);
        match (stage, part) {
            (Stage::Outside, _) => {}
            (Stage::Leaving, _) => {
                self.front.intake.ledger.depart(member);
                self.front.entrance.advance(member as usize, Stage::Outside);
                if self.unsteady.returns.is_away(member) {
                    self.unsteady.returns.try_now(member);
                } else if now_ns < end_ns {
                    self.unsteady.times_back += 1;
                    self.bring_back(member)?;
                }
            }
            (stage, _) if stage != Stage::Joined && self.unsteady.returns.is_away(member) => {
                self.front.entrance.advance(member as usize, Stage::Outside);
                self.set_back(member, now_ns, &end.to_string());
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

    /// Whether somebody is on the way in or out.
    pub(super) fn somebody_moves(&self) -> bool {
        let mut returning = self.unsteady.returning.iter();
        returning.any(|&member| !matches!(self.front.entrance.stage(member), Stage::Joined | Stage::Outside))
            || self.unsteady.returns.expects_somebody()
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
            if !matches!(stage, Stage::Joined | Stage::Outside) && !self.unsteady.returns.is_away(member) {
                self.mishap(member, format!("is still {stage:?}"));
            }
        }
        for member in self.unsteady.returns.expected() {
            self.mishap(member, "was not back at the end".to_owned());
        }
    }
}
