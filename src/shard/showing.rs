//! What is shown of rooms and of who is in them, to whoever runs the server. Must never change anything.

use serde::Serialize;

use super::Shard;
use crate::protocol::{PlayerId, RoomCode, RoomId, WallTime};
use crate::room::{Room, Seat};
use crate::shard::state::room_key::RoomKey;
use crate::shard::world::now::Now;

/// Rooms that are looked at in one stretch.
const STRETCH: usize = 1_024;

/// A room, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RoomView {
    /// Its id, which never changes.
    pub id: RoomId,
    /// Its code at this moment.
    pub code: RoomCode,
    /// Its game.
    pub game_name: Box<str>,
    /// The application whose players alone can find it.
    pub application: Option<Box<str>>,
    /// How many sit in it.
    pub players: u16,
    /// How many may.
    pub max_players: u8,
    /// How many watch it.
    pub spectators: u32,
    /// How many may still come back to it.
    pub absent: u16,
    /// Who leads it.
    pub authority: Option<PlayerId>,
    /// Whether its game was started.
    pub is_started: bool,
    /// Whether joiners must know a password.
    pub has_password: bool,
    /// When it was made.
    pub created_at: WallTime,
    /// For how long nothing has happened in it, in milliseconds.
    pub idle_ms: u64,
    /// Messages of game data that were accepted in it.
    pub messages: u64,
    /// Payload bytes of them.
    pub bytes: u64,
}

/// Somebody in a room, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PersonView {
    /// Its id.
    pub id: PlayerId,
    /// The name under which it is here.
    pub name: Box<str>,
    /// Whether it is ready; never, of a spectator.
    pub is_ready: bool,
    /// When it came.
    pub connected_at: WallTime,
}

/// A room and everybody in it, as they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomDetail {
    /// The room.
    pub room: RoomView,
    /// Who sits in it.
    pub players: Vec<PersonView>,
    /// Who watches it.
    pub spectators: Vec<PersonView>,
}

/// Rooms of one stretch.
#[derive(Debug, Clone, Default)]
pub struct RoomViews {
    /// As many as were asked for at most.
    pub rooms: Vec<RoomView>,
    /// How many there are.
    pub count: u64,
    /// Where to go on, if there is more.
    pub next: Option<usize>,
}

impl<L> Shard<L> {
    /// The rooms in the next stretch of places, and at most so many of them.
    #[must_use]
    pub fn room_views(&self, from: usize, most: usize, now: Now) -> RoomViews {
        let mut found = RoomViews::default();
        let places = self.rooms.places();
        let end = places.min(from + STRETCH);
        for place in from..end {
            let Some(room) = self.rooms.in_place(place).and_then(|at| self.rooms.get(at)) else {
                continue;
            };
            found.count += 1;
            if found.rooms.len() < most {
                found.rooms.push(view(room, now));
            }
        }
        found.next = (end < places).then_some(end);
        found
    }

    /// A room that lives here, and who is in it: at most so many spectators.
    #[must_use]
    pub fn room_detail(&self, id: RoomId, most_spectators: usize, now: Now) -> Option<RoomDetail> {
        let room_key: RoomKey = self.rooms.with_id(id)?;
        let room = self.rooms.get(room_key)?;
        Some(RoomDetail {
            room: view(room, now),
            players: room.roster().seats().map(|seat| person(room, seat)).collect(),
            spectators: spectators(room, most_spectators),
        })
    }
}

pub(super) fn view(room: &Room, now: Now) -> RoomView {
    let record = room.record();
    RoomView {
        id: room.id(),
        code: room.code().clone(),
        game_name: room.game_name().into(),
        application: room.owner().map(|app| app.as_str().into()),
        players: room.roster().len() as u16,
        max_players: room.max_players(),
        spectators: room.gallery().len() as u32,
        absent: room.absence().players as u16,
        authority: room.authority(),
        is_started: room.is_started(),
        has_password: room.has_password(),
        created_at: record.created_at,
        idle_ms: now.mono_ms.saturating_sub(room.last_activity_ms()),
        messages: record.game_data_messages,
        bytes: record.relay_bytes,
    }
}

fn person(room: &Room, seat: &Seat) -> PersonView {
    let info = room.player_info(seat);
    PersonView {
        id: info.id,
        name: info.name.into(),
        is_ready: info.is_ready,
        connected_at: info.connected_at,
    }
}

fn spectators(room: &Room, most: usize) -> Vec<PersonView> {
    let watching = room.gallery().infos().into_iter().take(most);
    let shown = watching.map(|info| PersonView {
        id: info.id,
        name: info.name.into(),
        is_ready: false,
        connected_at: info.connected_at,
    });
    shown.collect()
}
