//! Taking a place in a room, and giving it up.

use uuid::Uuid;

use super::Shard;
use crate::room::ConnectionKey;
use crate::shard::state::connection::Connection;
use crate::shard::state::room_key::RoomKey;
use crate::shard::state::standing::Place;

impl<L> Shard<L> {
    /// Gives a connection the seat that its room has for it. Its streams begin anew there.
    pub(super) fn take_seat(&mut self, at: ConnectionKey, room: RoomKey) {
        let connection = self
            .post
            .connections
            .get_mut(at)
            .expect("the connection is being served");
        connection.session.begin_epoch();
        connection.occupy(Place::Seated(room), &mut self.census);
        self.find_app_meter(at);
        self.note_place(at, "joined a room");
    }

    /// Notes to which application a room belongs, as figures show it.
    pub(super) fn note_application(&mut self, room: RoomKey) {
        let Some(room) = self.rooms.get_mut(room) else { return };
        if room.record().application.is_some() {
            return;
        }
        let application = room.owner().map(|app| match self.access.terms(Some(app)) {
            Some(_) => app.listed_uuid(),
            None => app.open_uuid(),
        });
        room.record_mut().application = application.map(Uuid::into_bytes);
    }

    /// Finds out where what a connection relays is counted by application.
    pub(super) fn find_app_meter(&mut self, at: ConnectionKey) {
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        let app = connection.session.app();
        let listed = app.filter(|app| self.access.terms(Some(app)).is_some());
        connection.app_meter = listed.map(|app| self.app_meters.meter_of(app));
    }

    /// Gives a connection a place, of which its room, or its outpost, knows.
    pub(super) fn occupy(&mut self, at: ConnectionKey, place: Place) {
        if let Some(connection) = self.post.connections.get_mut(at) {
            connection.occupy(place, &mut self.census);
            self.note_place(at, "joined a room");
        }
    }

    /// Takes a connection's place from it, and returns the place. Its room, or its outpost, is the caller's to tell.
    pub(super) fn release(&mut self, at: ConnectionKey) -> Option<Place> {
        let place = self.post.connections.get_mut(at)?.release(&mut self.census);
        self.note_left(at, place);
        place
    }

    /// Whether whoever rooms and outposts think is here thinks so too, and is counted: nobody else has a place.
    pub(super) fn places_agree(&self) -> bool {
        let place_of = |at| self.post.connections.get(at).and_then(Connection::place);
        let mut members = 0;
        let mut is_in = |at, place| {
            members += 1;
            place_of(at) == Some(place)
        };
        let at_home = self.rooms.iter().all(|(room_key, room)| {
            let [players, spectators] = room.audience();
            players
                .iter()
                .all(|member| is_in(member.connection, Place::Seated(room_key)))
                && spectators
                    .iter()
                    .all(|member| is_in(member.connection, Place::Watching(room_key)))
        });
        let afar = self.outposts.iter().all(|(room, outpost)| {
            let mut watchers = outpost.watchers().iter();
            watchers.all(|watching| is_in(watching.member.connection, Place::Posted(*room)))
        });
        let has_place = |(_, connection): &(ConnectionKey, &Connection<L>)| connection.place().is_some();
        let placed = self.post.connections.iter().filter(has_place).count();
        at_home && afar && members == placed && placed == self.census.members()
    }
}
