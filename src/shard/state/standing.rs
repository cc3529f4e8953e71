//! Where a connection stands: in which room it is, and whether its player counts as connected by it.
//!
//! A change of that is a change of the shard's count of members and of the process-wide presence, so it is made here, by
//! both at once. Must never tell anybody: rooms, galleries and outposts keep their own lists, and their words are said above.

use std::sync::Arc;

use crate::protocol::{PlayerId, RoomId};
use crate::shard::state::room_key::RoomKey;
use crate::shard::world::World;
use crate::shard::world::id::ShardId;

/// In which room a connection is, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) enum Place {
    /// It has a seat.
    Seated(RoomKey),
    /// It watches.
    Watching(RoomKey),
    /// It watches at the outpost that a room has here.
    Posted(RoomId),
}

/// How many connections of a shard have a place, and where it is published.
#[derive(Debug)]
pub(in crate::shard) struct Census {
    world: Arc<World>,
    shard: ShardId,
    members: usize,
}

impl Census {
    /// That of a shard without connections.
    pub(in crate::shard) const fn new(world: Arc<World>, shard: ShardId) -> Self {
        Self {
            world,
            shard,
            members: 0,
        }
    }

    /// How many connections have a place.
    pub(in crate::shard) const fn members(&self) -> usize {
        self.members
    }

    /// Lets the other shards know how loaded this one is.
    fn publish(&self) {
        self.world.publish_load(self.shard, self.members);
    }
}

/// Where one connection stands.
#[derive(Debug)]
pub(in crate::shard) struct Standing(Whereabouts);

#[derive(Debug, Clone, Copy)]
enum Whereabouts {
    /// In no room.
    Nowhere,
    In(Place),
    /// Its room was told that it ends; another connection may have its player's id from then on.
    Gone,
}

impl Standing {
    /// That of a connection by which `player` counts as connected from now on.
    pub(in crate::shard) fn present(player: PlayerId, census: &Census) -> Self {
        census.world.presence.arrive(player);
        Self(Whereabouts::Nowhere)
    }

    /// That of a connection which was closing when it was frozen.
    pub(in crate::shard) const fn gone() -> Self {
        Self(Whereabouts::Gone)
    }

    pub(in crate::shard) const fn place(&self) -> Option<Place> {
        match self.0 {
            Whereabouts::In(place) => Some(place),
            Whereabouts::Nowhere | Whereabouts::Gone => None,
        }
    }

    /// Notes that it has a place, of which its room knows.
    pub(in crate::shard) fn occupy(&mut self, place: Place, player: PlayerId, census: &mut Census) {
        debug_assert!(
            matches!(self.0, Whereabouts::Nowhere),
            "{place:?} is given to a connection that is {:?}",
            self.0
        );
        self.0 = Whereabouts::In(place);
        if let Place::Seated(_) = place {
            census.world.presence.sit(player);
        }
        census.members += 1;
        census.publish();
    }

    /// Notes that it has no place any more. Returns the one that it had.
    pub(in crate::shard) fn release(&mut self, player: PlayerId, census: &mut Census) -> Option<Place> {
        let place = self.place()?;
        self.0 = Whereabouts::Nowhere;
        if let Place::Seated(_) = place {
            census.world.presence.rise(player);
        }
        census.members -= 1;
        census.publish();
        Some(place)
    }

    /// Notes that its player goes by another id from now on.
    pub(in crate::shard) fn change_player(&self, from: PlayerId, to: PlayerId, census: &Census) {
        debug_assert!(
            matches!(self.0, Whereabouts::Nowhere),
            "a place is known by its player's id"
        );
        census.world.presence.depart(from);
        census.world.presence.arrive(to);
    }

    /// Notes that its room was told of its end: the player may come back by another connection.
    pub(in crate::shard) fn go(&mut self, player: PlayerId, census: &mut Census) {
        self.release(player, census);
        if !matches!(std::mem::replace(&mut self.0, Whereabouts::Gone), Whereabouts::Gone) {
            census.world.presence.depart(player);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::server::{admission_limits, shard_settings};
    use crate::shard::SlotKey;
    use crate::shard::state::table::TableKey;

    const PLAYER: PlayerId = PlayerId::from_bytes([1; 16]);

    fn world() -> Arc<World> {
        let config = Config::default();
        let settings = shard_settings(&config).expect("a valid configuration");
        World::new(settings, admission_limits(&config), 1, SlotKey::new([7; 16]))
    }

    #[test]
    fn the_count_and_the_presence_follow_every_change_of_place() {
        let world = world();
        let mut census = Census::new(Arc::clone(&world), ShardId(0));
        let known = |census: &Census| {
            assert_eq!(census.members(), world.load(ShardId(0)));
            let presence = &world.presence;
            (census.members(), presence.is_live(PLAYER), presence.is_seated(PLAYER))
        };
        let mut standing = Standing::present(PLAYER, &census);
        assert_eq!(known(&census), (0, true, false));
        let seat = Place::Seated(RoomKey::new(3, 0));
        standing.occupy(seat, PLAYER, &mut census);
        assert_eq!((known(&census), standing.place()), ((1, true, true), Some(seat)));
        assert_eq!(standing.release(PLAYER, &mut census), Some(seat));
        assert_eq!((known(&census), standing.place()), ((0, true, false), None));
        assert_eq!(standing.release(PLAYER, &mut census), None, "once");
        for place in [
            Place::Watching(RoomKey::new(3, 0)),
            Place::Posted(RoomId::in_slot(9, [0; 16])),
        ] {
            standing.occupy(place, PLAYER, &mut census);
            assert_eq!(known(&census), (1, true, false), "who watches has no seat");
            standing.release(PLAYER, &mut census);
        }
        standing.occupy(seat, PLAYER, &mut census);
        standing.go(PLAYER, &mut census);
        assert_eq!((known(&census), standing.place()), ((0, false, false), None));
    }

    #[test]
    fn a_connection_that_is_gone_does_not_take_the_player_with_it_again() {
        let world = world();
        let mut census = Census::new(Arc::clone(&world), ShardId(0));
        let mut first = Standing::present(PLAYER, &census);
        first.go(PLAYER, &mut census);
        let _second = Standing::present(PLAYER, &census);
        first.go(PLAYER, &mut census);
        assert!(world.presence.is_live(PLAYER), "by the second");
        Standing::gone().go(PLAYER, &mut census);
        assert!(world.presence.is_live(PLAYER));
    }
}
