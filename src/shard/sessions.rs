//! What has happened in the rooms of a shard: noted when one is deleted, and told to whoever asks.

use uuid::Uuid;

use super::Shard;
use crate::protocol::{RoomCode, RoomId};
use crate::room::Room;
use crate::shard::state::sessions::{CompletedRecords, SessionEnd, SessionRecord};
use crate::shard::world::now::Now;

/// Rooms that are looked at in one stretch: their records are written out, which takes longer than counting them.
const STRETCH: usize = 1_024;

/// Records of rooms that live, of one stretch.
#[derive(Debug, Clone, Default)]
pub struct ActiveSessions {
    /// The records, as many as were asked for at most.
    pub records: Vec<SessionRecord>,
    /// How many there are.
    pub count: u64,
    /// Where to go on, if there is more.
    pub next: Option<usize>,
}

impl<L> Shard<L> {
    /// Notes that a room is deleted now.
    pub(super) fn complete_session(&mut self, room: &Room, end: SessionEnd, now: Now) {
        let completed = (self.world.next_session_number(), now.wall, end);
        self.completed_sessions.add(SessionRecord::of(room, Some(completed)));
    }

    /// What has happened in rooms that live here, one of `application` if it is named: those in the next stretch of places, and
    /// at most so many records.
    #[must_use]
    pub fn active_sessions(&self, from: usize, most: usize, application: Option<Uuid>) -> ActiveSessions {
        let mut found = ActiveSessions::default();
        let places = self.rooms.places();
        let end = places.min(from + STRETCH);
        for place in from..end {
            let Some(room) = self.rooms.in_place(place).and_then(|at| self.rooms.get(at)) else {
                continue;
            };
            let belongs = |application: Uuid| room.record().application == Some(application.into_bytes());
            if application.is_none_or(belongs) {
                found.count += 1;
                if found.records.len() < most {
                    found.records.push(SessionRecord::of(room, None));
                }
            }
        }
        found.next = (end < places).then_some(end);
        found
    }

    /// What had happened in the last rooms that were deleted here.
    #[must_use]
    pub fn completed_sessions(&self) -> CompletedRecords {
        self.completed_sessions.all()
    }

    /// The room of that name, if it lives here: its id, and the application that it belongs to as figures show it.
    #[must_use]
    pub fn room_facts(&self, game_name: &str, code: &RoomCode) -> Option<(RoomId, Option<Uuid>)> {
        let room = self.rooms.get(self.room_named(game_name, code)?)?;
        Some((room.id(), room.record().application.map(Uuid::from_bytes)))
    }
}
