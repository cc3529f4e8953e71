//! Where somebody is: the room of a connection, the home of a room, what a connection waits for.
//!
//! Questions only; nothing here changes anything.

use super::Shard;
use crate::protocol::{PlayerId, ProtocolVersion, RoomCode, RoomId};
use crate::room::{ConnectionKey, Room};
use crate::shard::outbox::Outbox;
use crate::shard::state::connection::{Connection, State};
use crate::shard::state::room_key::RoomKey;
use crate::shard::state::standing::Place;
use crate::shard::world::id::ShardId;
use crate::shard::world::slots::Slot;

impl<L> Shard<L> {
    /// Whether further spectators of a room have their place at an outpost.
    pub(super) fn is_crowded(&self, room_key: RoomKey) -> bool {
        let limit = self.world.settings.rooms.outpost_members;
        let members = self.rooms.get(room_key).map_or(0, Room::members_here);
        limit.is_some_and(|limit| members >= limit)
    }

    pub(super) fn home_of_room(&self, room: RoomId) -> ShardId {
        self.world.slots.owner(Slot::new(room.slot()))
    }

    /// A connection's outbox.
    #[must_use]
    pub fn outbox(&self, at: ConnectionKey) -> Option<&Outbox> {
        self.post.connections.get(at).map(|connection| &connection.outbox)
    }

    /// Bytes put into outboxes so far, and a constant for each frame.
    #[must_use]
    pub const fn queued_bytes(&self) -> u64 {
        self.post.outgoing.queued_bytes()
    }

    /// Whether a connection is being closed.
    #[must_use]
    pub fn is_closing(&self, at: ConnectionKey) -> bool {
        self.post.connections.get(at).is_none_or(Connection::is_closing)
    }

    /// Whether the connection is about to move to another shard.
    #[must_use]
    pub fn is_departing(&self, at: ConnectionKey) -> bool {
        let state = self.post.connections.get(at).map(|connection| &connection.state);
        matches!(state, Some(State::Departing { .. }))
    }

    /// Whether the connection waits for its move to another shard, or for an answer of another shard. What arrives for it is
    /// kept.
    #[must_use]
    pub fn awaits_shard(&self, at: ConnectionKey) -> bool {
        self.post.connections.get(at).is_some_and(Connection::awaits_shard)
    }

    pub(super) fn room_of(&self, at: ConnectionKey) -> Option<RoomKey> {
        self.post.connections.get(at)?.home()
    }

    /// The version that a connection reads.
    pub(super) fn version_of(&self, at: ConnectionKey) -> Option<ProtocolVersion> {
        let connection = self.post.connections.get(at)?;
        Some(connection.session.dialect().version)
    }

    /// Where a connection sits, and under which id.
    pub(super) fn seat_of(&self, at: ConnectionKey) -> Option<(RoomKey, PlayerId)> {
        let connection = self.post.connections.get(at)?;
        match connection.place()? {
            Place::Seated(room_key) => Some((room_key, connection.session.player())),
            Place::Watching(_) | Place::Posted(_) => None,
        }
    }

    /// The room of that name, if it lives here.
    pub(super) fn room_named(&self, game_name: &str, code: &RoomCode) -> Option<RoomKey> {
        let name = self.world.slot_key.hash(game_name, code);
        self.rooms.find(name, game_name, code)
    }
}
