//! What becomes of connections, noted for the operator. Decides nothing and tells no client anything.

use super::Shard;
use crate::room::ConnectionKey;
use crate::session::Session;
use crate::shard::world::now::Now;
use crate::shard::world::refusals::{RefusalReason, Refused};

impl<L> Shard<L> {
    /// Notes that a connection is refused something.
    pub(super) fn note_refusal(&self, at: ConnectionKey, reason: RefusalReason, told: &str, now: Now) {
        let session = self.post.connections.get(at).map(|connection| &connection.session);
        let who = Refused {
            address: session.map(Session::address),
            app: session.and_then(Session::app),
            player: session.map(Session::player),
            told,
            ..Refused::default()
        };
        self.world.refusals.note(reason, &who, now.mono_ms);
    }
}
