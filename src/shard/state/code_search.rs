//! Codes of rooms: one that leads here for a new room, another one for a room that has one.
//!
//! Where a code leads is a keyed hash, so codes are drawn until one fits. For a new room a few are enough. A room that gets
//! another code stays in its slot, to which one code in 4,096 leads: such a search goes on over several turns, as many codes
//! in each as all of them together are allowed, and its connection waits for the answer meanwhile. Must never look at a
//! code for longer than its last twelve characters take, however long codes are.

use std::collections::VecDeque;

use crate::protocol::{CodeOrder, PlayerId, RoomCode};
use crate::room::ConnectionKey;
use crate::shard::state::room_key::RoomKey;
use crate::shard::state::rooms::Rooms;
use crate::shard::world::World;
use crate::shard::world::slots::{NameHash, NameHashes, SLOT_COUNT, Slot};

/// How often another code is drawn because a room has it already.
pub(in crate::shard) const MAX_TAKEN: usize = 8;

/// How many codes are drawn for a new room, per shard, because they lead to another shard. Missing that often has a chance
/// below 1 in 10²⁷ for any number of shards.
pub(in crate::shard) const DRAWS_PER_SHARD: usize = 64;

/// How many codes are drawn for a room that has one, because they lead to another slot. Missing that often has a chance of
/// 1 in 9 million. Where all codes are fewer, each is looked at.
pub(in crate::shard) const DRAWS_PER_SEARCH: usize = 16 * SLOT_COUNT;

/// How many codes all such searches together draw in a turn, or twice as many: those that begin take what was left over.
pub(in crate::shard) const DRAWS_PER_TURN: usize = 2 * SLOT_COUNT;

/// Drawing codes until one fits.
#[derive(Debug)]
pub(in crate::shard) struct Draw {
    pub(in crate::shard) order: CodeOrder,
    pub(in crate::shard) hashes: NameHashes,
    pub(in crate::shard) drawn: usize,
    pub(in crate::shard) taken: usize,
}

/// What came of drawing.
pub(in crate::shard) enum Drawn {
    /// A free code, with the hash of the name.
    Fits(RoomCode, NameHash),
    /// There is none, or none is found.
    Nothing,
    /// It has to go on.
    NotYet,
}

impl Draw {
    pub(in crate::shard) fn new(world: &World, game_name: &str, random: &mut impl FnMut() -> u64) -> Self {
        let rules = &world.settings.rooms;
        let order = CodeOrder::new(rules.code_length, rules.code_prefix.as_deref(), random);
        Self {
            hashes: world.slot_key.hash_names(game_name, order.stem()),
            order,
            drawn: 0,
            taken: 0,
        }
    }

    /// Draws from a budget until a code fits that no room has; not more than `most` in all.
    pub(in crate::shard) fn go_on(
        &mut self,
        rooms: &Rooms,
        game_name: &str,
        (budget, most): (&mut usize, usize),
        fits: impl Fn(Slot) -> bool,
    ) -> Drawn {
        while *budget > 0 {
            if self.drawn == most || self.taken == MAX_TAKEN {
                return Drawn::Nothing;
            }
            let Some(tail) = self.order.next_tail() else {
                return Drawn::Nothing;
            };
            *budget -= 1;
            self.drawn += 1;
            let name = self.hashes.ending(tail);
            if !fits(name.slot()) {
                continue;
            }
            let code = self.order.code();
            if rooms.find(name, game_name, &code).is_none() {
                return Drawn::Fits(code, name);
            }
            self.taken += 1;
        }
        Drawn::NotYet
    }
}

/// The rooms of one shard that look for another code, and what they may still draw in this turn.
#[derive(Debug)]
pub(in crate::shard) struct CodeSearches {
    /// First come, first served; at most one per seated connection.
    pub(in crate::shard) waiting: VecDeque<Search>,
    pub(in crate::shard) draws_left: usize,
}

/// A room that looks for another code, and who asked for it.
#[derive(Debug)]
pub(in crate::shard) struct Search {
    pub(in crate::shard) at: ConnectionKey,
    pub(in crate::shard) player: PlayerId,
    pub(in crate::shard) room: RoomKey,
    pub(in crate::shard) draw: Draw,
}

impl Default for CodeSearches {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            draws_left: DRAWS_PER_TURN,
        }
    }
}

impl CodeSearches {
    /// Whether none goes on, and whoever begins has a whole turn's draws.
    pub(in crate::shard) fn is_rested(&self) -> bool {
        self.waiting.is_empty() && self.draws_left == DRAWS_PER_TURN
    }

    /// Whether none goes on.
    pub(in crate::shard) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::server::{admission_limits, shard_settings};
    use crate::shard::SlotKey;
    use std::sync::Arc;

    fn world(shards: u16, code_length: usize, prefix: Option<&str>) -> Arc<World> {
        let mut config = Config::default();
        config.protocol.room_code_length = code_length;
        config.server.room_code_prefix = prefix.map(Into::into);
        let settings = shard_settings(&config).expect("a valid configuration");
        World::new(settings, admission_limits(&config), shards, SlotKey::new([7; 16]))
    }

    fn draw(world: &World) -> Draw {
        let mut words = [3, 5].into_iter().cycle();
        Draw::new(world, "tide-pool", &mut || words.next().expect("no end"))
    }

    #[test]
    fn a_search_stops_when_its_budget_is_spent_and_goes_on_where_it_stopped() {
        let world = world(1, 6, None);
        let (mut draw, rooms) = (draw(&world), Rooms::default());
        for round in 1..=16 {
            let mut budget = SLOT_COUNT;
            let drawn = draw.go_on(&rooms, "tide-pool", (&mut budget, DRAWS_PER_SEARCH), |_| false);
            assert!(matches!(drawn, Drawn::NotYet));
            assert_eq!((budget, draw.drawn), (0, round * SLOT_COUNT));
        }
        let mut budget = SLOT_COUNT;
        let drawn = draw.go_on(&rooms, "tide-pool", (&mut budget, DRAWS_PER_SEARCH), |_| true);
        assert!(matches!(drawn, Drawn::Nothing), "it ends some day");
        assert_eq!(budget, SLOT_COUNT);
    }

    #[test]
    fn where_codes_are_few_each_is_looked_at_once_and_no_more() {
        let world = world(1, 6, Some("REEF"));
        let (mut draw, mut budget) = (draw(&world), usize::MAX);
        let seen = std::cell::RefCell::new(Vec::new());
        let look = |slot| {
            seen.borrow_mut().push(slot);
            false
        };
        let bounds = (&mut budget, DRAWS_PER_SEARCH);
        let drawn = draw.go_on(&Rooms::default(), "tide-pool", bounds, look);
        assert!(matches!(drawn, Drawn::Nothing));
        assert_eq!(seen.borrow().len(), 32 * 32);
    }

    #[test]
    fn what_is_drawn_is_a_code_that_leads_where_it_was_wanted() {
        for length in [4, 6, 40] {
            let world = world(3, length, Some("EU"));
            let mut draw = draw(&world);
            let (rooms, wanted, mut budget) = (Rooms::default(), Slot::new(77), usize::MAX);
            let drawn = draw.go_on(&rooms, "tide-pool", (&mut budget, usize::MAX), |slot| {
                length == 4 || slot == wanted
            });
            let Drawn::Fits(code, name) = drawn else {
                panic!("codes of {length} characters")
            };
            assert_eq!(RoomCode::parse(code.as_str(), length), Ok(code.clone()));
            assert!(code.as_str().starts_with("EU"));
            assert_eq!(name, world.slot_key.hash("tide-pool", &code));
            assert!(length == 4 || name.slot() == wanted);
        }
    }
}
