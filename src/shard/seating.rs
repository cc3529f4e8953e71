//! The count of members.

use super::Shard;
use crate::room::MemberRef;
use crate::shard::state::connection::Place;
use crate::shard::state::rooms::RoomRef;

impl<L> Shard<L> {
    pub(super) fn take_seat(&mut self, at: MemberRef, room: RoomRef) {
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

    /// Notes that a member came or went, and lets the other shards know how loaded this one is.
    pub(super) fn count_member(&mut self, came: bool) {
        self.rooms.count_member(came);
        self.world.publish_load(self.id, self.rooms.members());
    }
}
