//! The way to the control plane for a program that the server runs in.
//!
//! Owns a bounded queue of wishes. Promises that whoever wishes waits for nothing, and is told once or finds what it was to be
//! told by dropped.

use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::operator::{Operator, RoomList};
use super::routes::Known;
use super::shards::Silent;
use crate::protocol::{PlayerId, RoomId};
use crate::shard::RoomDetail;

/// Wishes that may wait.
const LENGTH: usize = 64;

/// What is called with what became of a wish.
type Tell<T> = Box<dyn FnOnce(Result<T, Silent>) + Send>;

enum Wish {
    Metrics(Tell<String>),
    Rooms(Tell<RoomList>),
    Room(RoomId, Tell<Option<RoomDetail>>),
    Kick(RoomId, PlayerId, Tell<bool>),
    CloseRoom(RoomId, Tell<bool>),
}

/// The way to the control plane.
#[derive(Clone)]
pub struct OperatorLine(Sender<Wish>);

/// The control plane's end of it.
pub(super) struct Wishes(Receiver<Wish>);

/// Why a wish was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Too many wait.
    Full,
    /// The control plane has ended.
    Gone,
}

pub(super) fn operator_line() -> (OperatorLine, Wishes) {
    let (sender, receiver) = channel(LENGTH);
    (OperatorLine(sender), Wishes(receiver))
}

type Taken = Result<(), Refused>;

impl OperatorLine {
    /// Tells what the server counts, as a page for Prometheus.
    ///
    /// # Errors
    ///
    /// When it was not taken; `tell` is dropped then.
    pub fn metrics(&self, tell: Tell<String>) -> Taken {
        self.wish(Wish::Metrics(tell))
    }

    /// Tells the rooms.
    ///
    /// # Errors
    ///
    /// As [`metrics`](Self::metrics).
    pub fn rooms(&self, tell: Tell<RoomList>) -> Taken {
        self.wish(Wish::Rooms(tell))
    }

    /// Tells a room, and who is in it.
    ///
    /// # Errors
    ///
    /// As [`metrics`](Self::metrics).
    pub fn room(&self, room: RoomId, tell: Tell<Option<RoomDetail>>) -> Taken {
        self.wish(Wish::Room(room, tell))
    }

    /// Removes somebody from a room, and tells whether anybody was.
    ///
    /// # Errors
    ///
    /// As [`metrics`](Self::metrics).
    pub fn kick(&self, room: RoomId, player: PlayerId, tell: Tell<bool>) -> Taken {
        self.wish(Wish::Kick(room, player, tell))
    }

    /// Closes a room, and tells whether it was there.
    ///
    /// # Errors
    ///
    /// As [`metrics`](Self::metrics).
    pub fn close_room(&self, room: RoomId, tell: Tell<bool>) -> Taken {
        self.wish(Wish::CloseRoom(room, tell))
    }

    fn wish(&self, wish: Wish) -> Taken {
        self.0.try_send(wish).map_err(|error| match error {
            TrySendError::Full(_) => Refused::Full,
            TrySendError::Closed(_) => Refused::Gone,
        })
    }
}

impl fmt::Debug for OperatorLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperatorLine").finish_non_exhaustive()
    }
}

impl Wishes {
    /// Sees to one after the other, each for as long as it takes.
    pub(super) async fn grant(mut self, known: Arc<Known>, operator: Operator) {
        while let Some(wish) = self.0.recv().await {
            // One at a time: so little is asked of the shards at once.
            match wish {
                Wish::Metrics(tell) => tell(Ok(known.page().await)),
                Wish::Rooms(tell) => tell(operator.rooms().await),
                Wish::Room(room, tell) => tell(operator.room(room).await),
                Wish::Kick(room, player, tell) => tell(operator.kick(room, player).await),
                Wish::CloseRoom(room, tell) => tell(operator.close_room(room).await),
            }
        }
    }
}
