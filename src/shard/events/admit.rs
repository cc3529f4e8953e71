//! A connection that has just been upgraded.

use crate::protocol::PlayerId;
use crate::room::ConnectionKey;
use crate::session::{Arrival, Session};
use crate::shard::Shard;
use crate::shard::state::connection::Connection;
use crate::shard::state::standing::Standing;
use crate::shard::world::admission::ConnectionPermit;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Takes in a connection that has just been upgraded.
    pub fn admit(&mut self, link: L, arrival: Arrival, permit: Option<ConnectionPermit>, now: Now) -> ConnectionKey {
        let player = PlayerId::from_random(self.random_bytes());
        let mut session = Session::new(player, arrival, self.world.settings.handshake.versions, now.mono_ms);
        let nonce = arrival.binding.map(|terms| {
            let nonce = self.draw_nonce();
            session.bind(&terms, arrival.certificate, &nonce);
            nonce
        });
        let is_admitted = permit.is_some();
        let standing = Standing::present(player, &self.census);
        let connection = Connection::new(link, session, permit, standing, now.mono_ms);
        let at = self.post.connections.insert(connection);
        self.post.counters.connections.add(1);
        self.plan_check(at);
        self.event(now, |shard| {
            if let Some(nonce) = nonce {
                shard.challenge(at, &nonce, now);
            }
            if is_admitted {
                shard.refuse_old_endpoint(at, now);
            }
        });
        at
    }
}
