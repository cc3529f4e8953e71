//! Going on where a frozen shard stopped.

use ahash::AHashMap;

use super::{FrozenConnection, FrozenRoom, FrozenShard, FrozenState, Portion};
use crate::clock::{ClockChange, Moments};
use crate::protocol::{PlayerId, RoomId};
use crate::room::MemberRef;
use crate::shard::connection::{Connection, RoomRef, State};
use crate::shard::{Errand, Now, Shard};

/// What is still to be done with a connection once everybody is in place.
enum Next {
    Nothing,
    End,
    Pursue(Box<Errand>),
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
    ) -> Vec<MemberRef> {
        let Portion { shard, mut frozen } = portion;
        assert_eq!(shard, self.id, "a portion is dealt to one shard");
        frozen.change_clock(ClockChange::thaw(now.mono_ms));
        let FrozenShard {
            rooms,
            connections,
            next_sweep_ms,
        } = frozen;
        self.next_sweep_ms = self.next_sweep_ms.min(next_sweep_ms);
        let rooms = self.thaw_rooms(rooms);
        let mut places = AHashMap::with_capacity(connections.len());
        let mut thawed = Vec::with_capacity(connections.len());
        for mut connection in connections {
            let room = connection.room.take().and_then(|id| rooms.get(&id).copied());
            let player = connection.session.player();
            if let Some((at, next)) = self.thaw_connection(connection, room, &mut link_of) {
                places.insert(player, at);
                thawed.push((at, next));
            }
        }
        let vacant: Vec<_> = rooms.values().flat_map(|room| self.relink(*room, &places)).collect();
        self.world.publish_load(self.id, self.rooms.members());
        for (at, room) in vacant {
            self.free_seat(at, room, now);
        }
        let mut taken_in = Vec::with_capacity(thawed.len());
        for (at, next) in thawed {
            // Even where the socket was full: nobody has asked the kernel yet to say when it no longer is.
            self.writable(at);
            self.plan_check(at);
            match next {
                Next::Nothing => {}
                Next::End => self.ended.push(at),
                Next::Pursue(errand) => self.pursue(at, *errand, now),
            }
            taken_in.push(at);
        }
        self.settle(now);
        taken_in
    }

    fn thaw_rooms(&mut self, rooms: Vec<FrozenRoom>) -> AHashMap<RoomId, RoomRef> {
        let mut places = AHashMap::with_capacity(rooms.len());
        for FrozenRoom { room, counted_for } in rooms {
            let permit = self.world.ledger.restore_room(room.game_name(), counted_for);
            places.insert(room.id(), self.rooms.insert(room, permit));
        }
        places
    }

    fn thaw_connection<R>(
        &mut self,
        frozen: FrozenConnection<R>,
        room: Option<RoomRef>,
        link_of: &mut impl FnMut(R) -> Option<L>,
    ) -> Option<(MemberRef, Next)> {
        let FrozenConnection {
            link,
            session,
            outbox,
            room: _,
            state,
            stalled_since_ms,
            last_inbound_ms,
        } = frozen;
        let link = link_of(link)?;
        let (state, next) = match state {
            FrozenState::Open => (State::Open, Next::Nothing),
            FrozenState::Departing(errand) => (State::Open, Next::Pursue(errand)),
            FrozenState::Closing {
                gives_up_at_ms,
                peer_has_closed,
            } => {
                let is_over = peer_has_closed && outbox.is_empty();
                let state = State::Closing {
                    gives_up_at_ms,
                    peer_has_closed,
                };
                (state, if is_over { Next::End } else { Next::Nothing })
            }
        };
        let permit = self.world.ledger.restore_connection(session.address());
        let mut connection = Connection::new(link, session, outbox, permit, last_inbound_ms);
        connection.room = room;
        connection.state = state;
        connection.stalled_since_ms = stalled_since_ms;
        self.post.counters.connections.add(1);
        Some((self.post.connections.insert(connection), next))
    }

    /// Points a room's seats at its members' new places. Returns the seats of those who are not here, under references
    /// that find nothing.
    fn relink(&mut self, room: RoomRef, places: &AHashMap<PlayerId, MemberRef>) -> Vec<(MemberRef, RoomRef)> {
        let mut vacant = Vec::new();
        let Some(seats) = self.rooms.get_mut(room) else {
            return vacant;
        };
        seats.relink(|player| {
            places.get(&player).copied().unwrap_or_else(|| {
                let nowhere = MemberRef {
                    index: u32::MAX - vacant.len() as u32,
                    generation: u32::MAX,
                };
                vacant.push((nowhere, room));
                nowhere
            })
        });
        let members = seats.roster().len();
        for _ in 0..members {
            self.rooms.count_member(true);
        }
        vacant
    }
}
