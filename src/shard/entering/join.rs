//! Joining, creating and leaving rooms.

use std::sync::Arc;

use rand_chacha::rand_core::RngCore;

use crate::protocol::server_message::{RoomSnapshot, SpectatorReason};
use crate::protocol::{
    ErrorCode, JoinRoom, LobbyState, PlayerId, ReconnectToken, RoomCode, RoomId, ServerMessage, fold_name,
};
use crate::room::{JoinRefusal, Member, MemberRef, Newcomer, Room, RoomSettings, Watcher};
use crate::session::{AccessPolicy, Session};
use crate::shard::refusal::{Failure, check_password, draining, no_such_room};
use crate::shard::state::connection::{Place, RoomRef, State};
use crate::shard::state::transfer::{Errand, JoinErrand};
use crate::shard::world::counters::CounterSet;
use crate::shard::world::id::ShardId;
use crate::shard::world::settings::Settings;
use crate::shard::world::slots::Slot;
use crate::shard::{Now, Shard};

impl<L> Shard<L> {
    /// Serves `JoinRoom`.
    pub(in crate::shard) fn join_room(&mut self, at: MemberRef, request: JoinRoom, now: Now) {
        match self.check_join(at, request, now) {
            Ok(errand) => self.go(at, Errand::Join(errand), now),
            Err((reason, error_code)) => {
                let reason = &reason;
                self.reply(at, &ServerMessage::RoomJoinFailed { reason, error_code }, now);
            }
        }
    }

    /// Runs an errand: here if its room's home is here, else by moving the connection there.
    pub(in crate::shard) fn go(&mut self, at: MemberRef, errand: Errand, now: Now) {
        let target = self.home_of(&errand);
        if target == self.id {
            self.run_errand(at, &errand, now);
        } else if let Some(connection) = self.post.connections.get_mut(at) {
            connection.state = State::Departing {
                target,
                errand: Box::new(errand),
            };
            self.departing.push(at);
        }
    }

    /// Everything about a join that can be checked without the room, in the protocol's order.
    fn check_join(&mut self, at: MemberRef, request: JoinRoom, now: Now) -> Result<JoinErrand, Failure> {
        let world = Arc::clone(&self.world);
        let settings = &world.settings;
        let connection = self
            .post
            .connections
            .get_mut(at)
            .expect("the connection is being served");
        if world.is_draining() && request.room_code.is_none() {
            return Err(draining("connect again for a new room"));
        }
        let creates = request.room_code.is_none() && !request.join_only;
        settings.charge_entry(&mut connection.session.allowance, creates, now)?;
        settings.check_game(&request.game_name)?;
        settings.check_name(&request.player_name)?;
        let max_players = request.max_players.unwrap_or(settings.rooms.default_players);
        if !(1..=settings.rooms.max_players).contains(&max_players) {
            let reason = format!("max_players must be 1 to {}", settings.rooms.max_players);
            return Err((reason, ErrorCode::InvalidMaxPlayers));
        }
        if request.join_only && request.room_code.is_none() {
            return Err(("join_only needs a room_code".into(), ErrorCode::InvalidInput));
        }
        check_password(request.password.as_ref())?;
        if connection.place.is_some() {
            return Err((
                "leave the room that you are in before joining another".into(),
                ErrorCode::AlreadyInRoom,
            ));
        }
        let room_code = request
            .room_code
            .as_deref()
            .map(|code| settings.read_code(code))
            .transpose()?;
        Ok(JoinErrand {
            game_name: request.game_name.into(),
            player_name: request.player_name.into(),
            room_code,
            max_players,
            supports_authority: request.supports_authority,
            password: request.password,
            join_only: request.join_only,
        })
    }

    /// The shard that must run an errand. A room without a code is made on the less loaded of two shards.
    fn home_of(&mut self, errand: &Errand) -> ShardId {
        let world = &self.world;
        errand.home(world).unwrap_or_else(|| {
            let mut draw = || ShardId((self.random.next_u32() % u32::from(world.shards())) as u16);
            let (one, other) = (draw(), draw());
            world.less_loaded(one, other)
        })
    }

    /// Does what an errand asks for; its room's home is here.
    pub(in crate::shard) fn run_errand(&mut self, at: MemberRef, errand: &Errand, now: Now) {
        let done = match errand {
            Errand::Join(join) => self.join(at, join, now),
            Errand::Watch(watch) => self.watch(at, watch, now),
            Errand::Return(back) => self.give_back_seat(at, back, now),
        };
        if let Err((reason, error_code)) = done {
            self.reply(at, &errand.refusal(&reason, error_code), now);
        }
    }

    /// The room of that name, if it lives here.
    pub(in crate::shard) fn room_named(&self, game_name: &str, code: &RoomCode) -> Option<RoomRef> {
        let name = self.world.slot_key.hash(game_name, code);
        self.rooms.find(name, game_name, code)
    }

    /// Joins or creates the errand's room.
    fn join(&mut self, at: MemberRef, errand: &JoinErrand, now: Now) -> Result<(), Failure> {
        let found = errand
            .room_code
            .as_ref()
            .and_then(|code| self.room_named(&errand.game_name, code));
        match found {
            Some(room) => self.enter(at, room, errand, now),
            None if errand.join_only => Err(no_such_room()),
            None => self.create(at, errand, now),
        }
    }

    fn enter(&mut self, at: MemberRef, room_ref: RoomRef, errand: &JoinErrand, now: Now) -> Result<(), Failure> {
        let world = Arc::clone(&self.world);
        let token = self.draw_token(room_ref).expect("found a moment ago");
        let connection = self
            .post
            .connections
            .get_mut(at)
            .expect("the connection is being served");
        let room = self.rooms.get_mut(room_ref).expect("found a moment ago");
        let newcomer = newcomer(at, &connection.session, errand, &self.access, token);
        room.join(newcomer, now.mono_ms, now.wall).map_err(|refusal| {
            if refusal == JoinRefusal::Session {
                self.post.counters.seat_fills_rejected.add(1);
            }
            (refusal.to_string(), refusal.code())
        })?;
        self.take_seat(at, room_ref);
        self.post.counters.rooms_joined.add(1);
        let room = self.rooms.get(room_ref).expect("found a moment ago");
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
        self.keep_event(room_ref, event);
        self.note_gallery_seen(room_ref, at);
        self.plan_with_newcomer(room_ref, now);
        Ok(())
    }

    fn create(&mut self, at: MemberRef, errand: &JoinErrand, now: Now) -> Result<(), Failure> {
        let world = Arc::clone(&self.world);
        if world.is_draining() {
            return Err(draining("connect again for a new room"));
        }
        let connection = self.post.connections.get(at).expect("the connection is being served");
        let app = connection.session.app().cloned();
        let terms = self.access.terms(app.as_ref());
        if let Some(limit) = terms.and_then(|terms| terms.max_players_per_room)
            && errand.max_players > limit
        {
            let reason = format!("this application's rooms have at most {limit} players; ask for fewer");
            return Err((reason, ErrorCode::InvalidMaxPlayers));
        }
        let permit = world
            .ledger
            .admit_room(
                &errand.game_name,
                app.as_ref().map(|app| (app, terms.and_then(|terms| terms.max_rooms))),
            )
            .map_err(|refusal| (refusal.to_string(), ErrorCode::MaxRoomsPerGameExceeded))?;
        let (code, name) = match &errand.room_code {
            Some(code) => (code.clone(), world.slot_key.hash(&errand.game_name, code)),
            None => self.draw_free_code(&errand.game_name).ok_or_else(|| {
                (
                    "no free room code was found; try again".into(),
                    ErrorCode::RoomCreationFailed,
                )
            })?,
        };
        let settings = RoomSettings {
            id: self.draw_room_id(name.slot()),
            game_name: errand.game_name.clone(),
            code,
            owner: app,
            max_players: errand.max_players,
            supports_authority: errand.supports_authority,
            password: errand.password.clone(),
            max_spectators: world.settings.rooms.max_spectators(errand.max_players),
        };
        let token = ReconnectToken::in_slot(name.slot().number(), self.random_bytes());
        let mut room = Room::new(settings, now.mono_ms);
        let connection = self.post.connections.get(at).expect("the connection is being served");
        let newcomer = newcomer(at, &connection.session, errand, &self.access, token);
        room.seat_creator(newcomer, now.mono_ms, now.wall);
        let room_ref = self.rooms.insert(room, name, permit);
        self.take_seat(at, room_ref);
        self.post.counters.rooms_created.add(1);
        let room = self.rooms.get(room_ref).expect("inserted a moment ago");
        let player = room.roster().seat(at).expect("seated a moment ago").player();
        let snapshot = world
            .settings
            .snapshot(room, player, LobbyState::Waiting, now, &self.post.counters);
        self.post
            .answer(at, &ServerMessage::RoomJoined(snapshot), now.mono_ms, &world.settings);
        let promoted = self.lobby_message(room_ref);
        self.tell(at, &promoted, now);
        Ok(())
    }

    fn draw_room_id(&mut self, slot: Slot) -> RoomId {
        RoomId::in_slot(slot.number(), self.random_bytes())
    }

    fn take_seat(&mut self, at: MemberRef, room: RoomRef) {
        let connection = self
            .post
            .connections
            .get_mut(at)
            .expect("the connection is being served");
        connection.session.begin_epoch();
        connection.place = Some(Place::Seated(room));
        self.world.presence.sit(connection.session.player());
        self.count_member(true);
    }

    /// Serves `LeaveRoom`. Without a seat there is no answer, by the protocol's rule.
    pub(in crate::shard) fn leave_room(&mut self, at: MemberRef, now: Now) {
        if self.seat_of(at).is_some() {
            self.answer(at, &ServerMessage::RoomLeft, now);
            self.leave_place(at, false, now);
        }
    }

    /// Takes a connection that ends out of its room, however it came to that, and tells those who stay. A seat may be kept
    /// for a player who did not mean to leave it.
    pub(in crate::shard) fn vacate(&mut self, at: MemberRef, keep_seat: bool, now: Now) {
        self.leave_place(at, keep_seat, now);
        // The room has been told: whatever is left of the connection, its player may come back by another.
        if let Some(connection) = self.post.connections.get_mut(at)
            && std::mem::replace(&mut connection.is_present, false)
        {
            self.world.presence.depart(connection.session.player());
        }
    }

    fn leave_place(&mut self, at: MemberRef, keep_seat: bool, now: Now) {
        match self
            .post
            .connections
            .get_mut(at)
            .and_then(|connection| connection.place.take())
        {
            Some(Place::Seated(room_ref)) => self.vacate_seat(at, room_ref, keep_seat, now),
            Some(Place::Watching(room_ref)) => {
                self.end_watching(room_ref, Watcher::Here(at), SpectatorReason::Disconnected, None, now);
            }
            Some(Place::Posted(room)) => self.vacate_outpost(at, room),
            None => {}
        }
    }

    pub(in crate::shard) fn vacate_seat(&mut self, at: MemberRef, room_ref: RoomRef, keep_seat: bool, now: Now) {
        let world = Arc::clone(&self.world);
        let Some(room) = self.rooms.get_mut(room_ref) else {
            return;
        };
        let departure = match self.post.connections.get(at).filter(|_| keep_seat) {
            Some(connection) => {
                let allowance = connection.session.allowance.clone();
                room.lose(at, allowance, world.settings.reconnection.window_ms, now.mono_ms)
            }
            None => room.leave(at, now.mono_ms),
        };
        let Some(departure) = departure else { return };
        world.presence.rise(departure.player);
        self.count_member(false);
        if self.drain.leaves_untold {
            return;
        }
        let left = ServerMessage::PlayerLeft {
            player_id: departure.player,
            last: departure.last,
        };
        self.announce(room_ref, &left, now);
        if departure.held_authority {
            self.announce_authority(room_ref, now);
        }
        self.plan_without(departure.player, room_ref, now);
    }

    /// Notes that a member came or went, and lets the other shards know how loaded this one is.
    pub(in crate::shard) fn count_member(&mut self, came: bool) {
        self.rooms.count_member(came);
        self.world.publish_load(self.id, self.rooms.members());
    }
}

impl Settings {
    /// A room as one of its members is shown it.
    pub(in crate::shard) fn snapshot<'a>(
        &'a self,
        room: &'a Room,
        player: PlayerId,
        lobby_state: LobbyState,
        now: Now,
        counters: &CounterSet,
    ) -> RoomSnapshot<'a> {
        let mut snapshot = room.snapshot(player, lobby_state, self.rooms.relay_type_of(room.game_name()));
        if !self.reconnection.is_enabled {
            snapshot.reconnection_token = None; // it would open nothing
        }
        snapshot.ice_servers = self.pregather(room, player, now, counters);
        snapshot
    }
}

fn newcomer<'a>(
    at: MemberRef,
    session: &'a Session,
    errand: &'a JoinErrand,
    access: &AccessPolicy,
    token: ReconnectToken,
) -> Newcomer<'a> {
    Newcomer {
        player: session.player(),
        member: Member {
            link: at,
            dialect: session.dialect(),
        },
        app: session.app(),
        app_seat_limit: access.terms(session.app()).and_then(|terms| terms.max_players_per_room),
        name: &errand.player_name,
        folded_name: fold_name(&errand.player_name).into(),
        password: errand.password.as_ref(),
        epoch: session.newest_epoch() + 1,
        token,
        abilities: session.abilities(),
    }
}
