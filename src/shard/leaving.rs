//! How a place in a room ends, whoever ends it: a seat, a place in the gallery, a place at an outpost.
//!
//! Promises that those who stay are told, that a seat is kept where it may be, and that all counts follow. Must never close
//! a connection.

use std::sync::Arc;

use super::Shard;
use crate::protocol::server_message::SpectatorReason;
use crate::protocol::{CloseCode, PlayerId, ProtocolVersion, RoomId, ServerMessage};
use crate::room::{ConnectionKey, Watcher};
use crate::shard::exchange::message::{Body, Requester, ShardMessage};
use crate::shard::state::flight::Decision;
use crate::shard::state::gallery_news::News;
use crate::shard::state::room_event::RoomNews;
use crate::shard::state::room_key::RoomKey;
use crate::shard::state::standing::Place;
use crate::shard::world::id::ShardId;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Takes a connection that ends out of its outpost, and lets home know.
    fn vacate_outpost(&mut self, at: ConnectionKey, room: RoomId) {
        if let Some(player) = self.outposts.remove(room, at) {
            self.send_gone(room, player);
        }
    }

    pub(super) fn send_gone(&mut self, room: RoomId, player: PlayerId) {
        let body = Body::Gone {
            room,
            outpost: self.id,
            player,
            is_untold: self.drain.leaves_untold,
        };
        let target = self.home_of_room(room);
        self.post.send_queues.send(ShardMessage { target, body });
    }

    /// Takes a connection that ends out of its room, however it came to that, and tells those who stay. A seat may be kept
    /// for a player who did not mean to leave it.
    pub(super) fn vacate(&mut self, at: ConnectionKey, keep_seat: bool, now: Now) {
        self.leave_place(at, keep_seat, now);
        // The room has been told: whatever is left of the connection, its player may come back by another.
        if let Some(connection) = self.post.connections.get_mut(at) {
            connection.go(&mut self.census);
        }
    }

    pub(super) fn leave_place(&mut self, at: ConnectionKey, keep_seat: bool, now: Now) {
        match self.release(at) {
            Some(Place::Seated(room_key)) => self.vacate_seat(at, room_key, keep_seat, now),
            Some(Place::Watching(room_key)) => {
                self.end_watching(room_key, Watcher::Here(at), SpectatorReason::Disconnected, None, now);
            }
            Some(Place::Posted(room)) => self.vacate_outpost(at, room),
            None => {}
        }
    }

    pub(super) fn vacate_seat(&mut self, at: ConnectionKey, room_key: RoomKey, keep_seat: bool, now: Now) {
        let world = Arc::clone(&self.world);
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        let departure = match self.post.connections.get(at).filter(|_| keep_seat) {
            Some(connection) => {
                self.post.counters.seats_kept.add(1);
                let allowance = connection.session.allowance.clone();
                room.lose(at, allowance, world.settings.reconnection.window_ms, now.mono_ms)
            }
            None => room.leave(at, now.mono_ms),
        };
        let Some(departure) = departure else { return };
        self.post.counters.players_left.add(1);
        let can_return = self
            .version_of(at)
            .is_some_and(|version| version >= ProtocolVersion::V3);
        self.note_news(room_key, now, |_| RoomNews::Left {
            player: departure.player,
            may_return: keep_seat && can_return,
        });
        if departure.held_authority {
            self.record(room_key, departure.player, Decision::LeadsNoMore, now);
        }
        if self.drain.leaves_untold {
            return;
        }
        let left = ServerMessage::PlayerLeft {
            player_id: departure.player,
            last: departure.last,
        };
        self.announce(room_key, &left, now);
        if departure.held_authority {
            self.announce_authority(room_key, now);
        }
        self.plan_without(departure.player, room_key, now);
    }

    /// Whether the seat of a connection that ends with this code is kept for its player.
    pub(super) fn keeps_seat(&self, code: Option<CloseCode>) -> bool {
        self.world.settings.reconnection.is_enabled
            && !self.world.is_draining()
            && !code.is_some_and(CloseCode::ends_membership)
    }

    /// Takes a spectator out of the gallery and tells those who stay; one that stays connected is told first, one at an
    /// outpost there. `leaver` waits at an outpost for the answer to its request. Returns whether it was watching.
    pub(super) fn end_watching(
        &mut self,
        room_key: RoomKey,
        watcher: Watcher,
        reason: SpectatorReason,
        leaver: Option<Requester>,
        now: Now,
    ) -> bool {
        let Some(room) = self.rooms.get_mut(room_key) else {
            return false;
        };
        let Some(spectator_id) = room.stop_watching(watcher, now.mono_ms) else {
            return false;
        };
        self.record(room_key, spectator_id, Decision::StoppedWatching, now);
        let room = self.rooms.get(room_key).expect("looked up above");
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
        if let Watcher::Here(at) = watcher {
            self.release(at);
        }
        if self.drain.leaves_untold {
            return true; // everybody leaves; nobody needs to be told
        }
        self.announce_gallery(room_key, News::of_departure(spectator_id, reason), now);
        true
    }
}
