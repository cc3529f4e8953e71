//! The rooms of one shard, by place and by name.

use ahash::AHashMap;

use super::Table;
use super::admission::RoomPermit;
use super::connection::RoomRef;
use super::share::{Share, Turn};
use crate::protocol::{AppId, PlayerId, RoomCode};
use crate::room::Room;

/// A room with its place in the process-wide count.
#[derive(Debug)]
struct Home {
    room: Room,
    permit: RoomPermit,
    /// What it has taken of the shard's turn.
    share: Share,
}

/// The rooms of one shard.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    homes: Table<Home>,
    by_name: AHashMap<(Box<str>, RoomCode), RoomRef>,
    /// Where the records of players are whose connection was lost.
    absent: AHashMap<PlayerId, RoomRef>,
    members: usize,
}

impl Rooms {
    /// Members of all rooms together.
    pub(super) const fn members(&self) -> usize {
        self.members
    }

    /// Notes that a member came or went.
    pub(super) const fn count_member(&mut self, came: bool) {
        if came {
            self.members += 1;
        } else {
            self.members -= 1;
        }
    }

    /// How many rooms there are.
    pub(super) fn len(&self) -> usize {
        self.homes.len()
    }

    /// The room of that name.
    pub(super) fn find(&self, game_name: &str, code: &RoomCode) -> Option<RoomRef> {
        // One short-lived key per join is nothing beside the join.
        self.by_name.get(&(game_name.into(), code.clone())).copied()
    }

    /// The room that keeps a record of an absent player.
    pub(super) fn home_of_absent(&self, player: PlayerId) -> Option<RoomRef> {
        self.absent.get(&player).copied()
    }

    /// Notes that a room keeps a record of a player.
    pub(super) fn remember_absent(&mut self, player: PlayerId, room: RoomRef) {
        self.absent.insert(player, room);
    }

    /// Notes that no room keeps a record of a player any more.
    pub(super) fn forget_absent(&mut self, player: PlayerId) {
        self.absent.remove(&player);
    }

    /// The rooms that keep records of absent players, each once.
    pub(super) fn with_absent(&self) -> Vec<RoomRef> {
        let mut rooms: Vec<_> = self.absent.values().copied().collect();
        rooms.sort_unstable();
        rooms.dedup();
        rooms
    }

    pub(super) fn get(&self, at: RoomRef) -> Option<&Room> {
        self.homes.get(at.0).map(|home| &home.room)
    }

    pub(super) fn get_mut(&mut self, at: RoomRef) -> Option<&mut Room> {
        self.homes.get_mut(at.0).map(|home| &mut home.room)
    }

    /// Notes how much a room has put into outboxes.
    pub(super) fn charge_turn(&mut self, at: RoomRef, turn: &mut Turn, bytes: usize) {
        if let Some(home) = self.homes.get_mut(at.0) {
            turn.charge(&mut home.share, bytes);
        }
    }

    /// Adds a room whose name is free.
    pub(super) fn insert(&mut self, room: Room, permit: RoomPermit) -> RoomRef {
        let name = (Box::from(room.game_name()), room.code().clone());
        let at = RoomRef(self.homes.insert(Home {
            room,
            permit,
            share: Share::default(),
        }));
        let before = self.by_name.insert(name, at);
        debug_assert!(before.is_none(), "two rooms of one name");
        at
    }

    /// Gives a room another code, which no room of its game has.
    pub(super) fn rename(&mut self, at: RoomRef, code: RoomCode, now_ms: u64) {
        let Some(Home { room, .. }) = self.homes.get_mut(at.0) else {
            return;
        };
        let game_name = Box::<str>::from(room.game_name());
        self.by_name.remove(&(game_name.clone(), room.code().clone()));
        let before = self.by_name.insert((game_name, code.clone()), at);
        debug_assert!(before.is_none(), "two rooms of one name");
        room.set_code(code, now_ms);
    }

    /// Every room with the place that it had and the application that it is counted for.
    pub(super) fn into_rooms(self) -> impl Iterator<Item = (RoomRef, Room, Option<AppId>)> {
        self.homes
            .into_values()
            .map(|(at, Home { room, permit, .. })| (RoomRef(at), room, permit.app().cloned()))
    }

    /// Rooms in which nothing has happened for `timeout_ms`, as far as the rooms themselves know.
    pub(super) fn quiet(&self, timeout_ms: u64, now_ms: u64) -> Vec<RoomRef> {
        self.homes
            .iter()
            .filter(|(_, Home { room, .. })| now_ms.saturating_sub(room.last_activity_ms()) >= timeout_ms)
            .map(|(at, _)| RoomRef(at))
            .collect()
    }

    /// Deletes a room; its name and its place in the process-wide count are free again.
    pub(super) fn delete(&mut self, at: RoomRef) {
        if let Some(Home { room, permit, .. }) = self.homes.remove(at.0) {
            self.by_name.remove(&(room.game_name().into(), room.code().clone()));
            for player in room.absent_players() {
                self.absent.remove(&player);
            }
            drop(permit);
        }
    }
}
