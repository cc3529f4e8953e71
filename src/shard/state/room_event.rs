//! What happens to rooms, as it is told to whoever runs the server.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// Turns of which some may wait; and there is always a place for the last.
const TURNS: usize = 1_024;

/// A shard's end of the way to whoever takes room events. It never waits. What is said in a turn is handed over in one piece when the
/// turn ends: with a queue of single events a storm of joins wrote, and read, cold memory for each.
#[derive(Debug)]
pub struct RoomEventSender {
    said: Vec<RoomEvent>,
    /// How many may be said until the next are handed over.
    room: usize,
    turns: Sender<Vec<RoomEvent>>,
    waiting: Arc<AtomicUsize>,
}

/// The other end.
#[derive(Debug)]
pub struct RoomEventReceiver {
    turns: Receiver<Vec<RoomEvent>>,
    waiting: Arc<AtomicUsize>,
}

/// A way from one shard to whoever takes its room events.
#[must_use]
pub fn room_events() -> (RoomEventSender, RoomEventReceiver) {
    let (sender, receiver) = bounded(TURNS + 1);
    let waiting = Arc::<AtomicUsize>::default();
    let sender = RoomEventSender {
        said: Vec::new(),
        room: WAITING,
        turns: sender,
        waiting: Arc::clone(&waiting),
    };
    let receiver = RoomEventReceiver {
        turns: receiver,
        waiting,
    };
    (sender, receiver)
}

impl RoomEventSender {
    /// Says one. `false`: too many wait, and it is lost.
    pub(in crate::shard) fn say(&mut self, event: RoomEvent) -> bool {
        let has_room = self.said.len() < self.room;
        if has_room {
            self.said.push(event);
        }
        has_room
    }

    /// Hands over what was said in a turn, or keeps it for the next, when too many turns wait. Says how many are lost because
    /// nobody takes them any more.
    pub(in crate::shard) fn end_turn(&mut self) -> u64 {
        let lost = if self.turns.len() < TURNS { self.hand_over() } else { 0 };
        self.room = WAITING.saturating_sub(self.waiting.load(Ordering::Relaxed));
        lost
    }

    fn hand_over(&mut self) -> u64 {
        let count = self.said.len();
        if count == 0 {
            return 0;
        }
        // The next turn may be like this one.
        let said = mem::replace(&mut self.said, Vec::with_capacity(count));
        // Before anybody can take them off. Relaxed: it bounds, and orders nothing.
        self.waiting.fetch_add(count, Ordering::Relaxed);
        // Nobody else hands over, so there is a place.
        let is_taken = self.turns.try_send(said).is_ok();
        if is_taken { 0 } else { count as u64 }
    }
}

impl Drop for RoomEventSender {
    /// The last turn ends as well, however many wait.
    fn drop(&mut self) {
        self.hand_over();
    }
}

impl RoomEventReceiver {
    /// Takes what waits at this moment, turn by turn, and no more however fast others come.
    #[must_use]
    pub fn take_waiting(&self) -> Vec<Vec<RoomEvent>> {
        let turns: Vec<Vec<_>> = self.turns.try_iter().take(self.turns.len()).collect();
        let taken = turns.iter().map(Vec::len).sum();
        self.waiting.fetch_sub(taken, Ordering::Relaxed);
        turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u64) -> RoomEvent {
        let label = RoomLabel {
            id: RoomId::from_bytes([7; 16]),
            game_name: "tide-pool".into(),
            code: RoomCode::parse("K7QW2M", 6).expect("a code"),
        };
        RoomEvent {
            room: Arc::new(label),
            number,
            at: WallTime::default(),
            what: RoomNews::Opened { max_players: 8 },
        }
    }

    fn taken(receiver: &RoomEventReceiver) -> Vec<u64> {
        let events = receiver.take_waiting().into_iter().flatten();
        events.map(|event| event.number).collect()
    }

    #[test]
    fn a_turn_is_handed_over_when_it_ends() {
        let (mut sender, receiver) = room_events();
        assert!(sender.say(event(1)) && sender.say(event(2)));
        assert!(taken(&receiver).is_empty(), "the turn goes on");
        assert_eq!(sender.end_turn(), 0);
        assert!(sender.say(event(3)));
        assert_eq!(taken(&receiver), [1, 2]);
        drop(sender);
        assert_eq!(taken(&receiver), [3], "with its sender a turn ends as well");
    }

    #[test]
    fn no_more_wait_than_may_however_they_are_said() {
        for in_a_turn in [1, 7, WAITING, WAITING + 1] {
            let (mut sender, receiver) = room_events();
            let mut said = 0;
            for number in 0..2 * WAITING {
                said += usize::from(sender.say(event(number as u64)));
                if number % in_a_turn == in_a_turn - 1 {
                    assert_eq!(sender.end_turn(), 0);
                }
            }
            assert_eq!(said, WAITING, "{in_a_turn} in a turn");
            let mut numbers = Vec::new();
            while numbers.len() < said {
                sender.end_turn();
                numbers.extend(taken(&receiver));
            }
            assert!(numbers.is_sorted(), "{in_a_turn} in a turn");
            sender.end_turn();
            assert!(sender.say(event(0)));
        }
    }

    #[test]
    fn the_last_turn_is_handed_over_however_many_wait() {
        let (mut sender, receiver) = room_events();
        for number in 0..2 * TURNS {
            assert!(sender.say(event(number as u64)));
            assert_eq!(sender.end_turn(), 0);
        }
        drop(sender);
        assert_eq!(taken(&receiver).len(), 2 * TURNS);
    }

    #[test]
    fn what_nobody_takes_any_more_is_counted() {
        let (mut sender, receiver) = room_events();
        drop(receiver);
        assert!(sender.say(event(1)) && sender.say(event(2)));
        assert_eq!((sender.end_turn(), sender.end_turn()), (2, 0));
    }
}
