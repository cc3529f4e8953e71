//! Codes of rooms: one that leads here for a new room, another one for a room that has one.
//!
//! Where a code leads is a keyed hash, so codes are drawn until one fits. For a new room a few are enough. A room that gets
//! another code stays in its slot, to which one code in 4,096 leads: such a search goes on over several turns, as many codes
//! in each as all of them together are allowed, and its connection waits for the answer meanwhile. Must never look at a
//! code for longer than its last twelve characters take, however long codes are.

use std::collections::VecDeque;
use std::sync::Arc;

use rand_chacha::rand_core::RngCore;

use crate::protocol::{CodeOrder, ErrorCode, OperationResult, PlayerId, RoomCode};
use crate::room::MemberRef;
use crate::shard::state::connection::{Ask, RoomRef, State};
use crate::shard::state::rooms::Rooms;
use crate::shard::world::World;
use crate::shard::world::slots::{NameHash, NameHashes, SLOT_COUNT, Slot};
use crate::shard::{Now, Shard};

/// How often another code is drawn because a room has it already.
const MAX_TAKEN: usize = 8;

/// How many codes are drawn for a new room, per shard, because they lead to another shard. Missing that often has a chance
/// below 1 in 10²⁷ for any number of shards.
const DRAWS_PER_SHARD: usize = 64;

/// How many codes are drawn for a room that has one, because they lead to another slot. Missing that often has a chance of
/// 1 in 9 million. Where all codes are fewer, each is looked at.
const DRAWS_PER_SEARCH: usize = 16 * SLOT_COUNT;

/// How many codes all such searches together draw in a turn, or twice as many: those that begin take what was left over.
const DRAWS_PER_TURN: usize = 2 * SLOT_COUNT;

/// Drawing codes until one fits.
#[derive(Debug)]
struct Draw {
    order: CodeOrder,
    hashes: NameHashes,
    drawn: usize,
    taken: usize,
}

/// What came of drawing.
enum Drawn {
    /// A free code, with the hash of the name.
    Fits(RoomCode, NameHash),
    /// There is none, or none is found.
    Nothing,
    /// It has to go on.
    NotYet,
}

impl Draw {
    fn new(world: &World, game_name: &str, random: &mut impl FnMut() -> u64) -> Self {
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
    fn go_on(
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
    waiting: VecDeque<Search>,
    draws_left: usize,
}

/// A room that looks for another code, and who asked for it.
#[derive(Debug)]
struct Search {
    at: MemberRef,
    player: PlayerId,
    room: RoomRef,
    draw: Draw,
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
    /// Whether none goes on.
    pub(in crate::shard) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl<L> Shard<L> {
    /// A code that leads to this shard and that no room has.
    pub(in crate::shard) fn draw_free_code(&mut self, game_name: &str) -> Option<(RoomCode, NameHash)> {
        let world = Arc::clone(&self.world);
        let mut draw = Draw::new(&world, game_name, &mut || self.random.next_u64());
        let most = DRAWS_PER_SHARD * usize::from(world.shards());
        let mut budget = most;
        let leads_here = |slot| world.slots.owner(slot) == self.id;
        match draw.go_on(&self.rooms, game_name, (&mut budget, most), leads_here) {
            Drawn::Fits(code, name) => Some((code, name)),
            Drawn::Nothing | Drawn::NotYet => None,
        }
    }

    /// Serves `RegenerateRoomCode`. It is charged as a join: thousands of codes are drawn.
    pub(in crate::shard) fn regenerate_room_code(&mut self, at: MemberRef, now: Now) {
        let Some((room, player)) = self.require_seat(at, now) else {
            return;
        };
        let Some(known) = self.rooms.get(room) else {
            return;
        };
        if let Err(refusal) = known.check_authority(player) {
            return self.refuse(at, &refusal.to_string(), refusal.code(), now);
        }
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        let settings = &self.world.settings;
        let charged = settings.charge_entry(&mut connection.session.allowance, false, now);
        if let Err((reason, error_code)) = charged {
            return self.refuse(at, &reason, error_code, now);
        }
        let mut search = Search {
            at,
            player,
            room,
            draw: Draw::new(&self.world, known.game_name(), &mut || self.random.next_u64()),
        };
        let is_first = self.code_searches.is_empty();
        match if is_first {
            self.go_on(&mut search)
        } else {
            Drawn::NotYet
        } {
            Drawn::NotYet => {
                if let Some(connection) = self.post.connections.get_mut(at) {
                    connection.state = State::Asking(Box::new(Ask::NewCode));
                }
                self.code_searches.waiting.push_back(search);
            }
            drawn => self.finish_search(&search, drawn, now),
        }
    }

    /// Goes on with the searches, as far as a turn allows.
    pub(in crate::shard) fn search_codes(&mut self, now: Now) {
        self.search_codes_within(DRAWS_PER_TURN, now);
    }

    /// The same without a bound.
    pub(in crate::shard) fn search_codes_wholly(&mut self, now: Now) {
        self.search_codes_within(usize::MAX, now);
    }

    fn search_codes_within(&mut self, draws: usize, now: Now) {
        self.code_searches.draws_left = draws;
        while let Some(mut search) = self.code_searches.waiting.pop_front() {
            let connection = self.post.connections.get(search.at);
            let waits = connection
                .is_some_and(|known| matches!(&known.state, State::Asking(ask) if matches!(**ask, Ask::NewCode)));
            if !waits {
                continue; // it did not wait
            }
            match self.go_on(&mut search) {
                Drawn::NotYet => return self.code_searches.waiting.push_front(search),
                drawn => {
                    self.answered(search.at, search.player);
                    self.finish_search(&search, drawn, now);
                }
            }
        }
    }

    fn go_on(&mut self, search: &mut Search) -> Drawn {
        let Some(room) = self.rooms.get(search.room) else {
            return Drawn::Nothing;
        };
        // Its own slot: whatever else leads to the room goes on to do so, here and in every later process.
        let slot = Slot::new(room.id().slot());
        let bounds = (&mut self.code_searches.draws_left, DRAWS_PER_SEARCH);
        search
            .draw
            .go_on(&self.rooms, room.game_name(), bounds, |drawn| drawn == slot)
    }

    fn finish_search(&mut self, search: &Search, drawn: Drawn, now: Now) {
        let &Search { at, player, room, .. } = search;
        // The authority may have changed while the search went on.
        let allowed = self.rooms.get(room).map(|known| known.check_authority(player));
        match (drawn, allowed) {
            (_, Some(Err(refusal))) => self.refuse(at, &refusal.to_string(), refusal.code(), now),
            (Drawn::Fits(code, name), Some(Ok(()))) => {
                self.rooms.rename(room, code.clone(), name, now.mono_ms);
                self.answer_operation(at, OperationResult::RoomCodeRegenerated { room_code: &code }, now);
            }
            _ => {
                let advice = "no free room code was found; try again, or open another room";
                self.refuse(at, advice, ErrorCode::InternalError, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::server::{admission_limits, shard_settings};
    use crate::shard::{Flow, SlotKey};

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

    fn host(shard: &mut Shard<()>, now: Now) -> MemberRef {
        let arrival = crate::session::Arrival {
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            endpoint: crate::protocol::ProtocolVersion::V3,
            binding: None,
        };
        let permit = shard
            .world()
            .ledger
            .admit_connection(arrival.address)
            .expect("below the limits");
        let at = shard.admit((), arrival, Some(permit), now);
        for text in [
            r#"{"type":"Authenticate","data":{"app_id":"reef","requested_capabilities":["room_operation_ids"]}}"#,
            r#"{"type":"JoinRoom","data":{"game_name":"tide-pool","player_name":"A"}}"#,
        ] {
            assert_eq!(shard.on_text(at, text, now), Flow::Continue);
        }
        at
    }

    const NOW: Now = Now {
        mono_ms: 1_000,
        wall: crate::protocol::WallTime { unix_nanos: 0 },
    };

    /// A shard of which so many hosts ask for another code, and those who wait for it.
    fn rush(hosts: usize) -> (Shard<()>, Vec<MemberRef>) {
        const REQUEST: &str = r#"{"type":"RoomOperation","data":{"operation_id":"77777777-7777-4777-8777-777777777777",
            "operation":{"type":"RegenerateRoomCode"}}}"#;
        let mut shard = Shard::new(crate::shard::ShardId(0), world(1, 6, None), [9; 32], NOW);
        let hosts: Vec<_> = (0..hosts).map(|_| host(&mut shard, NOW)).collect();
        let asks = |at: &MemberRef| shard.on_text(*at, REQUEST, NOW) == Flow::Suspend;
        let waiting = hosts.into_iter().filter(asks).collect();
        (shard, waiting)
    }

    #[test]
    fn all_searches_of_a_shard_share_what_a_turn_may_draw() {
        let (mut shard, waiting) = rush(50);
        assert_eq!(shard.code_searches.waiting.len(), waiting.len());
        assert!(waiting.len() > 30 && shard.code_searches.draws_left == 0);
        let (mut turns, mut resumed) = (0, 0);
        while !shard.code_searches.is_empty() {
            assert!(shard.has_work());
            let drawn = |shard: &Shard<()>| -> usize {
                let searches = shard.code_searches.waiting.iter();
                searches.map(|search| search.draw.drawn).sum()
            };
            let before = drawn(&shard);
            shard.serve_outposts(NOW);
            assert!(drawn(&shard) <= before + DRAWS_PER_TURN);
            resumed += shard.take_resumed().len();
            turns += 1;
        }
        assert_eq!(resumed, waiting.len(), "each is answered once");
        assert!(turns >= resumed / 8, "{turns} turns for {resumed} searches");
        assert_eq!(shard.counters().refusals.get(), 0);
        assert!(waiting.iter().all(|at| !shard.awaits_shard(*at)));
    }

    #[test]
    fn for_who_does_not_wait_nothing_is_drawn() {
        let (mut shard, waiting) = rush(20);
        assert!(waiting.len() > 5);
        for at in waiting {
            shard.remove(at, NOW);
        }
        shard.serve_outposts(NOW);
        assert!(shard.code_searches.is_empty());
        assert_eq!(shard.code_searches.draws_left, DRAWS_PER_TURN);
    }
}
