//! A connection as its shard holds it.

use crate::budget::Allowance;
use crate::clock::{ClockChange, Moments};
use crate::protocol::{OperationId, PlayerId};
use crate::room::MemberRef;
use crate::session::Session;
use crate::shard::outbox::Outbox;
use crate::shard::outbox::account::DeliveryAccount;
use crate::shard::state::free_rate::FreeRate;
use crate::shard::state::standing::{Census, Place, Standing};
use crate::shard::state::table::{Table, TableKey};
use crate::shard::state::transfer::{Errand, WatchErrand};
use crate::shard::state::uptake::Uptake;
use crate::shard::world::admission::ConnectionPermit;
use crate::shard::world::id::ShardId;

/// One live connection: its link to the world, its protocol state, and what waits to be sent to it.
///
/// In this order in memory: what each delivery touches of a receiver comes first and lies together.
#[derive(Debug)]
#[repr(C)]
pub struct Connection<L> {
    pub(in crate::shard) outbox: Outbox,
    /// How the peer takes what it is sent.
    pub(in crate::shard) uptake: Uptake,
    pub(in crate::shard) state: State,
    /// The room that the connection is in. Changed only together with what is counted by it.
    pub(in crate::shard) standing: Standing,
    /// Whether a frame could not be taken and the connection is closed before the turn ends.
    pub(in crate::shard) is_doomed: bool,
    /// Whether the connection is in the list of those to flush.
    pub(in crate::shard) is_dirty: bool,
    /// Whether the client was told that the process is about to stop.
    pub(in crate::shard) knows_of_drain: bool,
    /// What a connection on version 3 was sent and what it missed.
    pub(in crate::shard) account: DeliveryAccount,
    /// How to reach the peer. Dropping it ends the connection.
    pub(in crate::shard) link: L,
    /// How far the client is above what it may always say.
    pub(in crate::shard) free_rate: FreeRate,
    /// When the last frame of any kind arrived.
    pub(in crate::shard) last_inbound_ms: u64,
    /// When the last one arrived that counts as activity: game data that was refused does not.
    pub(in crate::shard) last_activity_ms: u64,
    /// The question whether the peer is there, until any sign of life answers it. Not told by comparing moments: near peers
    /// answer within the millisecond.
    pub(in crate::shard) probe: Option<Probe>,
    /// The earliest moment at which this connection's deadlines will be looked at.
    pub(in crate::shard) next_check_ms: u64,
    pub(in crate::shard) session: Session,
    /// When it is next told so, if ever.
    pub(in crate::shard) next_stats_ms: Option<u64>,
    /// The id of the room operation in service: the next answer takes it.
    pub(in crate::shard) operation: Option<OperationId>,
    /// When it is closed because the process stops.
    pub(in crate::shard) leaves_at_ms: Option<u64>,
    /// Until when its timers have stood still, while it is not read because others of its room cannot keep up with it.
    pub(in crate::shard) paced_since_ms: Option<u64>,
    /// The message of which a part has arrived.
    pub(in crate::shard) unfinished: Option<Unfinished>,
    /// The place in the process-wide count; `None` for a connection that is only told that there is none.
    pub(in crate::shard) permit: Option<ConnectionPermit>,
}

/// A WebSocket ping that the server sent. Any sign of life answers it.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard) struct Probe {
    pub(in crate::shard) sent_at_ms: u64,
}

/// A message of which a part has arrived.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard) struct Unfinished {
    pub(in crate::shard) since_ms: u64,
    /// How long it will be, as far as its frames have said.
    pub(in crate::shard) bytes: usize,
}

impl Unfinished {
    /// The time that any message has, however short.
    const GRACE_MS: u64 = 10_000;
    /// Bytes for each of which a further millisecond is granted: 4 kB a second, less than half of what a slow line with 10 kB/s gives.
    const BYTES_PER_MS: u64 = 4;

    /// When it must be complete. Until then its bytes are signs of life; a trickle is no way to live for ever.
    pub(in crate::shard) const fn deadline_ms(self) -> u64 {
        let granted_ms = Self::GRACE_MS + self.bytes as u64 / Self::BYTES_PER_MS;
        self.since_ms.saturating_add(granted_ms)
    }
}

/// How a connection stands.
#[derive(Debug)]
pub(in crate::shard) enum State {
    /// Messages are served.
    Open,
    /// About to move to another shard; messages wait.
    Departing { target: ShardId, errand: Box<Errand> },
    /// A room's home was asked something that takes its time; messages wait.
    Asking(Box<Ask>),
    /// A close frame is queued or sent; messages are ignored.
    Closing { gives_up_at_ms: u64, peer_has_closed: bool },
}

/// What a room's home was asked.
#[derive(Debug)]
pub(in crate::shard) enum Ask {
    /// Where there is a place to watch from.
    Watch(WatchErrand),
    /// To let the connection leave its outpost.
    Leave,
    /// For another code of its room. The home is here, and searches.
    NewCode,
}

impl<L> Connection<L> {
    pub(in crate::shard) fn new(
        link: L,
        session: Session,
        outbox: Outbox,
        permit: Option<ConnectionPermit>,
        standing: Standing,
        now_ms: u64,
    ) -> Self {
        Self {
            link,
            session,
            outbox,
            account: DeliveryAccount::default(),
            next_stats_ms: None,
            standing,
            state: State::Open,
            operation: None,
            knows_of_drain: false,
            leaves_at_ms: None,
            is_doomed: false,
            is_dirty: false,
            uptake: Uptake::new(now_ms),
            free_rate: FreeRate::default(),
            paced_since_ms: None,
            unfinished: None,
            last_inbound_ms: now_ms,
            last_activity_ms: now_ms,
            probe: None,
            next_check_ms: u64::MAX,
            permit,
        }
    }

    /// The room that it is in, and as what.
    pub(in crate::shard) const fn place(&self) -> Option<Place> {
        self.standing.place()
    }

    /// Notes that it has a place, of which its room knows.
    pub(in crate::shard) fn occupy(&mut self, place: Place, census: &mut Census) {
        self.standing.occupy(place, self.session.player(), census);
    }

    /// Notes that it has no place any more. Returns the one that it had.
    pub(in crate::shard) fn release(&mut self, census: &mut Census) -> Option<Place> {
        self.standing.release(self.session.player(), census)
    }

    /// Notes that it is one who was away and came back; see [`Session::become_player`].
    pub(in crate::shard) fn become_player(
        &mut self,
        player: PlayerId,
        allowance: Allowance,
        epoch: u32,
        census: &Census,
    ) {
        self.standing.change_player(self.session.player(), player, census);
        self.session.become_player(player, allowance, epoch);
    }

    /// Notes that its room was told of its end: its player may come back by another connection.
    pub(in crate::shard) fn go(&mut self, census: &mut Census) {
        self.standing.go(self.session.player(), census);
    }

    pub(in crate::shard) const fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing { .. })
    }

    /// Whether it waits for its move to another shard, or for an answer.
    pub(in crate::shard) const fn awaits_shard(&self) -> bool {
        matches!(self.state, State::Departing { .. } | State::Asking(_))
    }

    pub(in crate::shard) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }
}

impl<L> Moments for Connection<L> {
    fn change_clock(&mut self, change: ClockChange) {
        let Self {
            link: _,
            session,
            outbox,
            account: _,
            next_stats_ms,
            standing: _,
            state,
            operation: _,
            knows_of_drain: _,
            leaves_at_ms: _, // the operator's moment, not the peer's
            is_doomed: _,
            is_dirty: _,
            uptake,
            free_rate,
            paced_since_ms,
            unfinished,
            last_inbound_ms,
            last_activity_ms,
            probe,
            next_check_ms: _, // what it is compared with is not rewritten
            permit: _,
        } = self;
        session.change_clock(change);
        outbox.change_clock(change);
        uptake.change_clock(change);
        free_rate.change_clock(change);
        if let State::Closing { gives_up_at_ms, .. } = state {
            change.apply(gives_up_at_ms);
        }
        let asked_at_ms = probe.as_mut().map(|probe| &mut probe.sent_at_ms);
        let began_at_ms = unfinished.as_mut().map(|unfinished| &mut unfinished.since_ms);
        for moment_ms in [
            next_stats_ms.as_mut(),
            paced_since_ms.as_mut(),
            asked_at_ms,
            began_at_ms,
        ]
        .into_iter()
        .flatten()
        .chain([last_inbound_ms, last_activity_ms])
        {
            change.apply(moment_ms);
        }
    }
}

/// Every connection of a shard.
pub(in crate::shard) type Connections<L> = Table<MemberRef, Connection<L>>;

impl TableKey for MemberRef {
    fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    fn index(self) -> u32 {
        self.index
    }

    fn generation(self) -> u32 {
        self.generation
    }
}
