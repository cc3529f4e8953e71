//! `JoinAsSpectator` and `LeaveSpectator`: checks, and the questions to a room's home.

use std::sync::Arc;

use crate::protocol::server_message::SpectatorReason;
use crate::protocol::{ErrorCode, JoinAsSpectator, Refusal, RoomId, ServerMessage};
use crate::room::{ConnectionKey, Watcher};
use crate::shard::Shard;
use crate::shard::exchange::message::{Body, Requester, ShardMessage, WatchRequest};
use crate::shard::refusal::{draining, not_watching};
use crate::shard::requests::checks::check_password;
use crate::shard::state::connection::{Ask, Connection, State};
use crate::shard::state::standing::Place;
use crate::shard::state::transfer::{PendingRequest, PendingWatch};
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Serves a valid wish to watch: here, or where home says.
    pub(in crate::shard) fn go_watching(&mut self, at: ConnectionKey, pending: PendingWatch, now: Now) {
        let world = Arc::clone(&self.world);
        let home = pending.home(&world);
        if home == self.id || world.settings.rooms.outpost_members.is_none() {
            return self.go(at, PendingRequest::Watch(pending), now);
        }
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        let application = WatchRequest::of(self.id, at, connection, pending.clone());
        connection.state = State::Asking(Box::new(Ask::Watch(pending)));
        let body = Body::Ask(Box::new(application));
        self.post.send_queues.send(ShardMessage { target: home, body });
    }

    /// Asks home to let a spectator leave an outpost.
    fn ask_to_leave(&mut self, at: ConnectionKey, room: RoomId) {
        let target = self.home_of_room(room);
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        let leaver = Requester::of(self.id, at, connection);
        connection.state = State::Asking(Box::new(Ask::Leave));
        let body = Body::Leave { room, leaver };
        self.post.send_queues.send(ShardMessage { target, body });
    }

    /// Serves `JoinAsSpectator`.
    pub(in crate::shard) fn join_as_spectator(&mut self, at: ConnectionKey, request: &JoinAsSpectator, now: Now) {
        match self.check_watch(at, request, now) {
            Ok(pending) => {
                if let Some(PendingRequest::Watch(pending)) =
                    self.ask_about_entry(at, PendingRequest::Watch(pending), now)
                {
                    self.go_watching(at, pending, now);
                }
            }
            Err(why) => {
                let (reason, error_code) = (&*why.text, why.code);
                self.reply(at, &ServerMessage::SpectatorJoinFailed { reason, error_code }, now);
            }
        }
    }

    /// Everything about watching that can be checked without the room, in the protocol's order.
    fn check_watch(&mut self, at: ConnectionKey, request: &JoinAsSpectator, now: Now) -> Result<PendingWatch, Refusal> {
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
        settings.charge_entry(&mut connection.session.allowance, false, &self.post.counters, now)?;
        match connection.place() {
            Some(Place::Seated(_)) => {
                let text = "leave your seat before you watch a room";
                return Err(Refusal::new(ErrorCode::SpectatorNotAllowed, text));
            }
            Some(Place::Watching(_) | Place::Posted(_)) => {
                let text = "you are watching a room already";
                return Err(Refusal::new(ErrorCode::SpectatorJoinFailed, text));
            }
            None => {}
        }
        settings.check_name(&request.spectator_name)?;
        settings.check_game(&request.game_name)?;
        let room_code = settings.read_code(&request.room_code)?;
        check_password(request.password.as_ref())?;
        world.check_guess(connection.session.address(), &self.post.counters, now)?;
        Ok(PendingWatch {
            game_name: request.game_name.as_str().into(),
            room_code,
            spectator_name: connection.session.name_in_rooms(&request.spectator_name).into(),
            password: request.password.clone(),
        })
    }

    /// Serves `LeaveSpectator`.
    pub(in crate::shard) fn leave_spectator(&mut self, at: ConnectionKey, now: Now) {
        match self.post.connections.get(at).and_then(Connection::place) {
            Some(Place::Watching(room_key)) => {
                let watcher = Watcher::Here(at);
                self.end_watching(room_key, watcher, SpectatorReason::VoluntaryLeave, None, now);
            }
            Some(Place::Posted(room)) => self.ask_to_leave(at, room),
            Some(Place::Seated(_)) | None => {
                self.refuse(at, not_watching(), now);
            }
        }
    }
}
