//! Pending requests, served at the home of their room: taking a seat, watching, coming back.

pub(super) mod come_back;
pub(super) mod guessing;
pub(super) mod join;
pub(super) mod snapshot;
pub(super) mod watch;

use rand_chacha::rand_core::RngCore;

use crate::room::ConnectionKey;
use crate::shard::Shard;
use crate::shard::state::connection::State;
use crate::shard::state::transfer::PendingRequest;
use crate::shard::world::id::ShardId;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Runs a pending request: here if its room's home is here, else by moving the connection there.
    pub(in crate::shard) fn go(&mut self, at: ConnectionKey, pending: PendingRequest, now: Now) {
        let mut next = Some(pending);
        while let Some(pending) = next.take() {
            let target = self.home_of(&pending);
            if target == self.id {
                next = self.run_request(at, &pending, now);
            } else if let Some(connection) = self.post.connections.get_mut(at) {
                connection.state = State::Departing {
                    target,
                    pending: Box::new(pending),
                };
                self.departing.push(at);
            }
        }
    }

    /// Does a pending request that was brought here.
    pub(in crate::shard) fn arrive(&mut self, at: ConnectionKey, pending: &PendingRequest, now: Now) {
        if let Some(next) = self.run_request(at, pending, now) {
            self.go(at, next, now);
        }
    }

    /// The shard that must run a pending request. A room without a code is made on the less loaded of two shards.
    fn home_of(&mut self, pending: &PendingRequest) -> ShardId {
        let world = &self.world;
        pending.home(world).unwrap_or_else(|| {
            let mut draw = || ShardId((self.random.next_u32() % u32::from(world.shards())) as u16);
            let (one, other) = (draw(), draw());
            world.less_loaded(one, other)
        })
    }

    /// Does what a pending request asks for; its room's home is here, as far as it knew. Returns what is to be asked elsewhere.
    fn run_request(&mut self, at: ConnectionKey, pending: &PendingRequest, now: Now) -> Option<PendingRequest> {
        let done = match pending {
            PendingRequest::Join(join) => self.join(at, join, now).map(|()| None),
            PendingRequest::Watch(watch) => self.watch(at, watch, now).map(|()| None),
            PendingRequest::Return(back) => self.give_back_seat(at, back, now),
        };
        match (&done, pending) {
            (Ok(_), PendingRequest::Join(join)) if join.asked_us > 0 => self.timings.note_join(join.asked_us),
            (Ok(_), _) => {}
            (Err(_), PendingRequest::Join(join)) => self.post.counters.note_join_refused(join.room_code.is_none()),
            (Err(_), PendingRequest::Return(_)) => self.post.counters.returns_refused.add(1),
            (Err(_), PendingRequest::Watch(_)) => {}
        }
        done.unwrap_or_else(|why| {
            self.reply(at, &pending.refused(&why), now);
            None
        })
    }
}
