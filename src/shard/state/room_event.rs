//! What happens to rooms, as it is told to whoever runs the server.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::protocol::{PlayerId, RoomCode, RoomId, WallTime};
use crate::room::Room;
use crate::shard::state::sessions::SessionEnd;

/// Something that has happened to a room.
///
/// The events of a room have numbers without a gap, from 1 on, and come in that order; a number that is left out is an event that was
/// dropped, because whoever takes them did not keep up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomEvent {
    /// The room, as it was called at that moment.
    pub room: Arc<RoomLabel>,
    /// Its number among the room's events, from 1 on.
    pub number: u64,
    /// When it happened.
    pub at: WallTime,
    /// What happened.
    pub what: RoomNews,
}

/// What a room is called.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomLabel {
    /// What no other room is called.
    pub id: RoomId,
    /// Its game.
    pub game_name: Box<str>,
    /// Its code, which its members may change.
    pub code: RoomCode,
}

impl RoomEvent {
    /// What no other event is called, of this server or another.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}.{}", self.room.id, self.number)
    }
}

impl RoomLabel {
    /// The label of a room: the one that was made for it, if it still holds.
    pub(in crate::shard) fn of(room: &Room, made: &mut Option<Arc<Self>>) -> Arc<Self> {
        let label = made
            .take()
            .filter(|label| label.code == *room.code())
            .unwrap_or_else(|| {
                Arc::new(Self {
                    id: room.id(),
                    game_name: room.game_name().into(),
                    code: room.code().clone(),
                })
            });
        Arc::clone(made.insert(label))
    }
}

/// What happens to rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoomNews {
    /// The room was made. Its creator's seat is news of its own.
    Opened {
        /// How many may sit in it.
        max_players: u8,
    },
    /// The room is no more: the last that is told of it. What a server that stops still has is not closed.
    Closed {
        /// Why.
        why: SessionEnd,
        /// How long it was there, in milliseconds.
        lasted_ms: u64,
        /// The most players that sat in it at a time.
        peak_players: u16,
    },
    /// Somebody took a seat.
    Joined {
        /// Who.
        player: PlayerId,
        /// Under which name.
        name: Box<str>,
    },
    /// A seat was given up, or lost.
    Left {
        /// Whose.
        player: PlayerId,
        /// Whether it is kept for a while: then [`Returned`](Self::Returned) may follow.
        may_return: bool,
    },
    /// Somebody took back the seat that was kept.
    Returned {
        /// Who.
        player: PlayerId,
    },
    /// Somebody was removed; where it sat, [`Left`](Self::Left) follows.
    Removed {
        /// Who: a player, present or absent, or a spectator.
        player: PlayerId,
        /// By whom.
        by: Remover,
    },
    /// The authority over the room went to somebody, or nobody has it any more.
    AuthorityMoved {
        /// Who has it.
        to: Option<PlayerId>,
    },
    /// The game was started.
    GameStarted {
        /// How many play.
        players: u16,
    },
    /// A player is closed because it does not read what is sent to it; [`Left`](Self::Left) follows.
    SlowReader {
        /// Who.
        player: PlayerId,
    },
}

impl RoomNews {
    /// What news of this kind is called outside.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "room.opened",
            Self::Closed { .. } => "room.closed",
            Self::Joined { .. } => "player.joined",
            Self::Left { .. } => "player.left",
            Self::Returned { .. } => "player.returned",
            Self::Removed { .. } => "player.removed",
            Self::AuthorityMoved { .. } => "authority.moved",
            Self::GameStarted { .. } => "game.started",
            Self::SlowReader { .. } => "player.too_slow",
        }
    }
}

/// Who removes somebody from a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remover {
    /// The room's authority; it may come back.
    Authority,
    /// The room's authority, for as long as the room is there.
    AuthorityForGood,
    /// The server's operator.
    Operator,
}

/// Room events that one shard may have said and nobody has taken yet: a tenth of a second of a storm of joins.
const WAITING: usize = 8_192;

/// A shard's end of the way to whoever takes room events. It never waits.
#[derive(Debug)]
pub struct RoomEventSender(Sender<RoomEvent>);

/// The other end.
#[derive(Debug)]
pub struct RoomEventReceiver(Receiver<RoomEvent>);

/// A way from one shard to whoever takes its room events.
#[must_use]
pub fn room_events() -> (RoomEventSender, RoomEventReceiver) {
    let (sender, receiver) = bounded(WAITING);
    (RoomEventSender(sender), RoomEventReceiver(receiver))
}

impl RoomEventSender {
    /// Says one. `false`: too many wait, or nobody takes them any more, and it is lost.
    pub(in crate::shard) fn say(&self, event: RoomEvent) -> bool {
        self.0.try_send(event).is_ok()
    }
}

impl RoomEventReceiver {
    /// Takes what waits at this moment, and no more however fast others come.
    pub fn take_waiting(&self, into: &mut Vec<RoomEvent>) {
        into.extend(self.0.try_iter().take(self.0.len()));
    }
}
