//! Watching a room, and no longer watching it.

use crate::protocol::{ErrorCode, Refusal, ServerMessage};
use crate::room::{ConnectionKey, Member, Spot, Visitor};
use crate::shard::Shard;
use crate::shard::exchange::message::{OutpostMail, WatchRequest};
use crate::shard::refusal::no_such_room;
use crate::shard::state::connection::{Ask, State};
use crate::shard::state::flight::Decision;
use crate::shard::state::gallery_news::News;
use crate::shard::state::room_key::RoomKey;
use crate::shard::state::standing::Place;
use crate::shard::state::transfer::PendingWatch;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Gives a connection of this very shard a place at the outpost that its room has here.
    fn watch_from_own_outpost(
        &mut self,
        at: ConnectionKey,
        room_key: RoomKey,
        pending: &PendingWatch,
        now: Now,
    ) -> Result<(), Refusal> {
        let Some(connection) = self.post.connections.get_mut(at) else {
            return Ok(());
        };
        let request = WatchRequest::of(self.id, at, connection, pending.clone());
        self.admit_to_outpost(room_key, &request, now)?;
        if let Some(connection) = self.post.connections.get_mut(at) {
            connection.state = State::Asking(Box::new(Ask::Watch(pending.clone())));
        }
        Ok(())
    }

    /// Lets somebody watch from an outpost: its snapshot goes there behind all that the room said before, and everybody
    /// else is told.
    pub(in crate::shard) fn admit_to_outpost(
        &mut self,
        room_key: RoomKey,
        request: &WatchRequest,
        now: Now,
    ) -> Result<(), Refusal> {
        let WatchRequest {
            requester,
            address,
            app,
            pending,
        } = request;
        let Some(room) = self.rooms.get_mut(room_key) else {
            return Err(no_such_room());
        };
        let id = room.id();
        if self.post.registry.is_cut(id, requester.shard) {
            let text = "your server core could not keep up with the room; try again in a moment";
            return Err(Refusal::new(ErrorCode::ServiceUnavailable, text));
        }
        let visitor = Visitor {
            player: requester.player,
            spot: Spot::Outpost {
                number: requester.shard.0,
                dialect: requester.dialect,
            },
            app: app.as_ref(),
            name: &pending.spectator_name,
            password: pending.password.as_ref(),
        };
        room.watch(visitor, now.mono_ms, now.wall).inspect_err(|refusal| {
            self.world
                .note_refused_watch(*refusal, *address, &self.post.counters, now)
        })?;
        self.post.registry.add_watcher(id, room_key, requester.shard);
        self.post.counters.outpost_places.add(1);
        self.record(room_key, requester.player, Decision::Watched, now);
        let room = self.rooms.get(room_key).expect("found a moment ago");
        let snapshot = ServerMessage::SpectatorJoined(room.spectator_snapshot(requester.player));
        let frame = self
            .post
            .encode_answer(requester.dialect.version, requester.operation, &snapshot);
        let mail = OutpostMail::Seat {
            at: requester.at,
            player: requester.player,
            frame,
        };
        self.post
            .post_in_order(id, requester.shard, mail, &self.world.settings, now.mono_ms);
        self.announce_gallery(room_key, News::of_newcomer(requester.player, None), now);
        Ok(())
    }

    /// Gives a connection its place in the gallery of a room whose home is here.
    pub(in crate::shard) fn watch(
        &mut self,
        at: ConnectionKey,
        pending: &PendingWatch,
        now: Now,
    ) -> Result<(), Refusal> {
        let connection = self.post.connections.get(at).expect("the connection is being served");
        let address = connection.session.address();
        let room_key = self
            .look_up(address, &pending.game_name, &pending.room_code, now)?
            .ok_or_else(no_such_room)?;
        if self.is_crowded(room_key) {
            return self.watch_from_own_outpost(at, room_key, pending, now);
        }
        let room = self.rooms.get_mut(room_key).expect("found a moment ago");
        let connection = self
            .post
            .connections
            .get_mut(at)
            .expect("the connection is being served");
        let session = &connection.session;
        let player = session.player();
        let visitor = Visitor {
            player,
            spot: Spot::Here(Member {
                connection: at,
                dialect: session.dialect(),
            }),
            app: session.app(),
            name: &pending.spectator_name,
            password: pending.password.as_ref(),
        };
        room.watch(visitor, now.mono_ms, now.wall).inspect_err(|refusal| {
            self.world
                .note_refused_watch(*refusal, address, &self.post.counters, now)
        })?;
        connection.occupy(Place::Watching(room_key), &mut self.census);
        self.note_place(at, "joined a room");
        self.record(room_key, player, Decision::Watched, now);
        let room = self.rooms.get(room_key).expect("found a moment ago");
        let settings = &self.world.settings;
        let snapshot = room.spectator_snapshot(player);
        self.post
            .answer(at, &ServerMessage::SpectatorJoined(snapshot), now.mono_ms, settings);
        self.announce_gallery(room_key, News::of_newcomer(player, Some(at)), now);
        Ok(())
    }
}
