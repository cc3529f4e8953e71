//! Lets players ask for room operations when it is time.

use crate::phase::Phase;
use crate::random::Random;
use crate::schedule::Schedule;
use crate::worker::entrance::Stage;
use crate::worker::state::Worker;

impl Worker {
    /// When the rooms of each group are operated on.
    pub(super) fn operating(&self, start_ns: u64, end_ns: u64, random: &mut Random) -> Vec<Schedule> {
        let groups = self.scenario.groups.iter().enumerate();
        let operated = groups.filter(|(_, group)| group.operates());
        let schedules = operated.map(|(at, group)| {
            let rooms = (0..).zip(&self.seating.rooms).filter(|(_, room)| room.group == at);
            let period_ns = 1e9 / group.room_operations_per_second;
            let ours = rooms.map(|(room, _)| room);
            Schedule::new(ours, Phase::Random, period_ns, start_ns, end_ns - start_ns, random)
        });
        schedules.collect()
    }

    /// Asks for what is due.
    pub(super) fn operate(&mut self, now_ns: u64) {
        for at in 0..self.unsteady.operations.len() {
            while let Some(due) = self.unsteady.operations[at].pop(now_ns) {
                let room = due.player as usize;
                let players = self.seating.rooms[room].speakers();
                let is_in = |&member: &u32| self.front.entrance.stage(member) == Stage::Joined;
                let present: Vec<u32> = players.filter(is_in).collect();
                let Some((member, question)) = self.front.intake.operations.next(room, &present) else {
                    continue;
                };
                let intake = &mut self.front.intake;
                let (operations, roster) = (&mut intake.operations, &intake.roster);
                let text = operations.ask(member, question, now_ns, |member| roster[member as usize]);
                self.sockets.queue_text(member as usize, &text);
            }
        }
    }
}
