//! The last decisions about all rooms of a shard, apart from the shard, and which room it serves.
//!
//! When a shard has panicked nothing that it owns can be trusted, and its borrow of itself never ended. What is here is reached
//! beside it, by its thread alone. Promises that it is asked without a panic, whatever the shard was doing, and that what it
//! says is one line of at most 120 decisions, without names and without what players said.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::rc::Rc;

use crate::protocol::{RoomId, WallTime};
use crate::shard::state::flight::{FlightRecorder, Ring};
use crate::shard::state::room_key::RoomKey;
use crate::shard::state::table::TableKey;

/// What the rooms of one shard keep of their last decisions.
#[derive(Debug, Clone, Default)]
pub struct LastDecisions(Rc<Book>);

#[derive(Debug, Default)]
struct Book {
    /// The room that was served last in this turn.
    served: Cell<Option<RoomKey>>,
    /// By the places of the rooms.
    recorders: RefCell<Vec<FlightRecorder>>,
}

impl LastDecisions {
    /// What was decided last in the room that the shard served when it stopped, and in which; `None`: it served none, or nothing
    /// is kept of it.
    #[must_use]
    pub fn of_the_served(&self, now: WallTime) -> Option<String> {
        let place = self.0.served.get()?.index() as usize;
        // Borrowed: it was just being written, and may be in any state.
        let recorders = self.0.recorders.try_borrow().ok()?;
        let recorder = recorders.get(place)?;
        let room = recorder.room()?;
        Some(format!("{room}: {}", recorder.story(now)))
    }

    /// Notes that a room is served from now on, or none.
    pub(in crate::shard) fn serve(&self, room: Option<RoomKey>) {
        self.0.served.set(room);
    }

    /// Those of a room that is there.
    pub(in crate::shard) fn of(&self, at: RoomKey) -> Option<Ref<'_, FlightRecorder>> {
        Ref::filter_map(self.0.recorders.borrow(), |all| all.get(at.index() as usize)).ok()
    }

    /// Those of a room that is there, and has that id, to note more.
    pub(in crate::shard) fn ring_of(&self, at: RoomKey, room: RoomId) -> RefMut<'_, Ring> {
        let place = at.index() as usize;
        RefMut::map(self.0.recorders.borrow_mut(), |all| {
            if all.len() <= place {
                all.resize_with(place + 1, FlightRecorder::default);
            }
            all[place].ring_of(room)
        })
    }

    /// Forgets those of a room that is no more.
    pub(in crate::shard) fn forget(&self, at: RoomKey) {
        if let Some(recorder) = self.0.recorders.borrow_mut().get_mut(at.index() as usize) {
            *recorder = FlightRecorder::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::PlayerId;
    use crate::shard::state::flight::{Decided, Decision};

    fn at(ms: u64) -> WallTime {
        WallTime {
            unix_nanos: ms * 1_000_000,
        }
    }

    fn room(number: u8) -> RoomId {
        RoomId::from_bytes([number; 16])
    }

    fn noted(book: &LastDecisions, place: u32, number: u8) -> RoomKey {
        let key = RoomKey::new(place, 0);
        book.ring_of(key, room(number)).note(Decided {
            at: at(1_000),
            player: PlayerId::from_bytes([number; 16]),
            what: Decision::Joined,
        });
        key
    }

    #[test]
    fn the_room_that_is_served_tells_its_story_and_no_other() {
        let book = LastDecisions::default();
        let beside = book.clone();
        let (reef, tide) = (noted(&book, 0, 1), noted(&book, 9, 2));
        assert_eq!(beside.of_the_served(at(1_500)), None, "none is served");
        book.serve(Some(tide));
        let told = format!("{}: -500 ms 02020202 joined", room(2));
        assert_eq!(beside.of_the_served(at(1_500)), Some(told));
        book.forget(tide);
        assert_eq!(beside.of_the_served(at(1_500)), None, "it is no more");
        book.serve(Some(reef));
        assert!(
            beside
                .of_the_served(at(0))
                .is_some_and(|told| told.contains("01010101"))
        );
        book.serve(Some(RoomKey::new(100, 0)));
        assert_eq!(beside.of_the_served(at(0)), None, "nothing was decided in it");
    }

    #[test]
    fn nothing_is_told_of_what_was_just_being_written() {
        let book = LastDecisions::default();
        book.serve(Some(noted(&book, 0, 1)));
        let writing = book.ring_of(RoomKey::new(0, 0), room(1));
        assert_eq!(book.of_the_served(at(0)), None);
        drop(writing);
        assert!(book.of_the_served(at(0)).is_some());
    }
}
