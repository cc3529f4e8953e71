//! Watching a room, and no longer watching it.

use std::sync::Arc;

use super::connection::{Place, RoomRef};
use super::entry::{Failure, check_password, draining, no_such_room};
use super::transfer::WatchErrand;
use super::{Errand, Now, Shard};
use crate::protocol::server_message::SpectatorReason;
use crate::protocol::{ErrorCode, JoinAsSpectator, ServerMessage};
use crate::room::{Member, MemberRef, Visitor};

impl<L> Shard<L> {
    /// Serves `JoinAsSpectator`.
    pub(super) fn join_as_spectator(&mut self, at: MemberRef, request: &JoinAsSpectator, now: Now) {
        match self.check_watch(at, request, now) {
            Ok(errand) => self.go(at, Errand::Watch(errand), now),
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
            Some(Place::Watching(_)) => {
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
    pub(super) fn watch(&mut self, at: MemberRef, errand: &WatchErrand, now: Now) -> Result<(), Failure> {
        let room_ref = self
            .rooms
            .find(&errand.game_name, &errand.room_code)
            .ok_or_else(no_such_room)?;
        let room = self.rooms.get_mut(room_ref).expect("found a moment ago");
        let connection = self
            .post
            .connections
            .get_mut(at)
            .expect("the connection is being served");
        let session = &connection.session;
        let visitor = Visitor {
            player: session.player(),
            member: Member {
                link: at,
                dialect: session.dialect(),
            },
            app: session.app(),
            name: &errand.spectator_name,
            password: errand.password.as_ref(),
        };
        room.watch(visitor, now.mono_ms, now.wall)
            .map_err(|refusal| (refusal.to_string(), refusal.code()))?;
        connection.place = Some(Place::Watching(room_ref));
        self.count_member(true);
        let room = self.rooms.get(room_ref).expect("found a moment ago");
        let spectator = room.gallery().info(at).expect("let in a moment ago");
        let settings = &self.world.settings;
        let snapshot = room.spectator_snapshot(spectator.id);
        self.post
            .answer(at, &ServerMessage::SpectatorJoined(snapshot), now.mono_ms, settings);
        let about = Some(spectator.id);
        let joined = ServerMessage::NewSpectatorJoined {
            spectator,
            current_spectators: room.gallery().infos(),
        };
        let event = self
            .post
            .announce(room, Some(at), about, &joined, now.mono_ms, settings);
        self.keep_event(room_ref, event);
        Ok(())
    }

    /// Serves `LeaveSpectator`.
    pub(super) fn leave_spectator(&mut self, at: MemberRef, now: Now) {
        let Some(Place::Watching(room_ref)) = self.post.connections.get(at).and_then(|connection| connection.place)
        else {
            return self.refuse(at, "you are not watching a room", ErrorCode::NotASpectator, now);
        };
        self.vacate_gallery(at, room_ref, SpectatorReason::VoluntaryLeave, now);
        if let Some(connection) = self.post.connections.get_mut(at) {
            connection.place = None;
        }
    }

    /// Takes a spectator out of the gallery and tells those who stay; one that stays connected is told first.
    pub(super) fn vacate_gallery(&mut self, at: MemberRef, room_ref: RoomRef, reason: SpectatorReason, now: Now) {
        let Some(room) = self.rooms.get_mut(room_ref) else {
            return;
        };
        let Some(spectator_id) = room.stop_watching(at, now.mono_ms) else {
            return;
        };
        self.count_member(false);
        let Some(room) = self.rooms.get(room_ref) else { return };
        let settings = &self.world.settings;
        match reason {
            SpectatorReason::VoluntaryLeave => {
                let left = ServerMessage::SpectatorLeft {
                    room_id: Some(room.id()),
                    room_code: Some(room.code()),
                    reason,
                    current_spectators: room.gallery().infos(),
                };
                self.post.answer(at, &left, now.mono_ms, settings);
            }
            SpectatorReason::Removed => {
                let left = ServerMessage::SpectatorLeft {
                    room_id: Some(room.id()),
                    // The code may have been changed to keep this very spectator out.
                    room_code: None,
                    reason,
                    current_spectators: Vec::new(),
                };
                self.post.tell(at, &left, now.mono_ms, settings);
            }
            SpectatorReason::Joined | SpectatorReason::Disconnected | SpectatorReason::RoomClosed => {}
        }
        if self.drain.leaves_untold {
            return; // everybody leaves; nobody needs to be told
        }
        let current_spectators = room.gallery().infos();
        let gone = ServerMessage::SpectatorDisconnected {
            spectator_id,
            reason,
            current_spectators,
        };
        let event = self
            .post
            .announce(room, None, Some(spectator_id), &gone, now.mono_ms, settings);
        self.keep_event(room_ref, event);
    }
}
