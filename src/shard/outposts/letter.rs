//! What shards tell each other about rooms with outposts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::bulletin::Bulletin;
use crate::protocol::{AppId, Dialect, ErrorCode, OperationId, PlayerId, RoomId};
use crate::room::MemberRef;
use crate::shard::connection::Connection;
use crate::shard::transfer::WatchErrand;
use crate::shard::{Priority, ShardId};

/// A message from one shard to another, or to itself. Letters to the same shard must arrive in the order in which they
/// were handed out.
#[derive(Debug)]
#[must_use = "a letter that is neither sent nor given back loses what it says"]
pub struct Letter {
    pub(super) target: ShardId,
    pub(super) body: Body,
}

impl Letter {
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

/// What a letter says.
#[derive(Debug)]
pub(super) enum Body {
    /// To a room's home: somebody here wants to watch.
    Ask(Box<Application>),
    /// To who asked: it gets no place at an outpost.
    Told {
        at: MemberRef,
        player: PlayerId,
        answer: Answer,
    },
    /// To an outpost: what has to keep its order among what the room says.
    ToOutpost { room: RoomId, mail: OutpostMail },
    /// To a room's home: a spectator wants to leave.
    Leave { room: RoomId, leaver: Asker },
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
pub(in crate::shard) struct Asker {
    pub(super) shard: ShardId,
    pub(super) at: MemberRef,
    pub(super) player: PlayerId,
    pub(super) dialect: Dialect,
    /// The id under which the request is answered, if it came with one.
    pub(super) operation: Option<OperationId>,
}

impl Asker {
    /// A connection of a shard.
    pub(super) fn of<L>(shard: ShardId, at: MemberRef, connection: &Connection<L>) -> Self {
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
pub(super) struct Application {
    pub(super) asker: Asker,
    pub(super) app: Option<AppId>,
    pub(super) errand: WatchErrand,
}

/// The answer to a wish to watch, if it is not a place at an outpost.
#[derive(Debug)]
pub(super) enum Answer {
    /// There are few enough: come here.
    Come,
    /// It is refused.
    Refused { reason: String, error_code: ErrorCode },
}

/// What has to keep its order among what a room says.
#[derive(Debug)]
pub(super) enum OutpostMail {
    /// What the room says.
    Bulletin(Consignment),
    /// Somebody has a place now; the frame tells it so.
    Seat {
        at: MemberRef,
        player: PlayerId,
        frame: Box<[u8]>,
    },
    /// Somebody has left as it wished; the frame tells it so.
    Left {
        at: MemberRef,
        player: PlayerId,
        frame: Box<[u8]>,
    },
    /// Somebody could not leave, because it does not watch any more.
    NotWatching { at: MemberRef, player: PlayerId },
    /// The room's authority has removed somebody.
    Removed { player: PlayerId },
    /// The room is gone.
    Closed,
    /// The outpost fell too far behind: whoever is there is closed.
    Cut,
}

/// A bulletin on its way to one outpost. Until it is dropped it counts as on its way.
#[derive(Debug)]
pub(super) struct Consignment {
    pub(super) bulletin: Arc<Bulletin>,
    pub(super) posted_at_ms: u64,
    on_the_way_bytes: Arc<AtomicUsize>,
}

impl Consignment {
    pub(super) fn new(bulletin: Arc<Bulletin>, on_the_way_bytes: Arc<AtomicUsize>, posted_at_ms: u64) -> Self {
        on_the_way_bytes.fetch_add(bulletin.weight(), Ordering::Relaxed);
        Self {
            bulletin,
            posted_at_ms,
            on_the_way_bytes,
        }
    }
}

impl Drop for Consignment {
    fn drop(&mut self) {
        self.on_the_way_bytes
            .fetch_sub(self.bulletin.weight(), Ordering::Relaxed);
    }
}
