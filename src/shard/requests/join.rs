//! `JoinRoom`: everything that can be checked without the room, then the pending request.

use std::sync::Arc;

use crate::protocol::{ErrorCode, JoinRoom, Refusal, ServerMessage};
use crate::room::ConnectionKey;
use crate::shard::Shard;
use crate::shard::refusal::draining;
use crate::shard::requests::checks::check_password;
use crate::shard::state::transfer::{PendingJoin, PendingRequest};
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Serves `JoinRoom`.
    pub(in crate::shard) fn join_room(&mut self, at: ConnectionKey, request: JoinRoom, now: Now) {
        let is_new = request.room_code.is_none();
        match self.check_join(at, request, now) {
            Ok(pending) => {
                if let Some(pending) = self.ask_about_entry(at, PendingRequest::Join(pending), now) {
                    self.go(at, pending, now);
                }
            }
            Err(why) => {
                let (reason, error_code) = (&*why.text, why.code);
                self.post.counters.note_join_refused(is_new);
                self.reply(at, &ServerMessage::RoomJoinFailed { reason, error_code }, now);
            }
        }
    }

    /// Everything about a join that can be checked without the room, in the protocol's order.
    fn check_join(&mut self, at: ConnectionKey, request: JoinRoom, now: Now) -> Result<PendingJoin, Refusal> {
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
        settings.charge_entry(&mut connection.session.allowance, creates, &self.post.counters, now)?;
        settings.check_game(&request.game_name)?;
        settings.check_name(&request.player_name)?;
        let max_players = request.max_players.unwrap_or(settings.rooms.default_players);
        if !(1..=settings.rooms.max_players).contains(&max_players) {
            let text = format!("max_players must be 1 to {}", settings.rooms.max_players);
            return Err(Refusal::new(ErrorCode::InvalidMaxPlayers, text));
        }
        if request.join_only && request.room_code.is_none() {
            return Err(Refusal::new(ErrorCode::InvalidInput, "join_only needs a room_code"));
        }
        check_password(request.password.as_ref())?;
        if connection.place().is_some() {
            let text = "leave the room that you are in before joining another";
            return Err(Refusal::new(ErrorCode::AlreadyInRoom, text));
        }
        let room_code = request
            .room_code
            .as_deref()
            .map(|code| settings.read_code(code))
            .transpose()?;
        // Before it is known where the code leads, or whether the connection has to move for it.
        if room_code.is_some() {
            world.check_guess(connection.session.address(), &self.post.counters, now)?;
        }
        Ok(PendingJoin {
            game_name: request.game_name.into(),
            player_name: connection.session.name_in_rooms(&request.player_name).into(),
            room_code,
            max_players: request.max_players,
            supports_authority: request.supports_authority,
            password: request.password,
            join_only: request.join_only,
            asked_us: now.mono_us,
        })
    }
}
