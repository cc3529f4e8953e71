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
use crate::protocol::{AppId, RoomId};
use crate::room::Room;
use crate::shard::state::access_wait::HeldRequest;
use crate::shard::state::connection::{Ask, Connection, Parts, State};
use crate::shard::state::room_key::RoomKey;
use crate::shard::state::standing::Place;
use crate::shard::state::transfer::{PendingRequest, Transfer};
use crate::shard::state::traveller::Traveller;
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
    traveller: Traveller,
    place: Option<FrozenPlace>,
    state: FrozenState,
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

/// As [`State`], without the shard that a departing connection was bound for: its pending request leads to the new one.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
enum FrozenState {
    Open,
    Departing(Box<PendingRequest>),
    /// It asked to leave the gallery that it is in.
    LeavingGallery,
    /// The game's backend was asked about this request, and is asked again: its answer comes to nobody.
    AwaitingBackend(Box<HeldRequest>),
    Closing {
        gives_up_at_ms: u64,
        peer_has_closed: bool,
    },
}

impl<L> Shard<L> {
    /// Takes the shard apart. `freeze_link` says what remains of each link.
    ///
    /// Call it between two events, when no transfer is left in the shard's inbox: [receive](Self::receive) those first,
    /// or [add](FrozenShard::add_transfer) them, and no [shard message](Self::has_shard_messages) either, here or on the way: [write](Self::hurry_shard_messages)
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
        let mut ids: AHashMap<RoomKey, RoomId> = AHashMap::new();
        let mut frozen = FrozenShard {
            rooms: Vec::with_capacity(self.rooms.len()),
            connections: Vec::with_capacity(self.post.connections.len()),
            next_sweep_ms: self.sweep.next_ms(),
        };
        for (at, mut room, counted_for) in self.rooms.into_rooms() {
            room.change_clock(change);
            ids.insert(at, room.id());
            frozen.rooms.push(FrozenRoom { room, counted_for });
        }
        for (_, mut connection) in self.post.connections.into_values() {
            connection.give_back_wait(now.mono_ms);
            let connection = FrozenConnection::of(connection, &ids, change, &mut freeze_link);
            frozen.connections.push(connection);
        }
        change.apply(&mut frozen.next_sweep_ms);
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

    /// Adds a connection that was between two shards. Its pending request is run where it thaws.
    pub fn add_transfer<L>(&mut self, transfer: Transfer<L>, now: Now, freeze_link: impl FnOnce(L) -> R) {
        let Transfer {
            link,
            traveller,
            standing,
            permit,
            pending,
            knows_of_drain: _,
            target,
        } = transfer;
        let mut connection = Connection::arriving(link, traveller, permit, standing);
        connection.state = State::Departing { target, pending };
        let change = ClockChange::freeze(now.mono_ms);
        let connection = FrozenConnection::of(connection, &AHashMap::new(), change, freeze_link);
        self.connections.push(connection);
    }
}

impl<R> FrozenConnection<R> {
    fn of<L>(
        mut connection: Connection<L>,
        ids: &AHashMap<RoomKey, RoomId>,
        change: ClockChange,
        freeze_link: impl FnOnce(L) -> R,
    ) -> Self {
        connection.change_clock(change);
        let Parts {
            link,
            traveller,
            permit,
            standing,
            state,
            knows_of_drain: _, // the next process does not stop
        } = connection.into_parts();
        let frozen_place = |place| match place {
            Place::Seated(at) => ids.get(&at).copied().map(FrozenPlace::Seated),
            Place::Watching(at) => ids.get(&at).copied().map(FrozenPlace::Watching),
            Place::Posted(id) => Some(FrozenPlace::Watching(id)),
        };
        Self {
            link: freeze_link(link),
            traveller,
            place: standing.place().and_then(frozen_place),
            state: match state {
                State::Open => FrozenState::Open,
                State::Departing { target: _, pending } => FrozenState::Departing(pending),
                State::Asking(ask) => match *ask {
                    Ask::Watch(pending) => FrozenState::Departing(Box::new(PendingRequest::Watch(pending))),
                    Ask::Leave => FrozenState::LeavingGallery,
                    Ask::Backend(wait) => FrozenState::AwaitingBackend(Box::new(wait.held)),
                    Ask::NewCode => unreachable!("all searches were finished before"),
                },
                State::Closing {
                    gives_up_at_ms,
                    peer_has_closed,
                } => FrozenState::Closing {
                    gives_up_at_ms,
                    peer_has_closed,
                },
            },
            is_admitted: permit.is_some(),
        }
    }
}
