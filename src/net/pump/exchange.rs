//! What shards send each other, and how a shard comes to its end.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::super::conversation;
use super::super::link::Link;
use super::super::poller::{Interest, Token};
use super::{Mail, Pump, Stage};
use crate::shard::{Now, Priority, Transfer};

/// The most messages that are taken from the inbox in one turn.
const MAIL_PER_TURN: usize = 256;

impl Pump {
    pub(super) fn read_mail(&mut self, now: Now) {
        for _ in 0..MAIL_PER_TURN {
            match self.inbox.try_recv() {
                None => return,
                Some(Mail::Transfer(transfer, set_out)) => {
                    let took_us = set_out.elapsed().as_micros() as u64;
                    self.shard.counters().hops_transit_us.add(took_us);
                    self.take_in(*transfer, true, now);
                }
                Some(Mail::Letter(letter)) => self.shard.read_letter(letter, now),
                Some(Mail::Drain { grace }) => self.drain(grace, now),
            }
        }
    }

    /// Stops taking connections in. Closing the listeners refuses new ones at once.
    fn drain(&mut self, grace: Duration, now: Now) {
        if self.stage == Stage::Serving {
            self.stage = Stage::Draining {
                until_ms: now.mono_ms + grace.as_millis() as u64,
            };
            self.listeners.clear();
            self.greetings.clear();
            self.shard.announce_drain(grace.as_millis() as u64, now);
        }
    }

    /// Says goodbye to everybody once the time for that has come; says whether all is done.
    pub(super) fn may_end(&mut self, now: Now) -> bool {
        match self.stage {
            Stage::Serving => false,
            // As long as anybody is there: a server that everybody has left need not wait for nobody.
            Stage::Draining { until_ms } if now.mono_ms < until_ms && self.is_anybody_here() => false,
            Stage::Draining { .. } => {
                let span_ms = self.dismissal_span_ms();
                if span_ms == 0 {
                    self.close_all(now);
                } else {
                    self.shard.dismiss_within(span_ms, now);
                    let until_ms = now.mono_ms + span_ms;
                    self.stage = Stage::Dismissing { until_ms };
                }
                false
            }
            Stage::Dismissing { until_ms } if now.mono_ms < until_ms && self.is_anybody_here() => false,
            Stage::Dismissing { .. } => {
                self.close_all(now);
                false
            }
            Stage::Flushing { until_ms } => self.shard.connections() == 0 || now.mono_ms >= until_ms,
        }
    }

    /// How long closing everybody takes: a millisecond for each connection of the process, so that about a thousand a
    /// second look for another server, but never longer than the operator allows.
    fn dismissal_span_ms(&self) -> u64 {
        let connections = self.shard.world().ledger.admitted().connections as u64;
        connections.min(self.settings.drain_spread.as_millis() as u64)
    }

    fn close_all(&mut self, now: Now) {
        let until_ms = now.mono_ms + self.settings.flush_timeout.as_millis() as u64;
        self.stage = Stage::Flushing { until_ms };
        self.shard.close_all(now);
    }

    /// Whether any shard of the process still has a connection: one may yet come here with a join.
    fn is_anybody_here(&self) -> bool {
        self.shard.connections() > 0 || self.shard.world().ledger.admitted().connections > 0
    }

    /// Sends connections to the shards where their rooms live.
    pub(super) fn hand_over(&mut self, now: Now) {
        for at in self.shard.take_departing() {
            let Some(transfer) = self.shard.extract(at) else {
                continue;
            };
            if let Err(error) = self.poller.forget(transfer.link.socket.as_fd()) {
                tracing::warn!(%error, "a connection was dropped because it cannot be moved");
                // Not by dropping the transfer: the shard has to note that the player is gone.
                let at = self.shard.take_back(transfer, now);
                self.shard.end(at, now);
                continue;
            }
            let target = &self.peers[transfer.target().index()];
            let mail = Mail::Transfer(Box::new(transfer), Instant::now());
            if let Err(refused) = target.try_send(Priority::Bulk, mail) {
                let Mail::Transfer(transfer, _) = refused else { continue };
                self.take_in(*transfer, false, now);
            }
        }
    }

    /// Sends other shards what there is to say about rooms with outposts.
    pub(super) fn post_letters(&mut self, now: Now) {
        while let Some(letter) = self.shard.next_letter(now) {
            let (target, priority) = (&self.peers[letter.target().index()], letter.priority());
            if let Err(Mail::Letter(letter)) = target.try_send(priority, Mail::Letter(letter)) {
                self.shard.take_back_letter(letter, now);
            }
        }
    }

    /// Goes on with connections that have waited for another shard's answer.
    pub(super) fn resume_answered(&mut self, now: Now) {
        for at in self.shard.take_resumed() {
            let flow = conversation::resume(&mut self.shard, at, self.limits, now);
            if !self.note_flow(at, flow) {
                self.backlog.push(at); // its socket was not read meanwhile, and no further edge may come
            }
        }
    }

    /// Takes in a connection that moved here, or that could not move.
    fn take_in(&mut self, transfer: Transfer<Link>, has_arrived: bool, now: Now) {
        let at = if has_arrived {
            self.shard.receive(transfer, now)
        } else {
            self.shard.take_back(transfer, now)
        };
        let Some(link) = self.shard.link_mut(at) else { return };
        link.interest = Interest::Read;
        // What is already in the socket is reported like what comes later.
        if let Err(error) = self
            .poller
            .watch(link.socket.as_fd(), Token::Connection(at), Interest::Read)
        {
            tracing::warn!(%error, "a connection was dropped because it cannot be watched");
            self.shard.end(at, now);
            return;
        }
        if matches!(self.stage, Stage::Flushing { .. }) {
            self.shard.close_all(now);
        } else {
            let flow = conversation::resume(&mut self.shard, at, self.limits, now);
            self.note_flow(at, flow);
        }
    }
}
