//! What has happened in rooms, one record for each, and the last of those that were deleted.

use std::collections::VecDeque;
use std::sync::Arc;

use uuid::Uuid;

use crate::protocol::{RoomCode, RoomId, WallTime};
use crate::room::{Room, RoomRecord};

/// Records of deleted rooms that a shard keeps.
pub const MAX_COMPLETED: usize = 1_024;

/// Why a room was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// It had been empty for too long.
    Empty,
    /// Nothing had happened in it for too long.
    Expired,
    /// The server's operator closed it.
    Closed,
}

/// What has happened in a room.
#[derive(Debug, Clone)]
pub struct SessionRecord {
    /// The room's id.
    pub room_id: RoomId,
    /// Its code, the last if it was changed.
    pub room_code: RoomCode,
    /// Its game.
    pub game_name: Box<str>,
    /// How many players might sit in it.
    pub max_players: u8,
    /// What has happened.
    pub record: RoomRecord,
    /// Its number among the deleted ones of all shards, when it was deleted and why; `None` while it lives.
    pub completed: Option<(u64, WallTime, SessionEnd)>,
}

impl SessionRecord {
    /// That of a room which lives, or is being deleted.
    pub(in crate::shard) fn of(room: &Room, completed: Option<(u64, WallTime, SessionEnd)>) -> Self {
        Self {
            room_id: room.id(),
            room_code: room.code().clone(),
            game_name: room.game_name().into(),
            max_players: room.max_players(),
            record: room.record().clone(),
            completed,
        }
    }

    /// The application that the room belonged to, as figures show it.
    #[must_use]
    pub fn application(&self) -> Option<Uuid> {
        self.record.application.map(Uuid::from_bytes)
    }
}

/// Records of deleted rooms.
#[derive(Debug, Default)]
pub(in crate::shard) struct CompletedSessions {
    records: VecDeque<Arc<SessionRecord>>,
    dropped: u64,
}

/// The same, as they are told.
#[derive(Debug, Clone, Default)]
pub struct CompletedRecords {
    /// Those that are kept, oldest first.
    pub records: Vec<Arc<SessionRecord>>,
    /// How many are not any more.
    pub dropped: u64,
}

impl CompletedSessions {
    /// Keeps one more.
    pub(in crate::shard) fn add(&mut self, record: SessionRecord) {
        if self.records.len() == MAX_COMPLETED {
            self.records.pop_front();
            self.dropped += 1;
        }
        self.records.push_back(Arc::new(record));
    }

    /// All that are kept.
    pub(in crate::shard) fn all(&self) -> CompletedRecords {
        CompletedRecords {
            records: self.records.iter().map(Arc::clone).collect(),
            dropped: self.dropped,
        }
    }
}
