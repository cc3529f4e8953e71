//! The rooms of one shard, by place and by name.

use std::cell::{Ref, RefMut};
use std::sync::Arc;

use crate::protocol::{AppId, PlayerId, RoomCode, RoomId};
use crate::room::Room;
use crate::shard::state::flight::{FlightRecorder, Ring};
use crate::shard::state::gallery_news::GalleryNews;
use crate::shard::state::last_decisions::LastDecisions;
use crate::shard::state::room_event::RoomLabel;
use crate::shard::state::room_key::RoomKey;
use crate::shard::state::share::{Share, TurnShares};
use crate::shard::state::table::Table;
use crate::shard::state::tail::Tail;
use crate::shard::world::admission::RoomPermit;
use crate::shard::world::now::Now;
use crate::shard::world::slots::{NameHash, SLOT_COUNT, Slot};

/// A room with its place in the process-wide count.
#[derive(Debug)]
struct Home {
    room: Room,
    name: NameHash,
    permit: RoomPermit,
    /// What it has taken of the shard's turn.
    share: Share,
    /// What of its gallery is still to be told; none before anybody watches.
    gallery_news: Option<Box<GalleryNews>>,
    /// What its events call it; none before the first.
    label: Option<Arc<RoomLabel>>,
    /// Some of its game data; none unless somebody looks at that.
    tail: Option<Box<Tail>>,
}

/// What relaying changes of a room.
#[derive(Debug)]
pub(in crate::shard) struct Relayer<'r> {
    pub(in crate::shard) room: &'r mut Room,
    /// What it has taken of the shard's turn.
    pub(in crate::shard) share: &'r mut Share,
    /// Where some of its game data is kept for somebody who looks.
    pub(in crate::shard) tail: &'r mut Option<Box<Tail>>,
}

/// What news of a room need.
#[derive(Debug)]
pub(in crate::shard) struct Chronicle<'r> {
    pub(in crate::shard) room: &'r mut Room,
    /// Where what is decided in it is noted.
    pub(in crate::shard) decisions: &'r LastDecisions,
    /// What its events call it.
    pub(in crate::shard) label: &'r mut Option<Arc<RoomLabel>>,
}

/// The rooms of one shard.
#[derive(Debug)]
pub(in crate::shard) struct Rooms {
    homes: Table<RoomKey, Home>,
    /// The rooms of each slot. No map of names would do: the slots are one already, under a key that no client knows, and
    /// this one never grows as a whole, which at 14,336 rooms took a turn of 2 ms.
    by_slot: Box<[Vec<(NameHash, RoomKey)>]>,
    /// What was decided in them.
    last_decisions: LastDecisions,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            homes: Table::default(),
            by_slot: (0..SLOT_COUNT).map(|_| Vec::new()).collect(),
            last_decisions: LastDecisions::default(),
        }
    }
}

impl Rooms {
    /// How many rooms there are.
    pub(in crate::shard) fn len(&self) -> usize {
        self.homes.len()
    }

    /// The room of that name, whose hash is `name`.
    pub(in crate::shard) fn find(&self, name: NameHash, game_name: &str, code: &RoomCode) -> Option<RoomKey> {
        let is_named = |room: &Room| room.code() == code && room.game_name() == game_name;
        self.by_slot[place_of(name)]
            .iter()
            .filter(|(other, _)| *other == name)
            .map(|(_, at)| *at)
            .find(|at| self.get(*at).is_some_and(is_named))
    }

    /// How many places there are to [look](Self::in_place) for rooms.
    pub(in crate::shard) fn places(&self) -> usize {
        self.homes.places()
    }

    /// The room in one of the places.
    pub(in crate::shard) fn in_place(&self, place: usize) -> Option<RoomKey> {
        self.homes.holder_of(place)
    }

    /// The room of a slot that keeps a record of an absent player.
    pub(in crate::shard) fn with_record_of(&self, player: PlayerId, slot: Slot) -> Option<RoomKey> {
        let mut rooms = self.by_slot[usize::from(slot.number())].iter().map(|(_, at)| *at);
        rooms.find(|at| self.get(*at).is_some_and(|room| room.has_record_of(player)))
    }

    /// The room of that id.
    pub(in crate::shard) fn with_id(&self, id: RoomId) -> Option<RoomKey> {
        let mut rooms = self.by_slot[usize::from(id.slot())].iter().map(|(_, at)| *at);
        rooms.find(|at| self.get(*at).is_some_and(|room| room.id() == id))
    }

    pub(in crate::shard) fn get(&self, at: RoomKey) -> Option<&Room> {
        self.homes.get(at).map(|home| &home.room)
    }

    /// A room, to change it: it is the one that is served from now on.
    pub(in crate::shard) fn get_mut(&mut self, at: RoomKey) -> Option<&mut Room> {
        self.last_decisions.serve(Some(at));
        self.homes.get_mut(at).map(|home| &mut home.room)
    }

    /// What was decided in all of them, and in which something happens.
    pub(in crate::shard) const fn last_decisions(&self) -> &LastDecisions {
        &self.last_decisions
    }

    /// What was decided in a room.
    pub(in crate::shard) fn flight(&self, at: RoomKey) -> Option<Ref<'_, FlightRecorder>> {
        self.homes.get(at)?;
        self.last_decisions.of(at)
    }

    /// The same, to note more.
    pub(in crate::shard) fn flight_mut(&mut self, at: RoomKey) -> Option<RefMut<'_, Ring>> {
        let room = self.homes.get(at)?.room.id();
        Some(self.last_decisions.ring_of(at, room))
    }

    /// A room, and what is kept of its news.
    pub(in crate::shard) fn chronicle(&mut self, at: RoomKey) -> Option<Chronicle<'_>> {
        let decisions = &self.last_decisions;
        decisions.serve(Some(at));
        let Home { room, label, .. } = self.homes.get_mut(at)?;
        Some(Chronicle { room, decisions, label })
    }

    /// Some of a room's game data, if somebody looks at it.
    pub(in crate::shard) fn tail(&self, at: RoomKey) -> Option<&Tail> {
        self.homes.get(at)?.tail.as_deref()
    }

    /// Keeps some of a room's game data from now on, for somebody who looks now and may look again soon.
    pub(in crate::shard) fn look_at_tail(&mut self, at: RoomKey, now: Now) {
        if let Some(home) = self.homes.get_mut(at) {
            home.tail.get_or_insert_with(|| Box::new(Tail::begin(now))).go_on(now);
        }
    }

    /// A room, and what it has taken of the turn: all that relaying needs, in one look.
    pub(in crate::shard) fn relayer(&mut self, at: RoomKey) -> Option<Relayer<'_>> {
        self.last_decisions.serve(Some(at));
        let Home { room, share, tail, .. } = self.homes.get_mut(at)?;
        Some(Relayer { room, share, tail })
    }

    /// Notes how much a room has put into outboxes.
    pub(in crate::shard) fn charge_turn(&mut self, at: RoomKey, turn: &mut TurnShares, bytes: usize) {
        if let Some(home) = self.homes.get_mut(at) {
            turn.charge(&mut home.share, bytes);
        }
    }

    /// Whether a room has used up its share of the turn.
    pub(in crate::shard) fn has_used_up(&self, at: RoomKey, turn: &TurnShares) -> bool {
        self.homes.get(at).is_some_and(|home| turn.has_used_up(&home.share))
    }

    /// What of a room's gallery is still to be told.
    pub(in crate::shard) fn gallery_news(&self, at: RoomKey) -> Option<&GalleryNews> {
        self.homes.get(at)?.gallery_news.as_deref()
    }

    /// The same, to change it; `None` if there is no such room.
    pub(in crate::shard) fn gallery_news_mut(&mut self, at: RoomKey) -> Option<&mut GalleryNews> {
        self.with_gallery_news(at).map(|(_, news)| news)
    }

    /// A room, and what of its gallery is still to be told.
    pub(in crate::shard) fn with_gallery_news(&mut self, at: RoomKey) -> Option<(&Room, &mut GalleryNews)> {
        let home = self.homes.get_mut(at)?;
        Some((&home.room, home.gallery_news.get_or_insert_default()))
    }

    /// Adds a room whose name, with that hash, is free.
    pub(in crate::shard) fn insert(&mut self, room: Room, name: NameHash, permit: RoomPermit) -> RoomKey {
        debug_assert_eq!(
            self.find(name, room.game_name(), room.code()),
            None,
            "two rooms of one name"
        );
        let at = self.homes.insert(Home {
            room,
            name,
            permit,
            share: Share::default(),
            gallery_news: None,
            label: None,
            tail: None,
        });
        self.by_slot[place_of(name)].push((name, at));
        at
    }

    /// Gives a room another code, which no room of its game has; `name` is the hash of its name then.
    pub(in crate::shard) fn rename(&mut self, at: RoomKey, code: RoomCode, name: NameHash, now_ms: u64) {
        let Some(home) = self.homes.get_mut(at) else {
            return;
        };
        home.room.set_code(code, now_ms);
        let before = std::mem::replace(&mut home.name, name);
        self.forget_name(before, at);
        self.by_slot[place_of(name)].push((name, at));
    }

    fn forget_name(&mut self, name: NameHash, at: RoomKey) {
        let named = &mut self.by_slot[place_of(name)];
        if let Some(place) = named.iter().position(|(_, other)| *other == at) {
            named.swap_remove(place);
        }
    }

    /// Every room with its place.
    pub(in crate::shard) fn iter(&self) -> impl Iterator<Item = (RoomKey, &Room)> {
        self.homes.iter().map(|(at, home)| (at, &home.room))
    }

    /// Every room, to rewrite its moments.
    pub(in crate::shard) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Room> {
        self.homes.iter_mut().map(|home| &mut home.room)
    }

    /// Every room with the place that it had and the application that it is counted for.
    pub(in crate::shard) fn into_rooms(self) -> impl Iterator<Item = (RoomKey, Room, Option<AppId>)> {
        self.homes
            .into_values()
            .map(|(at, Home { room, permit, .. })| (at, room, permit.app().cloned()))
    }

    /// Deletes a room, and returns it; its name and its place in the process-wide count are free again.
    pub(in crate::shard) fn delete(&mut self, at: RoomKey) -> Option<Room> {
        let Home { name, permit, room, .. } = self.homes.remove(at)?;
        self.forget_name(name, at);
        self.last_decisions.forget(at);
        drop(permit);
        Some(room)
    }
}

fn place_of(name: NameHash) -> usize {
    usize::from(name.slot().number())
}
