//! `Reconnect`: what can be checked without the room, then the pending request.

use crate::protocol::{ErrorCode, Reconnect, Refusal, ServerMessage};
use crate::room::ConnectionKey;
use crate::shard::Shard;
use crate::shard::refusal::draining;
use crate::shard::state::transfer::{PendingRequest, PendingReturn};
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Serves `Reconnect`: the token leads to the room's home, or else the room's id does.
    pub(in crate::shard) fn reconnect(&mut self, at: ConnectionKey, request: &Reconnect, now: Now) {
        let rules = &self.world.settings.reconnection;
        let Some(connection) = self.post.connections.get(at) else {
            return;
        };
        let refusal = if self.world.is_draining() {
            Some(draining("connect elsewhere"))
        } else if !rules.is_enabled {
            let text = "this server keeps no seats of lost connections; join again with the room code";
            Some(Refusal::new(ErrorCode::ReconnectionFailed, text))
        } else if self.world.presence.is_live(request.player_id) {
            let text = "that player is connected";
            Some(Refusal::new(ErrorCode::PlayerAlreadyConnected, text))
        } else if connection.place().is_some() {
            let text = "leave the room that you are in before you take an old seat";
            Some(Refusal::new(ErrorCode::ReconnectionFailed, text))
        } else {
            None
        };
        if let Some(why) = refusal {
            let (reason, error_code) = (&*why.text, why.code);
            self.post.counters.returns_refused.add(1);
            return self.reply(at, &ServerMessage::ReconnectionFailed { reason, error_code }, now);
        }
        let pending = PendingReturn {
            player: request.player_id,
            room_id: request.room_id,
            token: request.auth_token.clone(),
            asks_rooms_home: false,
        };
        self.go(at, PendingRequest::Return(pending), now);
    }
}
