//! A connection as its shard holds it.

use crate::budget::Allowance;
use crate::clock::{ClockChange, Moments};
use crate::protocol::{OperationId, PlayerId};
use crate::room::ConnectionKey;
use crate::session::Session;
use crate::shard::outbox::Outbox;
use crate::shard::outbox::account::DeliveryAccount;
use crate::shard::state::access_wait::AccessWait;
use crate::shard::state::app_meters::AppMeter;
use crate::shard::state::free_rate::FreeRate;
use crate::shard::state::room_key::RoomKey;
use crate::shard::state::standing::{Census, Place, Standing};
use crate::shard::state::table::{Table, table_key};
use crate::shard::state::transfer::{PendingRequest, PendingWatch};
use crate::shard::state::traveller::{Ping, Probe, Traveller, Unfinished};
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
    /// Whether the link has taken bytes that the socket has not.
    pub(in crate::shard) link_keeps: bool,
    /// How the peer takes what it is sent.
    pub(in crate::shard) uptake: Uptake,
    pub(in crate::shard) state: State,
    /// The room that the connection is in. Changed only together with what is counted by it.
    standing: Standing,
    /// Whether a frame could not be taken and the connection is closed before the turn ends.
    pub(in crate::shard) is_close_pending: bool,
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
    /// Where what it relays is counted, if its application is a listed one.
    pub(in crate::shard) app_meter: Option<AppMeter>,
    /// The last ping of the server that was not answered; it is measured only where it was sent.
    pub(in crate::shard) ping: Option<Ping>,
    /// For how long it was not read here because others of its room could not keep up with it.
    pub(in crate::shard) paced_ms: u64,
    /// Whether any frame ever came.
    pub(in crate::shard) has_spoken: bool,
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

/// How a connection stands.
#[derive(Debug)]
pub(in crate::shard) enum State {
    /// Messages are served.
    Open,
    /// About to move to another shard; messages wait.
    Departing {
        target: ShardId,
        pending: Box<PendingRequest>,
    },
    /// Somebody else was asked something that takes its time; messages wait.
    Asking(Box<Ask>),
    /// A close frame is queued or sent; messages are ignored.
    Closing { gives_up_at_ms: u64, peer_has_closed: bool },
}

/// A connection that is taken apart. Whoever does it must say what becomes of each part.
#[derive(Debug)]
pub(in crate::shard) struct Parts<L> {
    pub(in crate::shard) link: L,
    pub(in crate::shard) traveller: Traveller,
    pub(in crate::shard) permit: Option<ConnectionPermit>,
    pub(in crate::shard) standing: Standing,
    pub(in crate::shard) state: State,
    pub(in crate::shard) knows_of_drain: bool,
}

/// What somebody else was asked.
#[derive(Debug)]
pub(in crate::shard) enum Ask {
    /// A room's home, where there is a place to watch from.
    Watch(PendingWatch),
    /// A room's home, to let the connection leave its outpost.
    Leave,
    /// For another code of its room. The home is here, and searches.
    NewCode,
    /// The game's backend, whether a request is to be served.
    Backend(AccessWait),
}

impl<L> Connection<L> {
    /// One that has just been opened.
    pub(in crate::shard) fn new(
        link: L,
        session: Session,
        permit: Option<ConnectionPermit>,
        standing: Standing,
        now_ms: u64,
    ) -> Self {
        Self {
            has_spoken: false,
            ..Self::arriving(link, Traveller::new(session, now_ms), permit, standing)
        }
    }

    /// One that comes from elsewhere, and is open.
    pub(in crate::shard) fn arriving(
        link: L,
        traveller: Traveller,
        permit: Option<ConnectionPermit>,
        standing: Standing,
    ) -> Self {
        let Traveller {
            session,
            outbox,
            link_keeps,
            account,
            uptake,
            free_rate,
            last_inbound_ms,
            last_activity_ms,
            probe,
            unfinished,
            paced_since_ms,
            next_stats_ms,
            operation,
        } = traveller;
        Self {
            outbox,
            link_keeps,
            uptake,
            state: State::Open,
            standing,
            is_close_pending: false,
            is_dirty: false,
            knows_of_drain: false,
            account,
            link,
            free_rate,
            last_inbound_ms,
            last_activity_ms,
            probe,
            app_meter: None,
            ping: None,
            paced_ms: 0,
            has_spoken: true,
            next_check_ms: u64::MAX,
            session,
            next_stats_ms,
            operation,
            leaves_at_ms: None,
            paced_since_ms,
            unfinished,
            permit,
        }
    }

    /// Takes it apart, to go elsewhere. What is left out here begins anew there.
    pub(in crate::shard) fn into_parts(self) -> Parts<L> {
        let Self {
            outbox,
            link_keeps,
            uptake,
            state,
            standing,
            is_close_pending: _, // who is to be closed is closed before the event ends
            is_dirty: _,         // a list of this shard; whoever takes it in offers its socket what waits
            knows_of_drain,
            account,
            link,
            free_rate,
            last_inbound_ms,
            last_activity_ms,
            probe,
            app_meter: _,     // each shard has its own
            ping: _,          // its answer would tell of the move as well
            paced_ms: _,      // what happened here
            has_spoken: _,    // whoever moves, or is worth keeping, has
            next_check_ms: _, // a list of this shard; whoever takes it in plans a look
            session,
            next_stats_ms,
            operation,
            leaves_at_ms: _, // a shard that closes everybody gives a moment to whom it takes in; an archive has none
            paced_since_ms,
            unfinished,
            permit,
        } = self;
        Parts {
            link,
            traveller: Traveller {
                session,
                outbox,
                link_keeps,
                account,
                uptake,
                free_rate,
                last_inbound_ms,
                last_activity_ms,
                probe,
                unfinished,
                paced_since_ms,
                next_stats_ms,
                operation,
            },
            permit,
            standing,
            state,
            knows_of_drain,
        }
    }

    /// The room that it is in, and as what.
    pub(in crate::shard) const fn place(&self) -> Option<Place> {
        self.standing.place()
    }

    /// The room of this shard that it is in.
    pub(in crate::shard) fn home(&self) -> Option<RoomKey> {
        match self.place()? {
            Place::Seated(room_key) | Place::Watching(room_key) => Some(room_key),
            Place::Posted(_) => None,
        }
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

    /// Whether the socket has taken all that there is to say.
    pub(in crate::shard) const fn has_said_all(&self) -> bool {
        self.outbox.is_empty() && !self.link_keeps
    }

    pub(in crate::shard) const fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing { .. })
    }

    /// Whether it waits for its move to another shard, or for an answer.
    pub(in crate::shard) const fn awaits_shard(&self) -> bool {
        matches!(self.state, State::Departing { .. } | State::Asking(_))
    }

    /// Its wait for the game's backend, if that is what it waits for.
    pub(in crate::shard) fn access_wait(&self) -> Option<&AccessWait> {
        match &self.state {
            State::Asking(ask) => match &**ask {
                Ask::Backend(wait) => Some(wait),
                Ask::Watch(_) | Ask::Leave | Ask::NewCode => None,
            },
            State::Open | State::Departing { .. } | State::Closing { .. } => None,
        }
    }

    /// For its timers no time has passed while it waited for the game's backend: it was not read.
    pub(in crate::shard) fn give_back_wait(&mut self, now_ms: u64) {
        if let State::Asking(ask) = &mut self.state
            && let Ask::Backend(wait) = &mut **ask
        {
            let span_ms = now_ms.saturating_sub(wait.since_ms);
            wait.since_ms = now_ms;
            self.session.give_back(span_ms);
            self.last_inbound_ms = now_ms.min(self.last_inbound_ms + span_ms);
            self.last_activity_ms = now_ms.min(self.last_activity_ms + span_ms);
            self.probe = None;
        }
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
            link_keeps: _,
            account: _,
            next_stats_ms,
            standing: _,
            state,
            operation: _,
            knows_of_drain: _,
            leaves_at_ms: _, // the operator's moment, not the peer's
            is_close_pending: _,
            is_dirty: _,
            uptake,
            free_rate,
            paced_since_ms,
            unfinished,
            last_inbound_ms,
            last_activity_ms,
            probe,
            app_meter: _,
            ping: _, // what stood still has taken its time all the same
            paced_ms: _,
            has_spoken: _,
            next_check_ms: _, // what it is compared with is not rewritten
            permit: _,
        } = self;
        session.change_clock(change);
        outbox.change_clock(change);
        uptake.change_clock(change);
        free_rate.change_clock(change);
        match state {
            State::Closing { gives_up_at_ms, .. } => change.apply(gives_up_at_ms),
            State::Asking(ask) => match &mut **ask {
                Ask::Backend(wait) => wait.change_clock(change),
                Ask::Watch(_) | Ask::Leave | Ask::NewCode => {}
            },
            State::Open | State::Departing { .. } => {}
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
pub(in crate::shard) type Connections<L> = Table<ConnectionKey, Connection<L>>;

table_key!(ConnectionKey);
