//! Watching a room, and no longer watching it.

use std::sync::Arc;

use crate::protocol::server_message::SpectatorReason;
use crate::protocol::{ErrorCode, JoinAsSpectator, ServerMessage};
use crate::room::{Member, MemberRef, Spot, Visitor, Watcher};
use crate::shard::exchange::message::Asker;
use crate::shard::refusal::{Failure, check_password, draining, no_such_room};
use crate::shard::state::connection::{Place, RoomRef};
use crate::shard::state::transfer::WatchErrand;
use crate::shard::telling::gallery_news::News;
use crate::shard::world::id::ShardId;
use crate::shard::{Now, Shard};

impl<L> Shard<L> {
    /// Serves `JoinAsSpectator`.
    pub(in crate::shard) fn join_as_spectator(&mut self, at: MemberRef, request: &JoinAsSpectator, now: Now) {
        match self.check_watch(at, request, now) {
            Ok(errand) => self.go_watching(at, errand, now),
            Err((reason, error_code)) => {
                let reason = &reason;
                self.reply(at, &ServerMessage::SpectatorJoinFailed { reason, error_code }, now);
            }
        }
    }

    /// Everything about watching that can be checked without the room, in the protocol's order.
    fn check_watch(&mut self, at: MemberRef, request: &JoinAsSpectator, now: Now) -> Result<WatchErrand, Failure> {
        let world = Arc::clone(&self.world);
        let settings = &world.settings;
        let connection = self
            .post
            .connections
            .get_mut(at)
            .expect("the connection is being served");
        if world.is_draining() {
            return Err(draining("connect again to watch"));
        }
        settings.charge_entry(&mut connection.session.allowance, false, now)?;
        match connection.place {
            Some(Place::Seated(_)) => {
                return Err((
                    "leave your seat before you watch a room".into(),
                    ErrorCode::SpectatorNotAllowed,
                ));
            }
            Some(Place::Watching(_) | Place::Posted(_)) => {
                return Err(("you are watching a room already".into(), ErrorCode::SpectatorJoinFailed));
            }
            None => {}
        }
        settings.check_name(&request.spectator_name)?;
        settings.check_game(&request.game_name)?;
        let room_code = settings.read_code(&request.room_code)?;
        check_password(request.password.as_ref())?;
        Ok(WatchErrand {
            game_name: request.game_name.as_str().into(),
            room_code,
            spectator_name: request.spectator_name.as_str().into(),
            password: request.password.clone(),
        })
    }

    /// Gives a connection its place in the gallery of a room whose home is here.
    pub(in crate::shard) fn watch(&mut self, at: MemberRef, errand: &WatchErrand, now: Now) -> Result<(), Failure> {
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
        room.watch(visitor, now.mono_ms, now.wall)
            .map_err(|refusal| (refusal.to_string(), refusal.code()))?;
        connection.place = Some(Place::Watching(room_ref));
        self.count_member(true);
        let room = self.rooms.get(room_ref).expect("found a moment ago");
        let settings = &self.world.settings;
        let snapshot = room.spectator_snapshot(player);
        self.post
            .answer(at, &ServerMessage::SpectatorJoined(snapshot), now.mono_ms, settings);
        self.announce_gallery(room_ref, News::of_newcomer(player, Some(at)), now);
        Ok(())
    }

    /// Serves `LeaveSpectator`.
    pub(in crate::shard) fn leave_spectator(&mut self, at: MemberRef, now: Now) {
        match self.post.connections.get(at).and_then(|connection| connection.place) {
            Some(Place::Watching(room_ref)) => {
                let watcher = Watcher::Here(at);
                self.end_watching(room_ref, watcher, SpectatorReason::VoluntaryLeave, None, now);
                if let Some(connection) = self.post.connections.get_mut(at) {
                    connection.place = None;
                }
            }
            Some(Place::Posted(room)) => self.ask_to_leave(at, room),
            Some(Place::Seated(_)) | None => {
                self.refuse(at, "you are not watching a room", ErrorCode::NotASpectator, now);
            }
        }
    }

    /// Takes a spectator out of the gallery and tells those who stay; one that stays connected is told first, one at an
    /// outpost there. `leaver` waits at an outpost for the answer to its request. Returns whether it was watching.
    pub(in crate::shard) fn end_watching(
        &mut self,
        room_ref: RoomRef,
        watcher: Watcher,
        reason: SpectatorReason,
        leaver: Option<Asker>,
        now: Now,
    ) -> bool {
        let Some(room) = self.rooms.get_mut(room_ref) else {
            return false;
        };
        let Some(spectator_id) = room.stop_watching(watcher, now.mono_ms) else {
            return false;
        };
        let room = self.rooms.get(room_ref).expect("looked up above");
        let settings = &self.world.settings;
        let left = match reason {
            SpectatorReason::VoluntaryLeave => Some(ServerMessage::SpectatorLeft {
                room_id: Some(room.id()),
                room_code: Some(room.code()),
                reason,
                current_spectators: room.gallery().infos(),
            }),
            SpectatorReason::Removed => Some(ServerMessage::SpectatorLeft {
                room_id: Some(room.id()),
                // The code may have been changed to keep this very spectator out.
                room_code: None,
                reason,
                current_spectators: Vec::new(),
            }),
            SpectatorReason::Joined | SpectatorReason::Disconnected | SpectatorReason::RoomClosed => None,
        };
        match (watcher, left) {
            (Watcher::Here(at), Some(left)) if reason == SpectatorReason::VoluntaryLeave => {
                self.post.answer(at, &left, now.mono_ms, settings);
            }
            (Watcher::Here(at), Some(left)) => self.post.tell(at, &left, now.mono_ms, settings),
            (Watcher::Here(_), None) => {}
            (Watcher::Outpost { number, player }, left) => {
                self.post.part_from_outpost(
                    room.id(),
                    ShardId(number),
                    player,
                    leaver,
                    left.as_ref(),
                    settings,
                    now.mono_ms,
                );
            }
        }
        if let Watcher::Here(_) = watcher {
            self.count_member(false);
        }
        if self.drain.leaves_untold {
            return true; // everybody leaves; nobody needs to be told
        }
        self.announce_gallery(room_ref, News::of_departure(spectator_id, reason), now);
        true
    }
}
