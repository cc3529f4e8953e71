//! Joining, creating and leaving rooms.

use std::sync::Arc;

use crate::protocol::{ErrorCode, LobbyState, ReconnectToken, Refusal, ServerMessage, fold_name};
use crate::room::{ConnectionKey, JoinRefusal, Member, Newcomer, Room, RoomSettings};
use crate::session::{AccessPolicy, Session};
use crate::shard::Shard;
use crate::shard::refusal::{draining, no_such_room, too_busy};
use crate::shard::state::room_event::RoomNews;
use crate::shard::state::room_key::RoomKey;
use crate::shard::state::transfer::PendingJoin;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Joins or creates the pending request's room.
    pub(in crate::shard) fn join(&mut self, at: ConnectionKey, pending: &PendingJoin, now: Now) -> Result<(), Refusal> {
        let found = match &pending.room_code {
            Some(code) => {
                let connection = self.post.connections.get(at).expect("the connection is being served");
                self.look_up(connection.session.address(), &pending.game_name, code, now)?
            }
            None => None,
        };
        match found {
            Some(room) => self.enter(at, room, pending, now),
            None if pending.join_only => Err(no_such_room()),
            None => self.create(at, pending, now),
        }
    }

    fn enter(&mut self, at: ConnectionKey, room_key: RoomKey, pending: &PendingJoin, now: Now) -> Result<(), Refusal> {
        let world = Arc::clone(&self.world);
        let token = self.draw_token(room_key).expect("found a moment ago");
        let connection = self
            .post
            .connections
            .get_mut(at)
            .expect("the connection is being served");
        let room = self.rooms.get_mut(room_key).expect("found a moment ago");
        let address = connection.session.address();
        let newcomer = newcomer(at, &connection.session, pending, &self.access, token);
        room.join(newcomer, now.mono_ms, now.wall).inspect_err(|refusal| {
            if refusal.is_miss() {
                world.note_miss(address, &self.post.counters, now);
            }
            if *refusal == JoinRefusal::Session {
                self.post.counters.seat_fills_rejected.add(1);
            }
        })?;
        self.take_seat(at, room_key);
        self.note_joined(at, room_key, now);
        self.note_application(room_key);
        let credentials_before = self.post.counters.turn_credentials.get();
        self.post.counters.rooms_joined.add(1);
        self.post.counters.players_joined.add(1);
        let room = self.rooms.get(room_key).expect("found a moment ago");
        let seat = room.roster().seat(at).expect("seated a moment ago");
        let snapshot = world
            .settings
            .snapshot(room, seat.player(), room.lobby_state(), now, &self.post.counters);
        self.post
            .answer(at, &ServerMessage::RoomJoined(snapshot), now.mono_ms, &world.settings);
        let joined = ServerMessage::PlayerJoined {
            player: room.player_info(seat),
        };
        let event = self
            .post
            .announce(room, Some(at), &joined, now.mono_ms, &world.settings);
        self.keep_event(room_key, event);
        self.note_credentials(room_key, credentials_before);
        self.note_gallery_seen(room_key, at);
        self.plan_with_newcomer(room_key, now);
        Ok(())
    }

    fn note_joined(&mut self, at: ConnectionKey, room_key: RoomKey, now: Now) {
        self.note_news(room_key, now, |room| {
            let seat = room.roster().seat(at).expect("seated a moment ago");
            RoomNews::Joined {
                player: seat.player(),
                name: room.player_info(seat).name.into(),
            }
        });
    }

    fn create(&mut self, at: ConnectionKey, pending: &PendingJoin, now: Now) -> Result<(), Refusal> {
        let world = Arc::clone(&self.world);
        if world.is_draining() {
            return Err(draining("connect again for a new room"));
        }
        if world
            .settings
            .rooms
            .refuse_above_busy
            .is_some_and(|most| self.load.busy() > most)
        {
            return Err(too_busy());
        }
        let connection = self.post.connections.get(at).expect("the connection is being served");
        let app = connection.session.app().cloned();
        let terms = self.access.terms(app.as_ref());
        let of_app = terms.and_then(|terms| terms.max_players_per_room);
        let granted = connection.session.grant().and_then(|grant| grant.max_players_per_room);
        let max_players = pending.seats(&connection.session, world.settings.rooms.default_players);
        for (limit, whose) in [(of_app, "this application's"), (granted, "your")] {
            if let Some(limit) = limit.filter(|limit| max_players > *limit) {
                let text = format!("{whose} rooms have at most {limit} players; ask for fewer");
                return Err(Refusal::new(ErrorCode::InvalidMaxPlayers, text));
            }
        }
        let permit = world.ledger.admit_room(
            &pending.game_name,
            app.as_ref().map(|app| (app, terms.and_then(|terms| terms.max_rooms))),
        )?;
        let (code, name) = match &pending.room_code {
            Some(code) => (code.clone(), world.slot_key.hash(&pending.game_name, code)),
            None => self
                .draw_free_code(&pending.game_name)
                .ok_or_else(|| Refusal::new(ErrorCode::RoomCreationFailed, "no free room code was found; try again"))?,
        };
        let settings = RoomSettings {
            id: self.draw_room_id(name.slot()),
            game_name: pending.game_name.clone(),
            code,
            owner: app,
            max_players,
            supports_authority: pending.supports_authority,
            password: pending.password.clone(),
            max_spectators: world.settings.rooms.max_spectators(max_players),
        };
        let token = ReconnectToken::in_slot(name.slot().number(), self.random_bytes());
        let mut room = Room::new(settings, now.mono_ms);
        let connection = self.post.connections.get(at).expect("the connection is being served");
        let newcomer = newcomer(at, &connection.session, pending, &self.access, token);
        room.seat_creator(newcomer, now.mono_ms, now.wall);
        let room_key = self.rooms.insert(room, name, permit);
        self.note_news(room_key, now, |room| RoomNews::Opened {
            max_players: room.max_players(),
        });
        self.take_seat(at, room_key);
        self.note_joined(at, room_key, now);
        if let Some(leader) = self.rooms.get(room_key).and_then(Room::authority) {
            self.note_news(room_key, now, |_| RoomNews::AuthorityMoved { to: Some(leader) });
        }
        self.note_application(room_key);
        let credentials_before = self.post.counters.turn_credentials.get();
        self.post.counters.rooms_created.add(1);
        self.post.counters.players_joined.add(1);
        let room = self.rooms.get(room_key).expect("inserted a moment ago");
        let player = room.roster().seat(at).expect("seated a moment ago").player();
        let snapshot = world
            .settings
            .snapshot(room, player, LobbyState::Waiting, now, &self.post.counters);
        self.post
            .answer(at, &ServerMessage::RoomJoined(snapshot), now.mono_ms, &world.settings);
        self.note_credentials(room_key, credentials_before);
        let promoted = self.lobby_message(room_key);
        self.tell(at, &promoted, now);
        Ok(())
    }
}

fn newcomer<'a>(
    at: ConnectionKey,
    session: &'a Session,
    pending: &'a PendingJoin,
    access: &AccessPolicy,
    token: ReconnectToken,
) -> Newcomer<'a> {
    Newcomer {
        player: session.player(),
        member: Member {
            connection: at,
            dialect: session.dialect(),
        },
        app: session.app(),
        app_seat_limit: access.terms(session.app()).and_then(|terms| terms.max_players_per_room),
        name: &pending.player_name,
        folded_name: fold_name(&pending.player_name).into(),
        password: pending.password.as_ref(),
        epoch: session.newest_epoch() + 1,
        token,
        certificate: session.demanded_certificate(),
        abilities: session.abilities(),
    }
}
