//! A turn: wait, offer, read, serve, hand over, offer, and only then judge.
//!
//! What was ready when the wait ended is read before anybody is judged by its silence, and everybody is offered what waits before
//! it is judged by that. A gap in our own clock is ours: nobody is judged by it.

use std::io;
use std::time::Duration;

use super::super::kernel::{Kernel, Token, Waited};
use super::super::link::Facts;
use super::super::pace::Totals;
use super::Pump;
use super::length::ENDS_PER_TURN;
use crate::shard::Now;

/// What became of a turn.
#[derive(Debug, Clone, Copy)]
pub struct Turned {
    /// Whether it was one in which time was looked at.
    pub ticked: bool,
    /// Whether the shard has come to its end.
    pub is_over: bool,
}

impl<K: Kernel> Pump<K> {
    /// Takes one turn.
    ///
    /// # Errors
    ///
    /// When the kernel refuses to wait: the shard cannot go on.
    pub fn turn(&mut self) -> io::Result<Turned> {
        let waited = self.wait()?;
        let now = self.kernel.now(self.turn_began);
        let stood_still = self.forgive_standstill(now);
        self.shard.begin_turn();
        if self.note_ready(waited, now) {
            // Who can take something again is offered it first: what is said in this turn is not held against it.
            self.release_paced(now);
            self.flush(now);
        }
        self.serve_line(now);
        if self.has_mail() {
            self.read_mail(now);
        }
        // Most turns serve a few messages and have nothing of this; what they run through lies together.
        if self.shard.has_chores() {
            self.do_chores(now);
        }
        self.flush(now);
        let may_judge = self.has_heard_all(waited) && !stood_still;
        // The moment at which the turn began will do: after a long turn the next one ticks at once.
        let ticked = may_judge && self.turn_began >= self.next_tick;
        if ticked {
            self.tick(now);
        }
        self.end_connections(now);
        Ok(Turned {
            ticked,
            is_over: self.may_end(now),
        })
    }

    /// Whether there is something to do that no wait will report.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.line.is_empty() || self.shard.has_work()
    }

    /// Whether connections are held back for others who cannot keep up with them.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        !self.paced.is_empty()
    }

    /// Whether other threads have said something that was not read.
    #[must_use]
    pub fn has_mail(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Waits for something to do, at most until the next tick. A busy shard first lets arrivals gather.
    fn wait(&mut self) -> io::Result<Waited> {
        let mut moment = self.kernel.moment();
        self.note_turn(moment);
        let has_work = self.has_work();
        self.gathered = Duration::ZERO;
        if let Some(gather) = self.pace.end_turn(self.totals(), moment).filter(|_| !has_work) {
            self.shard.counters().kernel_entries.add(1);
            self.kernel.pause(gather);
            let resumed = self.kernel.moment();
            self.gathered = resumed.saturating_sub(moment);
            moment = resumed;
        }
        let until_tick = self.next_tick.saturating_sub(moment);
        let may_sleep = !has_work && !until_tick.is_zero() && self.inbox.prepare_to_sleep();
        self.shard.counters().kernel_entries.add(1);
        let waited = self.kernel.wait(if may_sleep { until_tick } else { Duration::ZERO })?;
        self.inbox.awake();
        self.turn_began = self.kernel.moment();
        self.ended_in_turn = 0;
        self.queued_before = self.shard.queued_bytes();
        self.pace.begin_turn(self.turn_began);
        Ok(waited)
    }

    /// Notes how long the turn that has just ended took.
    fn note_turn(&mut self, moment: Duration) {
        let took = moment.saturating_sub(self.turn_began);
        let now = self.kernel.now(moment);
        self.shard
            .end_turn(took.as_micros() as u64, self.gathered.as_micros() as u64, now);
    }

    fn totals(&self) -> Totals {
        let counters = self.shard.counters();
        Totals {
            messages: counters.game_data_messages.get(),
            deliveries: counters.deliveries.get(),
            sends: counters.socket_sends.get(),
        }
    }

    /// Takes note if the shard had no turn for so long that it must have stood still.
    fn forgive_standstill(&mut self, now: Now) -> bool {
        let gap_ms = now.mono_ms.saturating_sub(self.turned_at_ms);
        self.turned_at_ms = now.mono_ms;
        if u128::from(gap_ms) < self.settings.standstill.as_millis() {
            return false;
        }
        self.shard.forgive(gap_ms);
        self.pending_upgrades.forgive(gap_ms);
        true
    }

    /// Whether everything that was ready when the wait began has been told. What becomes ready goes behind what was, so
    /// after as many things as can be ready, all that was ready at first has been among them.
    fn has_heard_all(&mut self, waited: Waited) -> bool {
        if self.untold == 0 {
            self.untold = self.shard.connections() + self.pending_upgrades.len() + 2;
        }
        self.untold = if waited.has_more {
            self.untold.saturating_sub(waited.ready)
        } else {
            0
        };
        self.untold == 0
    }

    /// Puts those who can be read into the line and notes who can take something again; says whether somebody can.
    fn note_ready(&mut self, waited: Waited, now: Now) -> bool {
        let mut can_take = false;
        for index in 0..waited.ready {
            let ready = self.kernel.ready(index);
            match ready.token {
                Token::Connection(at) => {
                    if ready.writable {
                        self.shard.writable(at);
                        can_take = true;
                    }
                    if ready.readable {
                        self.note_readable(at, ready.hung_up);
                    }
                }
                Token::PendingUpgrade(at) => self.note_upgrade(at),
                Token::Listener(number) => {
                    self.accept(number, now);
                }
                Token::Wakeup => self.kernel.hush(),
            }
        }
        can_take
    }

    /// What concerns other shards and the game's backend, and those who wait for them.
    #[inline(never)]
    fn do_chores(&mut self, now: Now) {
        self.shard.serve_waiting(now);
        self.put_questions(now);
        self.resume_answered(now);
        self.hand_over(now);
        self.post_shard_messages(now);
    }

    #[inline(never)]
    fn tick(&mut self, now: Now) {
        let moment = self.turn_began;
        // Not the next multiple: after a long turn there is nothing to catch up with.
        self.next_tick = moment + self.settings.tick;
        self.shard.counters().ticks.add(1);
        self.shard.tick(&Facts, now);
        self.release_paced(now);
        let expired = self.pending_upgrades.expire(now.mono_ms);
        self.pace.adapt(self.shard.connections(), moment);
        self.publish_counts(expired as u64);
        self.warn_of_guessing(now);
        self.resume_accepting();
    }

    /// Shows what is counted outside the shard beside what the shard counts.
    fn publish_counts(&self, expired_greetings: u64) {
        use std::sync::atomic::Ordering;
        let (shown, inbox) = (self.shard.counters(), self.inbox.counters());
        shown.greetings_expired.add(expired_greetings);
        shown.greetings_displaced.set(self.pending_upgrades.displaced());
        shown.slow_turns.set(self.pace.slow_turns());
        shown.cpu_us.set(self.kernel.cpu_time().as_micros() as u64);
        shown.busy_us.set(self.pace.busy().as_micros() as u64);
        shown.inbox_wakes.set(inbox.wakes.load(Ordering::Relaxed));
        shown
            .inbox_refused_transfers
            .set(inbox.refused_bulk.load(Ordering::Relaxed));
        shown
            .inbox_refused_control
            .set(inbox.refused_control.load(Ordering::Relaxed));
    }

    /// Lets go of some connections that are over; their sockets close.
    fn end_connections(&mut self, now: Now) {
        for at in self.shard.take_ended(ENDS_PER_TURN) {
            if let Some(mut link) = self.shard.remove(at, now) {
                link.channel.say_end(&mut self.sealing_room);
            }
        }
    }
}
