//! Going on where a frozen shard stopped.

use ahash::AHashMap;

use crate::clock::{ClockChange, Moments};
use crate::protocol::server_message::SpectatorReason;
use crate::protocol::{PlayerId, RoomId};
use crate::room::{ConnectionKey, Watcher};
use crate::shard::frozen::deal::Portion;
use crate::shard::frozen::{FrozenConnection, FrozenPlace, FrozenRoom, FrozenShard, FrozenState};
use crate::shard::state::access_wait::HeldRequest;
use crate::shard::state::connection::{Connection, State};
use crate::shard::state::room_key::RoomKey;
use crate::shard::state::standing::{Place, Standing};
use crate::shard::state::transfer::PendingRequest;
use crate::shard::{Now, Shard};

/// What is still to be done with a connection once everybody is in place.
enum Next {
    Nothing,
    End,
    Pursue(Box<PendingRequest>),
    Leave,
    AskAgain(Box<HeldRequest>),
}

impl<L> Shard<L> {
    /// Takes in a portion of frozen state. `link_of` turns what remained of a link into a link again; where it cannot, the
    /// connection is over and its room mates are told.
    ///
    /// Returns the connections taken in. The caller watches their sockets and serves the bytes that their links have kept,
    /// as after a [hop](Self::receive); those that are [departing](Self::is_departing) first go where they are bound for.
    ///
    /// # Panics
    ///
    /// When the portion is another shard's.
    pub fn thaw<R>(
        &mut self,
        portion: Portion<R>,
        now: Now,
        mut link_of: impl FnMut(R) -> Option<L>,
    ) -> Vec<ConnectionKey> {
        let Portion { shard, frozen } = portion;
        assert_eq!(shard, self.id, "a portion is dealt to one shard");
        let change = ClockChange::thaw(now.mono_ms);
        let FrozenShard {
            rooms,
            connections,
            mut next_sweep_ms,
        } = frozen;
        change.apply(&mut next_sweep_ms);
        self.sweep.hasten(next_sweep_ms);
        let rooms = self.thaw_rooms(rooms, change);
        let mut places = AHashMap::with_capacity(connections.len());
        let mut thawed = Vec::with_capacity(connections.len());
        for mut connection in connections {
            // One that is closing left its place when that began.
            let is_closing = matches!(connection.state, FrozenState::Closing { .. });
            let place = connection.place.take().filter(|_| !is_closing);
            let place = place.and_then(|place| match place {
                FrozenPlace::Seated(id) => rooms.get(&id).copied().map(Place::Seated),
                FrozenPlace::Watching(id) => rooms.get(&id).copied().map(Place::Watching),
            });
            let player = connection.traveller.session.player();
            if let Some((at, next)) = self.thaw_connection(connection, place, change, &mut link_of) {
                // One that is closing may share its id with the connection by which its player came back.
                if place.is_some() {
                    places.insert(player, at);
                }
                thawed.push((at, next));
            }
        }
        let vacant: Vec<_> = rooms.values().flat_map(|room| self.relink(*room, &places)).collect();
        self.event(now, |shard| shard.go_on_thawed(vacant, thawed, now))
    }

    /// Frees the places of those who did not come along, and does what the others were about to do.
    fn go_on_thawed(
        &mut self,
        vacant: Vec<(ConnectionKey, RoomKey)>,
        thawed: Vec<(ConnectionKey, Next)>,
        now: Now,
    ) -> Vec<ConnectionKey> {
        for (at, room) in vacant {
            self.vacate_seat(at, room, false, now);
            self.end_watching(room, Watcher::Here(at), SpectatorReason::Disconnected, None, now);
        }
        let mut taken_in = Vec::with_capacity(thawed.len());
        for (at, next) in thawed {
            // Even where the socket was full: nobody has asked the kernel yet to say when it no longer is.
            self.writable(at);
            self.find_app_meter(at);
            self.plan_check(at);
            match next {
                Next::Nothing => {}
                Next::End => self.ended.push(at),
                Next::Pursue(pending) => self.go(at, *pending, now),
                Next::Leave => self.leave_spectator(at, now),
                Next::AskAgain(held) => self.ask_again(at, *held, now),
            }
            taken_in.push(at);
        }
        taken_in
    }

    fn thaw_rooms(&mut self, rooms: Vec<FrozenRoom>, change: ClockChange) -> AHashMap<RoomId, RoomKey> {
        let mut places = AHashMap::with_capacity(rooms.len());
        for FrozenRoom { mut room, counted_for } in rooms {
            room.change_clock(change);
            let permit = self.world.ledger.restore_room(room.game_name(), counted_for);
            let id = room.id();
            let name = self.world.slot_key.hash(room.game_name(), room.code());
            let at = self.rooms.insert(room, name, permit);
            places.insert(id, at);
        }
        places
    }

    fn thaw_connection<R>(
        &mut self,
        frozen: FrozenConnection<R>,
        place: Option<Place>,
        change: ClockChange,
        link_of: &mut impl FnMut(R) -> Option<L>,
    ) -> Option<(ConnectionKey, Next)> {
        let FrozenConnection {
            link,
            traveller,
            place: _,
            state,
            is_admitted,
        } = frozen;
        let link = link_of(link)?;
        let (state, next) = match state {
            FrozenState::Open => (State::Open, Next::Nothing),
            FrozenState::Departing(pending) => (State::Open, Next::Pursue(pending)),
            FrozenState::LeavingGallery => (State::Open, Next::Leave),
            FrozenState::AwaitingBackend(held) => (State::Open, Next::AskAgain(held)),
            FrozenState::Closing {
                gives_up_at_ms,
                peer_has_closed,
            } => {
                let is_over = peer_has_closed && traveller.outbox.is_empty() && !traveller.link_keeps;
                let state = State::Closing {
                    gives_up_at_ms,
                    peer_has_closed,
                };
                (state, if is_over { Next::End } else { Next::Nothing })
            }
        };
        let permit = is_admitted.then(|| self.world.ledger.restore_connection(traveller.session.address()));
        let standing = match state {
            // Its room was told of its end before it was frozen.
            State::Closing { .. } => Standing::gone(),
            State::Open | State::Departing { .. } | State::Asking(_) => {
                Standing::present(traveller.session.player(), &self.census)
            }
        };
        let mut connection = Connection::arriving(link, traveller, permit, standing);
        connection.state = state;
        connection.change_clock(change);
        if let Some(place) = place {
            connection.occupy(place, &mut self.census);
        }
        self.post.counters.connections.add(1);
        Some((self.post.connections.insert(connection), next))
    }

    /// Points a room at its members' new places. Returns the places of those who are not here, under references
    /// that find nothing.
    fn relink(&mut self, room: RoomKey, places: &AHashMap<PlayerId, ConnectionKey>) -> Vec<(ConnectionKey, RoomKey)> {
        let mut vacant = Vec::new();
        let Some(seats) = self.rooms.get_mut(room) else {
            return vacant;
        };
        seats.relink(|player| {
            places.get(&player).copied().unwrap_or_else(|| {
                let nowhere = ConnectionKey {
                    index: u32::MAX - vacant.len() as u32,
                    generation: u32::MAX,
                };
                vacant.push((nowhere, room));
                nowhere
            })
        });
        vacant
    }
}
