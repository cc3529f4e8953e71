//! Watching a room, and no longer watching it.

use crate::protocol::{AppId, ErrorCode, Refusal, ServerMessage};
use crate::room::{Member, MemberRef, Spot, Visitor};
use crate::shard::Shard;
use crate::shard::exchange::message::{Asker, OutpostMail};
use crate::shard::refusal::no_such_room;
use crate::shard::state::connection::{Ask, State};
use crate::shard::state::gallery_news::News;
use crate::shard::state::room_ref::RoomRef;
use crate::shard::state::standing::Place;
use crate::shard::state::transfer::WatchErrand;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Gives a connection of this very shard a place at the outpost that its room has here.
    fn watch_from_own_outpost(
        &mut self,
        at: MemberRef,
        room_ref: RoomRef,
        errand: &WatchErrand,
        now: Now,
    ) -> Result<(), Refusal> {
        let Some(connection) = self.post.connections.get_mut(at) else {
            return Ok(());
        };
        let asker = Asker::of(self.id, at, connection);
        let app = connection.session.app().cloned();
        self.admit_to_outpost(room_ref, asker, app.as_ref(), errand, now)?;
        if let Some(connection) = self.post.connections.get_mut(at) {
            connection.state = State::Asking(Box::new(Ask::Watch(errand.clone())));
        }
        Ok(())
    }

    /// Lets somebody watch from an outpost: its snapshot goes there behind all that the room said before, and everybody
    /// else is told.
    pub(in crate::shard) fn admit_to_outpost(
        &mut self,
        room_ref: RoomRef,
        asker: Asker,
        app: Option<&AppId>,
        errand: &WatchErrand,
        now: Now,
    ) -> Result<(), Refusal> {
        let Some(room) = self.rooms.get_mut(room_ref) else {
            return Err(no_such_room());
        };
        let id = room.id();
        if self.post.branches.is_cut(id, asker.shard) {
            let text = "your server core could not keep up with the room; try again in a moment";
            return Err(Refusal::new(ErrorCode::ServiceUnavailable, text));
        }
        let visitor = Visitor {
            player: asker.player,
            spot: Spot::Outpost {
                number: asker.shard.0,
                dialect: asker.dialect,
            },
            app,
            name: &errand.spectator_name,
            password: errand.password.as_ref(),
        };
        room.watch(visitor, now.mono_ms, now.wall)?;
        self.post.branches.add_watcher(id, room_ref, asker.shard);
        self.post.counters.outpost_places.add(1);
        let room = self.rooms.get(room_ref).expect("found a moment ago");
        let snapshot = ServerMessage::SpectatorJoined(room.spectator_snapshot(asker.player));
        let frame = self
            .post
            .encode_answer(asker.dialect.version, asker.operation, &snapshot);
        let mail = OutpostMail::Seat {
            at: asker.at,
            player: asker.player,
            frame,
        };
        self.post
            .post_in_order(id, asker.shard, mail, &self.world.settings, now.mono_ms);
        self.announce_gallery(room_ref, News::of_newcomer(asker.player, None), now);
        Ok(())
    }

    /// Gives a connection its place in the gallery of a room whose home is here.
    pub(in crate::shard) fn watch(&mut self, at: MemberRef, errand: &WatchErrand, now: Now) -> Result<(), Refusal> {
        let room_ref = self
            .room_named(&errand.game_name, &errand.room_code)
            .ok_or_else(no_such_room)?;
        if self.is_crowded(room_ref) {
            return self.watch_from_own_outpost(at, room_ref, errand, now);
        }
        let room = self.rooms.get_mut(room_ref).expect("found a moment ago");
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
                link: at,
                dialect: session.dialect(),
            }),
            app: session.app(),
            name: &errand.spectator_name,
            password: errand.password.as_ref(),
        };
        room.watch(visitor, now.mono_ms, now.wall)?;
        connection.occupy(Place::Watching(room_ref), &mut self.census);
        let room = self.rooms.get(room_ref).expect("found a moment ago");
        let settings = &self.world.settings;
        let snapshot = room.spectator_snapshot(player);
        self.post
            .answer(at, &ServerMessage::SpectatorJoined(snapshot), now.mono_ms, settings);
        self.announce_gallery(room_ref, News::of_newcomer(player, Some(at)), now);
        Ok(())
    }
}
