//! What a shard holds at a moment, looked over a stretch at a time.
//!
//! Nothing of this is kept up to date: whoever wants to know asks, and asks again until all was looked at. What happens
//! between two stretches is seen in part, so the sums are those of no single moment. Must never change anything.

use super::Shard;
use crate::room::{ConnectionKey, Room};
use crate::shard::world::now::Now;

/// Connections and rooms that are looked at in one stretch. Most are in no cache: a fifth of a millisecond.
const STRETCH: usize = 2_048;

/// How far a survey has come: places for connections, then places for rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SurveyPlace {
    connection: usize,
    room: usize,
}

/// What a stretch, or a whole shard, holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Connections.
    pub connections: u64,
    /// Connections with something that their socket has not taken.
    pub waiting_connections: u64,
    /// Frames that wait in outboxes.
    pub waiting_frames: u64,
    /// Bytes of them.
    pub waiting_bytes: u64,
    /// Memory that outboxes hold.
    pub held_bytes: u64,
    /// For how long the oldest frame has waited, in milliseconds; 0 if none does.
    pub oldest_wait_ms: u64,
    /// Rooms.
    pub rooms: u64,
    /// Players and spectators in them.
    pub occupants: u64,
    /// Players who may still come back.
    pub absent: u64,
    /// Rooms that keep events for such players.
    pub rooms_with_events: u64,
    /// Events kept for them.
    pub events: u64,
    /// Each room's game, and how many players sit in it.
    pub games: Vec<(Box<str>, u16)>,
}

impl Survey {
    /// Adds another stretch, or another shard.
    pub fn add(&mut self, other: Self) {
        self.connections += other.connections;
        self.waiting_connections += other.waiting_connections;
        self.waiting_frames += other.waiting_frames;
        self.waiting_bytes += other.waiting_bytes;
        self.held_bytes += other.held_bytes;
        self.oldest_wait_ms = self.oldest_wait_ms.max(other.oldest_wait_ms);
        self.rooms += other.rooms;
        self.occupants += other.occupants;
        self.absent += other.absent;
        self.rooms_with_events += other.rooms_with_events;
        self.events += other.events;
        self.games.extend(other.games);
    }

    fn note_room(&mut self, room: &Room) {
        let absence = room.absence();
        self.rooms += 1;
        self.occupants += (room.roster().len() + room.gallery().len()) as u64;
        self.absent += absence.players as u64;
        self.rooms_with_events += u64::from(absence.events > 0);
        self.events += absence.events as u64;
        self.games.push((room.game_name().into(), room.roster().len() as u16));
    }
}

impl<L> Shard<L> {
    /// Looks over the next stretch. Returns what is there, and where to go on, if there is more.
    #[must_use]
    pub fn survey(&self, from: SurveyPlace, now: Now) -> (Survey, Option<SurveyPlace>) {
        let mut found = Survey::default();
        let places = self.post.connections.places();
        let end = places.min(from.connection + STRETCH);
        for place in from.connection..end {
            if let Some(at) = self.post.connections.holder_of(place) {
                self.note_outbox(at, &mut found, now);
            }
        }
        if end < places {
            let next = SurveyPlace {
                connection: end,
                ..from
            };
            return (found, Some(next));
        }
        let looked_at = end - from.connection;
        let room_places = self.rooms.places();
        let room_end = room_places.min(from.room + (STRETCH - looked_at));
        for place in from.room..room_end {
            if let Some(room) = self.rooms.in_place(place).and_then(|at| self.rooms.get(at)) {
                found.note_room(room);
            }
        }
        let next = SurveyPlace {
            connection: end,
            room: room_end,
        };
        (found, (room_end < room_places).then_some(next))
    }

    fn note_outbox(&self, at: ConnectionKey, found: &mut Survey, now: Now) {
        let Some(outbox) = self.post.connections.get(at).map(|connection| &connection.outbox) else {
            return;
        };
        found.connections += 1;
        if outbox.is_empty() {
            return;
        }
        found.waiting_connections += 1;
        found.waiting_frames += outbox.unsent_frames() as u64;
        found.waiting_bytes += outbox.unsent_bytes() as u64;
        found.held_bytes += outbox.weight_bytes() as u64;
        if let Some(queued_at_ms) = outbox.oldest_queued_at_ms(false) {
            let waited_ms = now.mono_ms.saturating_sub(queued_at_ms);
            found.oldest_wait_ms = found.oldest_wait_ms.max(waited_ms);
        }
    }
}
