//! What shards send each other: connections, shard messages, orders.

use super::super::conversation;
use super::super::kernel::{Interest, Kernel, Token};
use super::super::link::Link;
use super::stage::Stage;
use super::{Mail, Pump};
use crate::rare_line::RareLine;
use crate::shard::{BackendAnswer, Now, Priority, Transfer};

/// Where the kernel lets no socket go, every connection that moves is dropped.
static NOT_MOVED: RareLine = RareLine::new();

/// The most messages that are taken from the inbox in one turn.
const MAIL_PER_TURN: usize = 256;

/// Messages that even a long turn takes: a busy shard must not shut others out.
const MAIL_PER_LONG_TURN: usize = 16;

impl<K: Kernel> Pump<K> {
    #[inline(never)]
    pub(super) fn read_mail(&mut self, now: Now) {
        for count in 0..MAIL_PER_TURN {
            if count >= MAIL_PER_LONG_TURN && self.is_long() {
                return;
            }
            match self.inbox.try_recv() {
                None => return,
                Some(Mail::Transfer(transfer, set_out)) => {
                    let took_us = self.kernel.moment().saturating_sub(set_out).as_micros() as u64;
                    self.shard.counters().hops_transit_us.add(took_us);
                    self.take_in(*transfer, true, now);
                }
                Some(Mail::ShardMessage(shard_message)) => self.shard.read_shard_message(shard_message, now),
                Some(Mail::Returned(guest)) => self.take_back_guest(*guest, now),
                Some(Mail::Question(question)) => question.answer(&self.shard, now),
                Some(Mail::Order(order)) => order.carry_out(&mut self.shard, now),
                Some(Mail::Backend(answer)) => self.shard.on_backend_answer(*answer, now),
                Some(Mail::Drain { grace }) => self.drain(grace, now),
            }
        }
    }

    /// Sends connections to the shards where their rooms live.
    pub(super) fn hand_over(&mut self, now: Now) {
        for at in self.shard.take_departing() {
            let Some(transfer) = self.shard.extract(at) else {
                continue;
            };
            if let Err(error) = self.kernel.forget(transfer.link.socket()) {
                if let Some(unsaid) = NOT_MOVED.may_say(now.mono_ms) {
                    tracing::warn!(shard = %self.shard.id(), %error, unsaid, "a connection was dropped because it cannot be moved");
                }
                // Not by dropping the transfer: the shard has to note that the player is gone.
                let at = self.shard.take_back(transfer, now);
                self.shard.on_gone(at, now);
                continue;
            }
            let target = &self.peers[transfer.target().index()];
            let mail = Mail::Transfer(Box::new(transfer), self.kernel.moment());
            if let Err(refused) = target.try_send(Priority::Bulk, mail) {
                let Mail::Transfer(transfer, _) = refused else { continue };
                self.take_in(*transfer, false, now);
            }
        }
    }

    /// Sends other shards what there is to say about rooms with outposts.
    pub(super) fn post_shard_messages(&mut self, now: Now) {
        while let Some(shard_message) = self.shard.next_shard_message(now) {
            let (target, priority) = (&self.peers[shard_message.target().index()], shard_message.priority());
            if let Err(Mail::ShardMessage(shard_message)) = target.try_send(priority, Mail::ShardMessage(shard_message))
            {
                self.shard.take_back_shard_message(shard_message, now);
            }
        }
    }

    /// Has the game's backend asked. What finds no place is answered at once.
    pub(super) fn put_questions(&mut self, now: Now) {
        for question in self.shard.take_questions() {
            if let Err((ticket, why)) = self.desk.ask(question) {
                let answer = BackendAnswer::fresh(ticket, Err(why));
                self.shard.on_backend_answer(answer, now);
            }
        }
    }

    /// Takes in a connection that moved here, or that could not move.
    fn take_in(&mut self, transfer: Transfer<Link<K::Socket>>, has_arrived: bool, now: Now) {
        let at = if has_arrived {
            self.shard.receive(transfer, now)
        } else {
            self.shard.take_back(transfer, now)
        };
        let Some(link) = self.shard.link_mut(at) else { return };
        link.arrive();
        // What is already in the socket is reported like what comes later.
        if let Err(error) = self
            .kernel
            .watch(link.channel.socket(), Token::Connection(at), Interest::Read)
        {
            self.warn_of_unwatched(&error, now);
            self.shard.on_gone(at, now);
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
