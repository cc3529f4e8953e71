//! What shards tell each other about rooms with outposts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::protocol::{AppId, Dialect, OperationId, PlayerId, Refusal, RoomId};
use crate::room::ConnectionKey;
use crate::session::ClientAddress;
use crate::shard::exchange::bulletin::closed::{Bulletin, BulletinView};
use crate::shard::inbox::Priority;
use crate::shard::state::connection::Connection;
use crate::shard::state::transfer::PendingWatch;
use crate::shard::world::id::ShardId;

/// A message from one shard to another, or to itself. Those to the same shard must arrive in the order in which they
/// were handed out.
#[derive(Debug)]
#[must_use = "a letter that is neither sent nor given back loses what it says"]
pub struct ShardMessage {
    pub(in crate::shard) target: ShardId,
    pub(in crate::shard) body: Body,
}

impl ShardMessage {
    /// One to a room's outpost.
    pub(in crate::shard) const fn to_outpost(target: ShardId, room: RoomId, mail: OutpostMail) -> Self {
        Self {
            target,
            body: Body::ToOutpost { room, mail },
        }
    }

    /// Where it goes.
    #[must_use]
    pub const fn target(&self) -> ShardId {
        self.target
    }

    /// Which part of the inbox it may use: questions and bulletins must leave room for answers and farewells.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        match self.body {
            Body::Ask(_)
            | Body::ToOutpost {
                mail: OutpostMail::Bulletin(_),
                ..
            } => Priority::Bulk,
            _ => Priority::Answer,
        }
    }
}

/// What a shard message says.
#[derive(Debug)]
pub(in crate::shard) enum Body {
    /// To a room's home: somebody here wants to watch.
    Ask(Box<WatchRequest>),
    /// To who asked: it gets no place at an outpost.
    Told {
        at: ConnectionKey,
        player: PlayerId,
        answer: WatchAnswer,
    },
    /// To an outpost: what has to keep its order among what the room says.
    ToOutpost { room: RoomId, mail: OutpostMail },
    /// To a room's home: a spectator wants to leave.
    Leave { room: RoomId, leaver: Requester },
    /// To a room's home: a spectator is gone; the others need not be told if everybody leaves.
    Gone {
        room: RoomId,
        outpost: ShardId,
        player: PlayerId,
        is_untold: bool,
    },
    /// To a room's home: when a spectator was last heard of.
    SignOfLife { room: RoomId, heard_ms: u64 },
}

/// Who waits for an answer, and where.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard) struct Requester {
    pub(in crate::shard) shard: ShardId,
    pub(in crate::shard) at: ConnectionKey,
    pub(in crate::shard) player: PlayerId,
    pub(in crate::shard) dialect: Dialect,
    /// The id under which the request is answered, if it came with one.
    pub(in crate::shard) operation: Option<OperationId>,
}

impl Requester {
    /// A connection of a shard.
    pub(in crate::shard) fn of<L>(shard: ShardId, at: ConnectionKey, connection: &Connection<L>) -> Self {
        Self {
            shard,
            at,
            player: connection.session.player(),
            dialect: connection.session.dialect(),
            operation: connection.operation,
        }
    }
}

/// A wish to watch.
#[derive(Debug)]
pub(in crate::shard) struct WatchRequest {
    pub(in crate::shard) requester: Requester,
    /// Of its peer: what it is refused may count against it.
    pub(in crate::shard) address: ClientAddress,
    pub(in crate::shard) app: Option<AppId>,
    pub(in crate::shard) pending: PendingWatch,
}

impl WatchRequest {
    /// That of a connection of a shard.
    pub(in crate::shard) fn of<L>(
        shard: ShardId,
        at: ConnectionKey,
        connection: &Connection<L>,
        pending: PendingWatch,
    ) -> Self {
        Self {
            requester: Requester::of(shard, at, connection),
            address: connection.session.address(),
            app: connection.session.app().cloned(),
            pending,
        }
    }
}

/// The answer to a wish to watch, if it is not a place at an outpost.
#[derive(Debug)]
pub(in crate::shard) enum WatchAnswer {
    /// There are few enough: come here.
    Come,
    /// It is refused.
    Refused(Refusal),
}

/// What has to keep its order among what a room says.
#[derive(Debug)]
pub(in crate::shard) enum OutpostMail {
    /// What the room says.
    Bulletin(InFlightBulletin),
    /// Somebody has a place now; the frame tells it so.
    Seat {
        at: ConnectionKey,
        player: PlayerId,
        frame: Box<[u8]>,
    },
    /// Somebody has left as it wished; the frame tells it so.
    Left {
        at: ConnectionKey,
        player: PlayerId,
        frame: Box<[u8]>,
    },
    /// Somebody could not leave, because it does not watch any more.
    NotWatching { at: ConnectionKey, player: PlayerId },
    /// The room's authority has removed somebody.
    Removed { player: PlayerId },
    /// The room is gone.
    Closed,
    /// The outpost fell too far behind: whoever is there is closed.
    Cut,
}

/// A bulletin on its way to one outpost. Until it is dropped it counts as on its way.
#[derive(Debug)]
pub(in crate::shard) struct InFlightBulletin {
    bulletin: Bulletin,
    posted_at_ms: u64,
    on_the_way_bytes: Arc<AtomicUsize>,
}

impl InFlightBulletin {
    pub(in crate::shard) fn new(bulletin: Bulletin, on_the_way_bytes: Arc<AtomicUsize>, posted_at_ms: u64) -> Self {
        on_the_way_bytes.fetch_add(bulletin.weight_bytes(), Ordering::Relaxed);
        Self {
            bulletin,
            posted_at_ms,
            on_the_way_bytes,
        }
    }

    pub(in crate::shard) fn read(&self) -> BulletinView<'_> {
        self.bulletin.read()
    }

    pub(in crate::shard) const fn posted_at_ms(&self) -> u64 {
        self.posted_at_ms
    }
}

impl Drop for InFlightBulletin {
    fn drop(&mut self) {
        self.on_the_way_bytes
            .fetch_sub(self.bulletin.weight_bytes(), Ordering::Relaxed);
    }
}
