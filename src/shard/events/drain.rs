//! Letting everybody go because the process stops: first the notice, then closes that do not come in one instant.

use ahash::AHashMap;
use rand_chacha::rand_core::RngCore;

use crate::protocol::CloseCode;
use crate::protocol::server_message::GoingAway;
use crate::room::ConnectionKey;
use crate::shard::Shard;
use crate::shard::state::connection::Connection;
use crate::shard::state::standing::Place;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Notes that the process is about to stop, and tells everybody who reads version 3 that connections will be closed
    /// from `grace_ms` from now on. Who arrives later is told then. Only the first announcement counts.
    pub fn announce_drain(&mut self, grace_ms: u64, now: Now) {
        self.world.begin_drain();
        if self.drain.notice.is_some() {
            return;
        }
        self.drain.notice = Some(GoingAway {
            deadline_ms: now.wall.unix_ms().saturating_add(grace_ms),
            retry_after_secs: (grace_ms > 0).then_some((grace_ms / 1_000).max(1)),
        });
        self.event(now, |shard| {
            for at in shard.everybody() {
                shard.tell_of_drain(at, now);
            }
        });
    }

    /// Closes everybody within `span_ms`, each room at a moment of its own so that its game does not crumble, and each
    /// connection without a room likewise: so those who connect again do not all come at once. Who arrives later is closed
    /// within what is left of the span.
    pub fn dismiss_within(&mut self, span_ms: u64, now: Now) {
        self.world.begin_drain();
        self.drain.last_close_ms = Some(now.mono_ms.saturating_add(span_ms));
        let (mut moments, mut moments_afar) = (AHashMap::new(), AHashMap::new());
        for at in self.everybody() {
            let place = self.post.connections.get(at).and_then(Connection::place);
            let drawn_ms = self.draw_dismissal_ms(now);
            let leaves_at_ms = match place {
                Some(Place::Seated(room) | Place::Watching(room)) => *moments.entry(room).or_insert(drawn_ms),
                Some(Place::Posted(room)) => *moments_afar.entry(room).or_insert(drawn_ms),
                None => drawn_ms,
            };
            self.dismiss_at(at, leaves_at_ms);
        }
    }

    /// Gives a connection that arrived while everybody is being closed a moment too.
    pub(in crate::shard) fn dismiss_latecomer(&mut self, at: ConnectionKey, now: Now) {
        if self.drain.last_close_ms.is_some() {
            let leaves_at_ms = self.draw_dismissal_ms(now);
            self.dismiss_at(at, leaves_at_ms);
        }
    }

    fn draw_dismissal_ms(&mut self, now: Now) -> u64 {
        let left_ms = self.drain.last_close_ms.unwrap_or(0).saturating_sub(now.mono_ms);
        now.mono_ms.saturating_add(self.random.next_u64() % left_ms.max(1))
    }

    fn dismiss_at(&mut self, at: ConnectionKey, leaves_at_ms: u64) {
        if let Some(connection) = self.post.connections.get_mut(at) {
            connection.leaves_at_ms = Some(leaves_at_ms);
            self.plan_check(at);
        }
    }

    /// Closes a connection because the process stops. Its room mates are not told: they leave too.
    pub(in crate::shard) fn dismiss(&mut self, at: ConnectionKey, now: Now) {
        let before = std::mem::replace(&mut self.drain.leaves_untold, true);
        self.close(at, CloseCode::ServerShutdown, None, now);
        self.drain.leaves_untold = before;
    }

    /// Closes everybody at once because the process stops.
    pub fn close_all(&mut self, now: Now) {
        self.world.begin_drain();
        self.drain.leaves_untold = true;
        self.event(now, |shard| {
            for at in shard.everybody() {
                shard.dismiss(at, now);
            }
        });
    }

    fn everybody(&self) -> Vec<ConnectionKey> {
        self.post.connections.iter().map(|(at, _)| at).collect()
    }
}
