//! Opens the connections of a thread and waits until everybody is in. Only a limited number is on the way at a time.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::client::connection::Opening;
use crate::client::desk::Wait;
use crate::client::handshake;
use crate::seating::Part;
use crate::worker::entrance::{Arrival, Stage};
use crate::worker::state::Worker;

/// Longest time without any step forward.
const PATIENCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(100);

impl Worker {
    /// Connects and joins everybody.
    pub(super) fn bring_all_in(&mut self) -> Result<()> {
        let total = self.seating.members() as usize;
        let mut seen_steps = 0;
        let mut last_step_ns = self.clock.now_ns();
        while self.front.entrance.joined < total {
            self.open_more(total)?;
            self.turn(Wait::For(POLL))?;
            if let Some(error) = self.front.entrance.take_failure() {
                return Err(error);
            }
            for number in self.sockets.take_ended() {
                if let Some(end) = self.sockets.get(number).end() {
                    bail!(
                        "{}: {end} while {:?}",
                        self.front.entrance.name(number as u32),
                        self.front.entrance.stage(number as u32)
                    );
                }
            }
            self.progress.publish_joined(self.front.entrance.joined as u64);
            let now_ns = self.clock.now_ns();
            self.vigil.look(now_ns);
            if self.front.entrance.steps != seen_steps {
                seen_steps = self.front.entrance.steps;
                last_step_ns = now_ns;
            } else if self.vigil.waited_ns(last_step_ns, now_ns) > PATIENCE.as_nanos() as u64 {
                bail!(
                    "{} of {total} players joined, then nothing for {} s: {}",
                    self.front.entrance.joined,
                    PATIENCE.as_secs(),
                    self.front.entrance.standstill()
                );
            }
        }
        for arrival in self.front.entrance.arrived.drain(..) {
            if let Arrival::New {
                member,
                stamp: Some(stamp),
                ..
            } = arrival
            {
                self.front.intake.ledger.enter(member, stamp);
            }
        }
        self.front.live = true;
        let roster = self.front.entrance.roster();
        self.front.intake.set_roster(roster);
        Ok(())
    }

    fn open_more(&mut self, total: usize) -> Result<()> {
        let limit = (self.scenario.setup_concurrency.div_ceil(self.scenario.threads)) as usize;
        let mut under_way = self.sockets.len() - self.front.entrance.joined - self.front.entrance.parked;
        while self.sockets.len() < total && under_way < limit {
            let opening = self.opening(self.sockets.len() as u32);
            let member = self.sockets.open(&self.scenario.server, opening)?;
            self.greet(member);
            under_way += 1;
        }
        Ok(())
    }

    /// How a member's connection is opened.
    fn opening(&mut self, member: u32) -> Opening {
        Opening {
            member: self.seating.first_member + member,
            mask: (self.random.next_u64() as u32 | 0x0101_0101).to_be_bytes(),
            stamped: self.scenario.gathers(),
            slow: self.seating.part(member) == Part::Slow,
        }
    }

    fn greet(&mut self, member: usize) {
        let request = handshake::upgrade_request(&self.scenario.server);
        self.sockets.queue(member, &request);
        self.front.entrance.advance(member, Stage::Upgrading);
    }

    /// Lets a member that has left come back on a new connection.
    pub(super) fn bring_back(&mut self, member: u32) -> Result<()> {
        // Frames of this player are masked with its first key for ever, since they are built once.
        let mask = self.sockets.get(member as usize).mask;
        let opening = Opening {
            mask,
            ..self.opening(member)
        };
        self.sockets
            .reopen(member as usize, &self.scenario.server, opening)
            .context("a player cannot come back")?;
        self.greet(member as usize);
        Ok(())
    }
}
