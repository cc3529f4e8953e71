//! Errands, done at the home of their room: taking a seat, watching, coming back.

pub(super) mod come_back;
pub(super) mod join;
pub(super) mod snapshot;
pub(super) mod watch;

use rand_chacha::rand_core::RngCore;

use crate::room::MemberRef;
use crate::shard::Shard;
use crate::shard::state::connection::State;
use crate::shard::state::transfer::Errand;
use crate::shard::world::id::ShardId;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Runs an errand: here if its room's home is here, else by moving the connection there.
    pub(in crate::shard) fn go(&mut self, at: MemberRef, errand: Errand, now: Now) {
        let mut next = Some(errand);
        while let Some(errand) = next.take() {
            let target = self.home_of(&errand);
            if target == self.id {
                next = self.run_errand(at, &errand, now);
            } else if let Some(connection) = self.post.connections.get_mut(at) {
                connection.state = State::Departing {
                    target,
                    errand: Box::new(errand),
                };
                self.departing.push(at);
            }
        }
    }

    /// Does an errand that was brought here.
    pub(in crate::shard) fn arrive(&mut self, at: MemberRef, errand: &Errand, now: Now) {
        if let Some(next) = self.run_errand(at, errand, now) {
            self.go(at, next, now);
        }
    }

    /// The shard that must run an errand. A room without a code is made on the less loaded of two shards.
    fn home_of(&mut self, errand: &Errand) -> ShardId {
        let world = &self.world;
        errand.home(world).unwrap_or_else(|| {
            let mut draw = || ShardId((self.random.next_u32() % u32::from(world.shards())) as u16);
            let (one, other) = (draw(), draw());
            world.less_loaded(one, other)
        })
    }

    /// Does what an errand asks for; its room's home is here, as far as it knew. Returns what is to be asked elsewhere.
    fn run_errand(&mut self, at: MemberRef, errand: &Errand, now: Now) -> Option<Errand> {
        let done = match errand {
            Errand::Join(join) => self.join(at, join, now).map(|()| None),
            Errand::Watch(watch) => self.watch(at, watch, now).map(|()| None),
            Errand::Return(back) => self.give_back_seat(at, back, now),
        };
        done.unwrap_or_else(|why| {
            self.reply(at, &errand.refused(&why), now);
            None
        })
    }
}
