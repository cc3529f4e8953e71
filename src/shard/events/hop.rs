//! Moving a live connection to the shard where its room lives.
//!
//! The caller stops reading the socket first, then [extracts](Shard::extract) the connection and sends it. Whatever
//! arrives in between stays in the link, in order. A transfer that was refused is [taken back](Shard::take_back).

use crate::room::ConnectionKey;
use crate::shard::Shard;
use crate::shard::refusal::overloaded;
use crate::shard::state::connection::{Connection, Parts, State};
use crate::shard::state::transfer::{PendingRequest, Transfer};
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Takes out a connection that has to move.
    pub fn extract(&mut self, at: ConnectionKey) -> Option<Transfer<L>> {
        if !self.is_departing(at) {
            return None;
        }
        let Parts {
            link,
            traveller,
            permit,
            standing,
            state,
            knows_of_drain,
        } = self.post.connections.remove(at)?.into_parts();
        let State::Departing { target, pending } = state else {
            unreachable!("checked above")
        };
        self.post.counters.hops_sent.add(1);
        Some(Transfer {
            link,
            traveller,
            standing,
            permit,
            pending,
            knows_of_drain,
            target,
        })
    }

    /// Takes in a connection that moved here, and does what it came for. The caller then serves the bytes in its link.
    pub fn receive(&mut self, transfer: Transfer<L>, now: Now) -> ConnectionKey {
        self.post.counters.hops_received.add(1);
        self.event(now, |shard| {
            let (at, pending) = shard.settle_in(transfer, now);
            shard.arrive(at, &pending, now);
            at
        })
    }

    /// Takes back a connection that the other shard had no room for. The client may try again.
    pub fn take_back(&mut self, transfer: Transfer<L>, now: Now) -> ConnectionKey {
        self.post.counters.hops_refused.add(1);
        self.event(now, |shard| {
            let (at, pending) = shard.settle_in(transfer, now);
            shard.reply(at, &pending.refused(&overloaded()), now);
            at
        })
    }

    fn settle_in(&mut self, transfer: Transfer<L>, now: Now) -> (ConnectionKey, Box<PendingRequest>) {
        let Transfer {
            link,
            traveller,
            standing,
            permit,
            pending,
            knows_of_drain,
            target: _,
        } = transfer;
        let mut connection = Connection::arriving(link, traveller, permit, standing);
        connection.knows_of_drain = knows_of_drain;
        let at = self.post.connections.insert(connection);
        self.plan_check(at);
        self.tell_of_drain(at, now);
        self.dismiss_latecomer(at, now);
        // Even where the socket was full: nobody has asked the kernel here to say when it no longer is.
        self.writable(at);
        (at, pending)
    }
}
