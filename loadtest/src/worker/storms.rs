//! Reconnect storms: players of whole groups lose their sockets within a short time, and come back by their token.
//!
//! Whom a storm hits and when is in [`crate::worker::blows`]; how a player goes and comes back is
//! [`crate::worker::returning`]'s.

use crate::random::Random;
use crate::steps::Step;
use crate::worker::blows::Storms;
use crate::worker::state::Worker;

/// Tells the chances of storms from others of the same seed.
const STORMS: u64 = 0x0005_7084;

impl Worker {
    pub(super) fn begin_storms(&mut self, steps: &[Step], window_start_ns: u64) {
        let mut random = Random::seeded(self.scenario.seed ^ STORMS ^ u64::from(self.seating.first_member) << 32);
        self.unsteady.storms = Storms::of(steps, &self.seating, window_start_ns, &mut random);
    }

    /// The stretch is over: who comes back later does so for itself.
    pub(super) fn end_storms(&mut self) {
        self.unsteady.storms = Storms::default();
    }

    /// Lets those lose their sockets whose time has come.
    pub(super) fn storm(&mut self, now_ns: u64) {
        while let Some((member, step)) = self.unsteady.storms.pop(now_ns) {
            // Who is away already is nobody's to take.
            if self.is_away(member) {
                continue;
            }
            self.depart(member, now_ns);
            if self.is_away(member) {
                self.unsteady.storms.taken.insert(member, step);
                self.front.intake.stretch.meters[step].dropped();
            }
        }
    }
}
