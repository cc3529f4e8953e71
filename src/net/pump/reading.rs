//! From the line of those who wait to the shard that serves them.

use super::super::conversation;
use super::super::kernel::{Kernel, Received};
use super::Pump;
use super::length::ENDS_PER_TURN;
use super::line::Waiting;
use crate::room::ConnectionKey;
use crate::shard::{Flow, Now, Reading};

/// How many are served between two looks at the clock. One is served for a millisecond at the very most.
const VISITS_BETWEEN_LOOKS: usize = 4;

impl<K: Kernel> Pump<K> {
    /// Serves those who wait, each at most once, until the turn has gone on for long enough.
    pub(super) fn serve_line(&mut self, now: Now) {
        self.pending_upgrades.begin_turn();
        for count in 1..=self.line.len() {
            let Some(waiting) = self.line.pop() else { break };
            match waiting {
                Waiting::Connection(at) => self.visit(at, now),
                Waiting::PendingUpgrade(at) => self.serve_upgrade(at, now),
            }
            if self.is_full() || (count.is_multiple_of(VISITS_BETWEEN_LOOKS) && self.is_long()) {
                break;
            }
        }
        self.line.close_up();
    }

    /// Serves what a connection has, once.
    fn visit(&mut self, at: ConnectionKey, now: Now) {
        let Some(link) = self.shard.link(at) else { return };
        let is_suspended = link.is_suspended;
        if link.is_hung_up && self.ended_in_turn >= ENDS_PER_TURN {
            return self.line.pass_over(Waiting::Connection(at));
        }
        match self.shard.may_read(at, is_suspended, now) {
            Reading::Now if is_suspended => {
                if let Some(link) = self.shard.link_mut(at) {
                    link.is_in_line = false;
                }
                self.resume(at, now);
            }
            Reading::Now => self.read(at, now),
            Reading::NextTurn => self.line.pass_over(Waiting::Connection(at)),
            Reading::Paced => self.paced.push(at), // it keeps its mark: it is put into the line again from there
            Reading::Elsewhere => {
                if let Some(link) = self.shard.link_mut(at) {
                    link.is_in_line = false;
                }
            }
            Reading::Never => {}
        }
    }

    /// Puts those who need not be held back any longer into the line again.
    #[inline(never)]
    pub(super) fn release_paced(&mut self, now: Now) {
        let (shard, line) = (&mut self.shard, &mut self.line);
        self.paced.retain(|at| {
            let is_paced = shard.may_read(*at, false, now) == Reading::Paced;
            if !is_paced {
                line.push(Waiting::Connection(*at));
            }
            is_paced
        });
    }

    /// Reads a connection once. Nothing is left behind unseen: a read that filled the scratch, or a peer that has finished,
    /// means another read in the next turn, because no further edge will come.
    fn read(&mut self, at: ConnectionKey, now: Now) {
        let Some(link) = self.shard.link_mut(at) else { return };
        link.is_in_line = false;
        link.is_unread = false;
        let is_hung_up = link.is_hung_up;
        let arrived = link.channel.receive(&mut self.scratch, &mut self.sealing_room);
        self.shard.counters().kernel_entries.add(1);
        match arrived.received {
            Received::Bytes(count) => {
                // Of a record that has not come completely there is nothing to serve.
                let flow = if count == 0 {
                    Flow::Continue
                } else {
                    conversation::feed(&mut self.shard, at, &mut self.scratch[..count], self.limits, now)
                };
                let may_hold_more = is_hung_up || arrived.may_hold_more;
                if may_hold_more && let Some(link) = self.shard.link_mut(at) {
                    link.is_unread = true;
                }
                if may_hold_more || flow == Flow::Suspend {
                    self.note_flow(at, flow);
                }
            }
            Received::Nothing => {}
            Received::End => {
                self.ended_in_turn += 1;
                self.shard.on_gone(at, now);
            }
        }
    }

    /// Goes on with a connection of which bytes were kept.
    #[inline(never)]
    fn resume(&mut self, at: ConnectionKey, now: Now) {
        if let Some(link) = self.shard.link_mut(at) {
            link.is_suspended = false;
        }
        let flow = conversation::resume(&mut self.shard, at, self.limits, now);
        self.note_flow(at, flow);
    }

    /// Goes on with connections that have waited for another shard's answer.
    pub(super) fn resume_answered(&mut self, now: Now) {
        for at in self.shard.take_resumed() {
            self.resume(at, now);
        }
    }
}
