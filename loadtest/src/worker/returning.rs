//! Lets players on version 3 lose their socket, and brings them back by their token.

use crate::client::connection::Cut;
use crate::version::Version;
use crate::worker::entrance::Stage;
use crate::worker::returns::{Manner, Showing};
use crate::worker::state::Worker;

impl Worker {
    /// Lets a player go: on version 3 it loses its socket and comes back by its token, on version 2 it closes its
    /// connection. Nothing happens to members that are not inside, or have no token.
    pub(super) fn depart(&mut self, member: u32, now_ns: u64) {
        // Who has just come back is gone anew, so its return must have been noted.
        self.note_who_is_back();
        if self.front.entrance.stage(member) != Stage::Joined {
            return;
        }
        let number = member as usize;
        if self.seating.version_of(member) == Version::V2 {
            self.sockets.queue_goodbye(number);
            self.front.entrance.advance(number, Stage::Leaving);
            return;
        }
        if !self.front.entrance.can_return(member) {
            return;
        }
        let cut = match self.unsteady.returns.leave(member, now_ns) {
            Manner::Farewell => {
                self.front.intake.ledger.farewell(member);
                self.sockets.queue_goodbye(number);
                self.front.entrance.advance(number, Stage::Leaving);
                return;
            }
            Manner::Reset => Cut::Reset,
            Manner::EndOfStream => Cut::EndOfStream,
        };
        self.sockets.cut(number, cut);
        self.front.intake.operations.forget(member);
        self.front.intake.ledger.depart(member);
        self.front.entrance.advance(number, Stage::Outside);
        self.unsteady.returns.try_now(member);
    }

    /// Whether a member is out by plan, so that it sends nothing.
    pub(super) fn is_away(&self, member: u32) -> bool {
        self.front.entrance.stage(member) != Stage::Joined
            && (self.seating.part(member) == crate::seating::Part::Returning || self.unsteady.returns.is_away(member))
    }

    /// Lets those try whose time has come, and notes who is back.
    pub(super) fn tend_returns(&mut self, now_ns: u64) {
        for (member, code, reason) in std::mem::take(&mut self.front.entrance.refusals) {
            self.refused(member, now_ns, &code, &reason);
        }
        self.note_who_is_back();
        while let Some((member, showing)) = self.unsteady.returns.pop(now_ns) {
            self.front.entrance.come_back_with(member, showing);
            if let Err(error) = self.bring_back(member) {
                self.set_back(member, now_ns, &format!("{error:#}"));
            }
        }
    }

    fn note_who_is_back(&mut self) {
        for (member, back_ns) in std::mem::take(&mut self.front.intake.back) {
            if self.unsteady.returns.showing(member) == Some(Showing::UsedToken) {
                self.front.intake.ledger.token_reused(member);
            }
            self.unsteady.returns.back(member, back_ns);
            self.weathered(member, back_ns);
            self.unsteady.times_back += 1;
        }
    }

    /// The server did not take a token.
    fn refused(&mut self, member: u32, now_ns: u64, code: &str, reason: &str) {
        // The server has not noticed yet, or is busy with it, or will be another one soon.
        let passing = matches!(
            code,
            "PLAYER_ALREADY_CONNECTED" | "SERVER_DRAINING" | "RATE_LIMIT_EXCEEDED"
        ) || reason.contains("in progress");
        let what = format!("Reconnect was refused: {code} ({reason})");
        if passing {
            self.set_back(member, now_ns, &what);
        } else if self.unsteady.returns.showing(member) == Some(Showing::UsedToken) {
            self.unsteady.returns.probe_over(member);
        } else {
            self.unsteady.returns.give_up(member);
            self.mishap(member, what);
        }
    }

    /// A try to come back failed.
    pub(super) fn set_back(&mut self, member: u32, now_ns: u64, what: &str) {
        if !self.unsteady.returns.set_back(member, now_ns, &self.vigil) {
            self.mishap(member, format!("did not come back: {what}"));
        }
    }

    /// A player has its seat again since `back_ns`.
    fn weathered(&mut self, member: u32, back_ns: u64) {
        if let Some(step) = self.unsteady.storms.taken.remove(&member) {
            self.front.intake.stretch.meters[step].back(back_ns);
            self.relaunch(member);
        }
    }

    /// In a closed loop, lets those go on who waited for a player that is back.
    fn relaunch(&mut self, member: u32) {
        let intake = &mut self.front.intake;
        if let Some(flights) = &mut intake.stretch.flights {
            for sender in self.seating.room_of(member).speakers() {
                let landed = flights.renew(&intake.ledger, sender);
                if landed > 0 {
                    intake.stretch.released.push((sender, landed));
                }
            }
        }
    }
}
