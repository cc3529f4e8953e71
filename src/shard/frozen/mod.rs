//! A shard out of time: its rooms and connections as plain data, to be archived and to go on elsewhere.
//!
//! [`Shard::freeze`] takes a shard apart, [`FrozenShard::to_bytes`] and [`FrozenShard::from_bytes`] carry it to another
//! process, [`deal`] splits what came from any number of shards among another number, and [`Shard::thaw`] takes in one
//! [`Portion`] each.
//!
//! Promises: a connection goes on byte for byte, in both directions; what was charged stays charged; what was due in so
//! many milliseconds of running is due in as many, see [`crate::clock`]; what was admitted is never refused.
//! Must never hold a reference into a shard's tables: rooms are named by their ids, members by theirs.

mod archive;
mod deal;
mod sealed;
mod thaw;
mod world;

pub use self::world::FrozenWorld;
pub use archive::ArchiveError;
pub use deal::{Incoherent, Portion, deal};
pub use sealed::{SealedArchive, UnsealError};

use ahash::AHashMap;

use crate::clock::{ClockChange, Moments};
use crate::protocol::{AppId, OperationId, RoomId};
use crate::room::Room;
use crate::session::Session;
use crate::shard::outbox::Outbox;
use crate::shard::outbox::account::DeliveryAccount;
use crate::shard::state::connection::{Ask, Connection, State};
use crate::shard::state::free_rate::FreeRate;
use crate::shard::state::rooms::RoomRef;
use crate::shard::state::standing::Place;
use crate::shard::state::transfer::{Errand, Transfer};
use crate::shard::state::uptake::Uptake;
use crate::shard::{Now, Shard};

/// The rooms and connections of one shard. `R` is what became of a connection's link.
///
/// Holds room passwords and whatever waits to be sent, so it is never printed.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct FrozenShard<R> {
    rooms: Vec<FrozenRoom>,
    connections: Vec<FrozenConnection<R>>,
    next_sweep_ms: u64,
}

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct FrozenRoom {
    room: Room,
    /// The application whose rooms it is counted among.
    counted_for: Option<AppId>,
}

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct FrozenConnection<R> {
    link: R,
    session: Session,
    outbox: Outbox,
    account: DeliveryAccount,
    next_stats_ms: Option<u64>,
    place: Option<FrozenPlace>,
    state: FrozenState,
    operation: Option<OperationId>,
    uptake: Uptake,
    free_rate: FreeRate,
    last_inbound_ms: u64,
    last_activity_ms: u64,
    probe_sent_at_ms: Option<u64>,
    /// Whether it has a place in the process-wide count.
    is_admitted: bool,
}

/// As [`Place`], by the room's id.
#[derive(Debug, Clone, Copy, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
enum FrozenPlace {
    Seated(RoomId),
    Watching(RoomId),
}

impl FrozenPlace {
    const fn room(self) -> RoomId {
        match self {
            Self::Seated(room) | Self::Watching(room) => room,
        }
    }
}

/// As [`State`], without the shard that a departing connection was bound for: its errand leads to the new one.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
enum FrozenState {
    Open,
    Departing(Box<Errand>),
    /// It asked to leave the gallery that it is in.
    LeavingGallery,
    Closing {
        gives_up_at_ms: u64,
        peer_has_closed: bool,
    },
}

impl<L> Shard<L> {
    /// Takes the shard apart. `freeze_link` says what remains of each link.
    ///
    /// Call it between two events, when no transfer is left in the shard's inbox: [receive](Self::receive) those first,
    /// or [add](FrozenShard::add_transfer) them, and no [letter](Self::has_letters) either, here or on the way: [write](Self::hurry_letters)
    /// and deliver them until none is left. Connections that were [over](Self::take_ended) end here; those at outposts thaw at home.
    pub fn freeze<R>(mut self, now: Now, mut freeze_link: impl FnMut(L) -> R) -> FrozenShard<R> {
        self.event(now, |shard| {
            shard.search_codes_wholly(now);
            shard.hurry_news_here(now);
            shard.serve_outposts_wholly(now);
        });
        for at in self.take_ended(usize::MAX) {
            self.remove(at, now);
        }
        debug_assert!(self.places_agree(), "a room and a connection disagree");
        let change = ClockChange::freeze(now.mono_ms);
        let mut ids: AHashMap<RoomRef, RoomId> = AHashMap::new();
        let mut frozen = FrozenShard {
            rooms: Vec::with_capacity(self.rooms.len()),
            connections: Vec::with_capacity(self.post.connections.len()),
            next_sweep_ms: self.sweep.next_ms(),
        };
        for (at, room, counted_for) in self.rooms.into_rooms() {
            ids.insert(at, room.id());
            frozen.rooms.push(FrozenRoom { room, counted_for });
        }
        for (_, connection) in self.post.connections.into_values() {
            let Connection {
                link,
                session,
                outbox,
                account,
                next_stats_ms,
                standing,
                state,
                operation,
                knows_of_drain: _,
                leaves_at_ms: _,
                is_doomed: _,
                is_dirty: _,
                uptake,
                free_rate,
                paced_since_ms: _, // reading goes on, and the time that it was paced with it
                unfinished: _,
                last_inbound_ms,
                last_activity_ms,
                probe,
                next_check_ms: _,
                permit,
            } = connection;
            let frozen_place = |place| match place {
                Place::Seated(at) => ids.get(&at).copied().map(FrozenPlace::Seated),
                Place::Watching(at) => ids.get(&at).copied().map(FrozenPlace::Watching),
                Place::Posted(id) => Some(FrozenPlace::Watching(id)),
            };
            frozen.connections.push(FrozenConnection {
                link: freeze_link(link),
                session,
                outbox,
                account,
                next_stats_ms,
                place: standing.place().and_then(frozen_place),
                state: match state {
                    State::Open => FrozenState::Open,
                    State::Departing { target: _, errand } => FrozenState::Departing(errand),
                    State::Asking(ask) => match *ask {
                        Ask::Watch(errand) => FrozenState::Departing(Box::new(Errand::Watch(errand))),
                        Ask::Leave => FrozenState::LeavingGallery,
                        Ask::NewCode => unreachable!("all searches were finished above"),
                    },
                    State::Closing {
                        gives_up_at_ms,
                        peer_has_closed,
                    } => FrozenState::Closing {
                        gives_up_at_ms,
                        peer_has_closed,
                    },
                },
                operation,
                uptake,
                free_rate,
                last_inbound_ms,
                last_activity_ms,
                probe_sent_at_ms: probe.map(|probe| probe.sent_at_ms),
                is_admitted: permit.is_some(),
            });
        }
        frozen.change_clock(change);
        frozen
    }
}

impl<R> FrozenShard<R> {
    /// How many connections there are.
    #[must_use]
    pub const fn connections(&self) -> usize {
        self.connections.len()
    }

    /// How many rooms there are.
    #[must_use]
    pub const fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// Adds a connection that was between two shards. Its errand is run where it thaws.
    pub fn add_transfer<L>(&mut self, transfer: Transfer<L>, now: Now, freeze_link: impl FnOnce(L) -> R) {
        let Transfer {
            link,
            session,
            outbox,
            account,
            next_stats_ms,
            standing: _,
            permit,
            last_inbound_ms,
            uptake,
            free_rate,
            errand,
            operation,
            knows_of_drain: _,
            target: _,
        } = transfer;
        let mut connection = FrozenConnection {
            link: freeze_link(link),
            session,
            outbox,
            account,
            next_stats_ms,
            place: None,
            state: FrozenState::Departing(errand),
            operation,
            uptake,
            free_rate,
            last_inbound_ms,
            last_activity_ms: last_inbound_ms,
            probe_sent_at_ms: None,
            is_admitted: permit.is_some(),
        };
        connection.change_clock(ClockChange::freeze(now.mono_ms));
        self.connections.push(connection);
    }
}

impl<R> Moments for FrozenShard<R> {
    fn change_clock(&mut self, change: ClockChange) {
        let Self {
            rooms,
            connections,
            next_sweep_ms,
        } = self;
        for FrozenRoom { room, counted_for: _ } in rooms {
            room.change_clock(change);
        }
        for connection in connections {
            connection.change_clock(change);
        }
        change.apply(next_sweep_ms);
    }
}

impl<R> Moments for FrozenConnection<R> {
    fn change_clock(&mut self, change: ClockChange) {
        let Self {
            link: _,
            session,
            outbox,
            account: _,
            next_stats_ms,
            place: _,
            state,
            operation: _,
            uptake,
            free_rate,
            last_inbound_ms,
            last_activity_ms,
            probe_sent_at_ms,
            is_admitted: _,
        } = self;
        session.change_clock(change);
        outbox.change_clock(change);
        uptake.change_clock(change);
        free_rate.change_clock(change);
        match state {
            FrozenState::Open | FrozenState::Departing(_) | FrozenState::LeavingGallery => {}
            FrozenState::Closing {
                gives_up_at_ms,
                peer_has_closed: _,
            } => change.apply(gives_up_at_ms),
        }
        for moment_ms in [next_stats_ms, probe_sent_at_ms].into_iter().flatten() {
            change.apply(moment_ms);
        }
        change.apply(last_inbound_ms);
        change.apply(last_activity_ms);
    }
}
