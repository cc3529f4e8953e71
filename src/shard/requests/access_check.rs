//! Requests that are put to the game's backend before they are served: which, and as what question.

use crate::room::ConnectionKey;
use crate::session::{AccessQuestion, CheckRules, Wish};
use crate::shard::Shard;
use crate::shard::state::access_wait::HeldRequest;
use crate::shard::state::connection::{Ask, Connection, State};
use crate::shard::state::transfer::PendingRequest;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Has the backend asked about a request to enter a room, if it is to be. Returns the request if it is served at once.
    pub(in crate::shard) fn ask_about_entry(
        &mut self,
        at: ConnectionKey,
        pending: PendingRequest,
        now: Now,
    ) -> Option<PendingRequest> {
        let Some(rules) = self.access.check else {
            return Some(pending);
        };
        let connection = self.post.connections.get(at)?;
        let general_seats = self.world.settings.rooms.default_players;
        let Some(wish) = connection.wish(&pending, rules, general_seats) else {
            return Some(pending);
        };
        let question = connection.session.question(wish);
        self.ask_backend(at, question, HeldRequest::Entry(pending), now);
        None
    }

    /// Has the backend asked; the connection waits with its request, and whatever it says meanwhile waits behind it.
    pub(in crate::shard) fn ask_backend(
        &mut self,
        at: ConnectionKey,
        question: AccessQuestion,
        held: HeldRequest,
        now: Now,
    ) {
        let timeout_ms = self.access.check.map_or(0, |rules| rules.timeout_ms);
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        let wait = self
            .questions
            .ask((self.id, at), question, held, (now.mono_ms, timeout_ms));
        connection.state = State::Asking(Box::new(Ask::Backend(wait)));
        self.post.counters.access_questions.add(1);
        self.plan_check(at);
    }
}

impl<L> Connection<L> {
    /// What the backend is asked about a request to enter a room; `None`: nothing.
    fn wish(&self, pending: &PendingRequest, rules: CheckRules, general_seats: u8) -> Option<Wish> {
        let player = self.session.player();
        match pending {
            PendingRequest::Join(join) => match &join.room_code {
                None => rules.creates.then(|| Wish::Create {
                    player,
                    game_name: join.game_name.clone(),
                    player_name: join.player_name.clone(),
                    max_players: join.seats(&self.session, general_seats),
                }),
                Some(room_code) => (rules.joins || (rules.creates && !join.join_only)).then(|| Wish::Join {
                    player,
                    game_name: join.game_name.clone(),
                    room_code: room_code.clone(),
                    player_name: join.player_name.clone(),
                    may_create: !join.join_only,
                }),
            },
            PendingRequest::Watch(watch) => rules.joins.then(|| Wish::Watch {
                player,
                game_name: watch.game_name.clone(),
                room_code: watch.room_code.clone(),
                spectator_name: watch.spectator_name.clone(),
            }),
            // The seat was given before, and its token is the proof.
            PendingRequest::Return(_) => None,
        }
    }
}
