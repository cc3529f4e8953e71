//! A connection as its shard holds it.

use super::account::DeliveryAccount;
use super::admission::ConnectionPermit;
use super::outbox::Outbox;
use super::transfer::{Errand, WatchErrand};
use super::{ShardId, Table};
use crate::protocol::{OperationId, RoomId};
use crate::room::MemberRef;
use crate::session::Session;

/// One live connection: its link to the world, its protocol state, and what waits to be sent to it.
#[derive(Debug)]
pub struct Connection<L> {
    /// How to reach the peer. Dropping it ends the connection.
    pub(super) link: L,
    pub(super) session: Session,
    pub(super) outbox: Outbox,
    /// What a connection on version 3 was sent and what it missed.
    pub(super) account: DeliveryAccount,
    /// When it is next told so, if ever.
    pub(super) next_stats_ms: Option<u64>,
    /// The room that the connection is in.
    pub(super) place: Option<Place>,
    pub(super) state: State,
    /// The id of the room operation in service: the next answer takes it.
    pub(super) operation: Option<OperationId>,
    /// Whether the client was told that the process is about to stop.
    pub(super) knows_of_drain: bool,
    /// When it is closed because the process stops.
    pub(super) leaves_at_ms: Option<u64>,
    /// Whether a frame could not be taken and the connection is closed before the turn ends.
    pub(super) is_doomed: bool,
    /// Whether the connection is in the list of those to flush.
    pub(super) is_dirty: bool,
    /// Since when the socket takes nothing; the flush then waits for it to become writable.
    pub(super) stalled_since_ms: Option<u64>,
    /// When the last frame of any kind arrived.
    pub(super) last_inbound_ms: u64,
    /// When the last one arrived that counts as activity: game data that was refused does not.
    pub(super) last_activity_ms: u64,
    /// When the socket last took bytes.
    pub(super) progress_at_ms: u64,
    /// The question whether the peer is there, until any sign of life answers it. Not told by comparing moments: near peers
    /// answer within the millisecond.
    pub(super) probe: Option<Probe>,
    /// The earliest moment at which this connection's deadlines will be looked at.
    pub(super) next_check_ms: u64,
    /// The place in the process-wide count; `None` for a connection that is only told that there is none.
    pub(super) permit: Option<ConnectionPermit>,
}

/// A room's place on its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomRef(pub(super) MemberRef);

/// In which room a connection is, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It has a seat.
    Seated(RoomRef),
    /// It watches.
    Watching(RoomRef),
    /// It watches at the outpost that a room has here.
    Posted(RoomId),
}

/// A WebSocket ping that the server sent. Any sign of life answers it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe {
    pub(super) sent_at_ms: u64,
}

/// How a connection stands.
#[derive(Debug)]
pub(super) enum State {
    /// Messages are served.
    Open,
    /// About to move to another shard; messages wait.
    Departing { target: ShardId, errand: Box<Errand> },
    /// A room's home was asked something; messages wait.
    Asking(Box<Ask>),
    /// A close frame is queued or sent; messages are ignored.
    Closing { gives_up_at_ms: u64, peer_has_closed: bool },
}

/// What a room's home was asked.
#[derive(Debug)]
pub(super) enum Ask {
    /// Where there is a place to watch from.
    Watch(WatchErrand),
    /// To let the connection leave its outpost.
    Leave,
}

impl<L> Connection<L> {
    pub(super) fn new(
        link: L,
        session: Session,
        outbox: Outbox,
        permit: Option<ConnectionPermit>,
        now_ms: u64,
    ) -> Self {
        Self {
            link,
            session,
            outbox,
            account: DeliveryAccount::default(),
            next_stats_ms: None,
            place: None,
            state: State::Open,
            operation: None,
            knows_of_drain: false,
            leaves_at_ms: None,
            is_doomed: false,
            is_dirty: false,
            stalled_since_ms: None,
            last_inbound_ms: now_ms,
            last_activity_ms: now_ms,
            progress_at_ms: now_ms,
            probe: None,
            next_check_ms: u64::MAX,
            permit,
        }
    }

    pub(super) const fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing { .. })
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }
}

/// Every connection of a shard.
pub(super) type Connections<L> = Table<Connection<L>>;
