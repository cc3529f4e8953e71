//! The last decisions about a room, for whoever has to find out what went wrong in it.
//!
//! Owns a ring of at most 4 KiB for each room; one in which nothing was decided yet owns nothing. Promises that the newest
//! are there, and how many older ones are not. Is lost with the room's move to another process. Which room a shard serves, and
//! what it says if it dies of that, is [`LastDecisions`](super::last_decisions::LastDecisions)'s.

use std::fmt::{self, Write as _};

use serde::{Serialize, Serializer};

use crate::protocol::{CloseCode, ErrorCode, PlayerId, RoomId, WallTime};

/// Decisions that a room keeps.
const MAX_DECISIONS: usize = 120;

/// What a ring begins with.
const FIRST_DECISIONS: usize = 8;

/// Missing messages, and refusals of one kind, that follow each other are taken together for so long, in milliseconds.
const TOGETHER_MS: u64 = 1_000;

/// Something that was decided about somebody in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It took a seat.
    Joined,
    /// It took back a seat that was kept.
    CameBack,
    /// It gave up its seat.
    Left,
    /// It lost its seat, which is kept for a while.
    Lost,
    /// It began to watch.
    Watched,
    /// It watches no more.
    StoppedWatching,
    /// It was removed.
    Removed,
    /// Its connection is closed, with this code; without one, as its peer has wished.
    Closed(Option<CloseCode>),
    /// It was told of messages that it does not get.
    Missed {
        /// Of how many.
        times: u32,
    },
    /// It leads the room from now on.
    Leads,
    /// It leads the room no more, and nobody does.
    LeadsNoMore,
    /// The game was started.
    Started,
    /// It was refused something.
    Refused {
        /// What it was told.
        code: ErrorCode,
        /// How often, one time after the other.
        times: u32,
    },
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined => f.write_str("joined"),
            Self::CameBack => f.write_str("came back"),
            Self::Left => f.write_str("left"),
            Self::Lost => f.write_str("lost, seat kept"),
            Self::Watched => f.write_str("watches"),
            Self::StoppedWatching => f.write_str("watches no more"),
            Self::Removed => f.write_str("removed"),
            Self::Closed(None) => f.write_str("closed by its peer"),
            Self::Closed(Some(code)) => write!(f, "closed {} {}", code.code(), code.reason()),
            Self::Missed { times } => write!(f, "missed {times}"),
            Self::Leads => f.write_str("leads"),
            Self::LeadsNoMore => f.write_str("leads no more"),
            Self::Started => f.write_str("game started"),
            Self::Refused { code, times: 1 } => write!(f, "refused {}", code.as_str()),
            Self::Refused { code, times } => write!(f, "refused {} {times} times", code.as_str()),
        }
    }
}

impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A decision, about whom, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// When.
    pub at: WallTime,
    /// About whom.
    pub player: PlayerId,
    /// What.
    pub what: Decision,
}

/// How often the decisions of rooms are written to the log: once a second on a shard, whatever goes wrong on it.
#[derive(Debug, Default)]
pub(in crate::shard) struct Dumps {
    next_ms: u64,
    unsaid: u64,
}

impl Dumps {
    /// The shortest time between two, in milliseconds.
    const INTERVAL_MS: u64 = 1_000;

    /// Whether they are written now, and then how often they were not since they last were.
    pub(in crate::shard) fn take_turn(&mut self, now_ms: u64) -> Option<u64> {
        if now_ms < self.next_ms {
            self.unsaid += 1;
            return None;
        }
        self.next_ms = now_ms.saturating_add(Self::INTERVAL_MS);
        Some(std::mem::take(&mut self.unsaid))
    }
}

/// What a room keeps.
#[derive(Debug, Default)]
pub(in crate::shard) struct FlightRecorder(Option<Box<Ring>>);

/// The decisions about one room.
#[derive(Debug)]
pub(in crate::shard) struct Ring {
    room: RoomId,
    /// The oldest is at `oldest` once all places are taken.
    decided: Vec<Decided>,
    oldest: usize,
    /// Older ones that are gone.
    forgotten: u64,
}

impl FlightRecorder {
    /// Where decisions about that room, whose recorder it is, are noted.
    pub(in crate::shard) fn ring_of(&mut self, room: RoomId) -> &mut Ring {
        self.0.get_or_insert_with(|| {
            Box::new(Ring {
                room,
                decided: Vec::with_capacity(FIRST_DECISIONS),
                oldest: 0,
                forgotten: 0,
            })
        })
    }

    /// The room, once something was decided about it.
    pub(in crate::shard) fn room(&self) -> Option<RoomId> {
        self.0.as_ref().map(|ring| ring.room)
    }

    /// What is kept, oldest first.
    pub(in crate::shard) fn decisions(&self) -> impl Iterator<Item = &Decided> {
        let ring = self.0.as_deref();
        let (newer, older) = ring.map_or((&[][..], &[][..]), |ring| ring.decided.split_at(ring.oldest));
        older.iter().chain(newer)
    }

    /// What is kept, in one line: how long ago, about whom, what.
    pub(in crate::shard) fn story(&self, now: WallTime) -> String {
        let mut text = String::new();
        for Decided { at, player, what } in self.decisions() {
            let ago_ms = now.unix_ms().saturating_sub(at.unix_ms());
            let separator = if text.is_empty() { "" } else { "; " };
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "{separator}-{ago_ms} ms {:.8} {what}",
                player.encode(&mut [0; 36])
            );
        }
        text
    }

    /// How many older ones are gone.
    pub(in crate::shard) fn forgotten(&self) -> u64 {
        self.0.as_ref().map_or(0, |ring| ring.forgotten)
    }
}

impl Ring {
    /// Keeps one more.
    pub(in crate::shard) fn note(&mut self, decided: Decided) {
        if self.joins_the_newest(decided) {
            return;
        }
        if self.decided.len() < MAX_DECISIONS {
            if self.decided.len() == self.decided.capacity() {
                let more = self.decided.len().min(MAX_DECISIONS - self.decided.len());
                self.decided.reserve_exact(more);
            }
            return self.decided.push(decided);
        }
        self.decided[self.oldest] = decided;
        self.oldest = (self.oldest + 1) % MAX_DECISIONS;
        self.forgotten += 1;
    }

    /// Whether it is but more of what was noted last.
    fn joins_the_newest(&mut self, decided: Decided) -> bool {
        let newest = match self.oldest {
            0 => self.decided.last_mut(),
            oldest => self.decided.get_mut(oldest - 1),
        };
        let Some(newest) = newest.filter(|newest| newest.player == decided.player) else {
            return false;
        };
        if decided.at.unix_ms().saturating_sub(newest.at.unix_ms()) >= TOGETHER_MS {
            return false;
        }
        match (&mut newest.what, decided.what) {
            (Decision::Missed { times }, Decision::Missed { times: more }) => *times = times.saturating_add(more),
            (
                Decision::Refused { code, times },
                Decision::Refused {
                    code: again,
                    times: more,
                },
            ) if *code == again => {
                *times = times.saturating_add(more);
            }
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: RoomId = RoomId::from_bytes([7; 16]);

    fn decided(ms: u64, player: u8, what: Decision) -> Decided {
        Decided {
            at: WallTime {
                unix_nanos: ms * 1_000_000,
            },
            player: PlayerId::from_bytes([player; 16]),
            what,
        }
    }

    #[test]
    fn a_ring_holds_four_kilobytes_at_most_and_nothing_before_the_first() {
        let mut recorder = FlightRecorder::default();
        assert!(recorder.0.is_none() && recorder.decisions().next().is_none());
        for number in 0..1_000 {
            recorder.ring_of(ROOM).note(decided(number, 1, Decision::Joined));
            let ring = recorder.0.as_ref().expect("something was noted");
            let bytes = ring.decided.capacity() * size_of::<Decided>() + size_of::<Ring>();
            assert!(bytes <= 4_096, "{bytes} after {number}");
        }
    }

    #[test]
    fn a_flood_of_what_goes_wrong_is_a_line_a_second_that_says_how_often() {
        let mut dumps = Dumps::default();
        let told: Vec<_> = (5_000..8_000)
            .filter_map(|ms| Some((ms, dumps.take_turn(ms)?)))
            .collect();
        assert_eq!(told, [(5_000, 0), (6_000, 999), (7_000, 999)]);
    }

    #[test]
    fn the_newest_are_kept_in_order_and_the_others_counted() {
        let mut recorder = FlightRecorder::default();
        for number in 0..307 {
            recorder.ring_of(ROOM).note(decided(number, 1, Decision::Joined));
            let kept: Vec<_> = recorder.decisions().map(|decided| decided.at.unix_ms()).collect();
            let first = (number + 1).saturating_sub(MAX_DECISIONS as u64);
            assert_eq!(kept, (first..=number).collect::<Vec<_>>());
            assert_eq!(recorder.forgotten(), first);
        }
    }

    #[test]
    fn a_flood_of_gaps_is_one_decision_a_second() {
        let mut recorder = FlightRecorder::default();
        for ms in 0..3_000 {
            recorder
                .ring_of(ROOM)
                .note(decided(ms, 1, Decision::Missed { times: 2 }));
        }
        let kept: Vec<_> = recorder.decisions().map(|decided| decided.what).collect();
        assert_eq!(kept, [Decision::Missed { times: 2_000 }; 3]);
        recorder
            .ring_of(ROOM)
            .note(decided(3_000, 2, Decision::Missed { times: 1 }));
        recorder
            .ring_of(ROOM)
            .note(decided(3_001, 1, Decision::Missed { times: 1 }));
        assert_eq!(recorder.decisions().count(), 5, "of two readers they are two");
        for (ms, code) in [
            (3_010, ErrorCode::NotInRoom),
            (3_020, ErrorCode::NotInRoom),
            (3_030, ErrorCode::InvalidInput),
        ] {
            recorder
                .ring_of(ROOM)
                .note(decided(ms, 1, Decision::Refused { code, times: 1 }));
        }
        let story = recorder.story(decided(3_130, 1, Decision::Joined).at);
        let end = "-120 ms 01010101 refused NOT_IN_ROOM 2 times; -100 ms 01010101 refused INVALID_INPUT";
        assert!(story.ends_with(end), "{story}");
    }
}
