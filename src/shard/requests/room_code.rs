//! `RegenerateRoomCode`, and the searches that go on over several turns.

use rand_chacha::rand_core::RngCore;

use crate::protocol::{ErrorCode, OperationResult, Refusal};
use crate::room::ConnectionKey;
use crate::shard::Shard;
use crate::shard::state::code_search::{DRAWS_PER_SEARCH, DRAWS_PER_TURN, Draw, Drawn, Search};
use crate::shard::state::connection::{Ask, State};
use crate::shard::world::now::Now;
use crate::shard::world::slots::Slot;

impl<L> Shard<L> {
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

    /// Serves `RegenerateRoomCode`. It is charged as a join: thousands of codes are drawn.
    pub(in crate::shard) fn regenerate_room_code(&mut self, at: ConnectionKey, now: Now) {
        let Some((room, player)) = self.require_seat(at, now) else {
            return;
        };
        let Some(known) = self.rooms.get(room) else {
            return;
        };
        if let Err(refusal) = known.check_authority(player) {
            return self.refuse(at, refusal, now);
        }
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        let settings = &self.world.settings;
        let charged = settings.charge_entry(&mut connection.session.allowance, false, &self.post.counters, now);
        if let Err(refusal) = charged {
            return self.refuse(at, refusal, now);
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

    fn finish_search(&mut self, search: &Search, drawn: Drawn, now: Now) {
        let &Search { at, player, room, .. } = search;
        // The authority may have changed while the search went on.
        let allowed = self.rooms.get(room).map(|known| known.check_authority(player));
        match (drawn, allowed) {
            (_, Some(Err(refusal))) => self.refuse(at, refusal, now),
            (Drawn::Fits(code, name), Some(Ok(()))) => {
                self.rooms.rename(room, code.clone(), name, now.mono_ms);
                self.post.counters.codes_changed.add(1);
                self.answer_operation(at, OperationResult::RoomCodeRegenerated { room_code: &code }, now);
            }
            _ => {
                let advice = "no free room code was found; try again, or open another room";
                self.refuse(at, Refusal::new(ErrorCode::InternalError, advice), now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::server::{admission_limits, shard_settings};
    use crate::shard::state::code_search::DRAWS_PER_TURN;
    use crate::shard::{Flow, ShardId, SlotKey, World};

    fn host(shard: &mut Shard<()>, now: Now) -> ConnectionKey {
        let arrival = crate::session::Arrival {
            request_id: uuid::Uuid::nil(),
            address: crate::session::ClientAddress::own(std::net::Ipv4Addr::LOCALHOST.into()),
            endpoint: crate::protocol::ProtocolVersion::V3,
            binding: None,
            certificate: None,
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
        mono_us: 1_000_000,
        wall: crate::protocol::WallTime { unix_nanos: 0 },
    };

    /// A shard of which so many hosts ask for another code, and those who wait for it.
    fn rush(hosts: usize) -> (Shard<()>, Vec<ConnectionKey>) {
        const REQUEST: &str = r#"{"type":"RoomOperation","data":{"operation_id":"77777777-7777-4777-8777-777777777777",
            "operation":{"type":"RegenerateRoomCode"}}}"#;
        let config = Config::default();
        let settings = shard_settings(&config).expect("a valid configuration");
        let world = World::new(settings, admission_limits(&config), 1, SlotKey::new([7; 16]));
        let mut shard = Shard::new(ShardId(0), world, [9; 32], NOW);
        let hosts: Vec<_> = (0..hosts).map(|_| host(&mut shard, NOW)).collect();
        let asks = |at: &ConnectionKey| shard.on_text(*at, REQUEST, NOW) == Flow::Suspend;
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
            shard.serve_waiting(NOW);
            assert!(drawn(&shard) <= before + DRAWS_PER_TURN);
            resumed += shard.take_resumed().len();
            turns += 1;
        }
        assert_eq!(resumed, waiting.len(), "each is answered once");
        assert!(turns >= resumed / 8, "{turns} turns for {resumed} searches");
        assert_eq!(shard.world().refusals.total(), 0);
        assert!(waiting.iter().all(|at| !shard.awaits_shard(*at)));
    }

    #[test]
    fn for_who_does_not_wait_nothing_is_drawn() {
        let (mut shard, waiting) = rush(20);
        assert!(waiting.len() > 5);
        for at in waiting {
            shard.remove(at, NOW);
        }
        shard.serve_waiting(NOW);
        assert!(shard.code_searches.is_empty());
        assert_eq!(shard.code_searches.draws_left, DRAWS_PER_TURN);
    }
}
