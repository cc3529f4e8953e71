//! Who is in which room: the members of one generator thread, numbered room by room.
//!
//! In every room those who send come first, then slow players, then spectators.

use crate::delivery::Mixture;
use crate::group::Group;
use crate::scenario::Scenario;
use crate::version::Version;

/// A room of one thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    /// Index of its group.
    pub(crate) group: usize,
    pub(crate) version: Version,
    pub(crate) mixture: Mixture,
    /// Its number over the whole test.
    pub(crate) number: u32,
    /// Its first member.
    pub(crate) first: u32,
    /// Members who send.
    pub(crate) senders: u32,
    pub(crate) members: u32,
    /// Where its (sender, receiver) pairs begin.
    pub(crate) pairs_at: u32,
}

/// What a member does besides receiving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Player,
    /// A player who leaves and comes back.
    Returning,
    /// A player who only reads, slowly.
    Slow,
    Spectator,
}

/// The rooms of one thread.
#[derive(Debug, Clone)]
pub(crate) struct Seating {
    pub(crate) rooms: Vec<Room>,
    /// The room of each member.
    room_of: Vec<u32>,
    parts: Vec<Part>,
    /// Number of the first member over the whole test.
    pub(crate) first_member: u32,
    pub(crate) pairs: u32,
    /// Of the classes that messages have.
    seed: u64,
}

impl Seating {
    /// The share of one thread: rooms in a row.
    pub(crate) fn new(scenario: &Scenario, thread: u32) -> Self {
        let end_of =
            |thread: u32| (u64::from(scenario.rooms()) * u64::from(thread) / u64::from(scenario.threads)) as u32;
        let ours = end_of(thread)..end_of(thread + 1);
        let mut seating = Self {
            rooms: Vec::new(),
            room_of: Vec::new(),
            parts: Vec::new(),
            first_member: 0,
            pairs: 0,
            seed: scenario.seed,
        };
        let mut number = 0;
        for (at, group) in scenario.groups.iter().enumerate() {
            for _ in 0..group.rooms {
                if number < ours.start {
                    seating.first_member += group.members();
                } else if number < ours.end {
                    seating.push(at, group, number);
                }
                number += 1;
            }
        }
        seating
    }

    fn push(&mut self, at: usize, group: &Group, number: u32) {
        let room = self.rooms.len() as u32;
        self.rooms.push(Room {
            group: at,
            version: group.version,
            mixture: group.mixture.seeded(self.seed),
            number,
            first: self.members(),
            senders: group.senders(),
            members: group.members(),
            pairs_at: self.pairs,
        });
        self.pairs += group.senders() * group.members();
        for (part, count) in [
            (Part::Player, group.players),
            (Part::Returning, group.returning),
            (Part::Slow, group.slow),
            (Part::Spectator, group.spectators),
        ] {
            for _ in 0..count {
                self.room_of.push(room);
                self.parts.push(part);
            }
        }
    }

    pub(crate) fn members(&self) -> u32 {
        self.room_of.len() as u32
    }

    pub(crate) fn room_of(&self, member: u32) -> &Room {
        &self.rooms[self.room_of[member as usize] as usize]
    }

    /// Index of a member's room among the rooms of this thread.
    pub(crate) fn room_index(&self, member: u32) -> usize {
        self.room_of[member as usize] as usize
    }

    pub(crate) fn part(&self, member: u32) -> Part {
        self.parts[member as usize]
    }

    pub(crate) fn version_of(&self, member: u32) -> Version {
        self.room_of(member).version
    }

    /// Somebody speaks version 3.
    pub(crate) fn has_version_3(&self) -> bool {
        self.rooms.iter().any(|room| room.version == Version::V3)
    }

    /// Members with this part.
    pub(crate) fn all(&self, part: Part) -> Vec<u32> {
        (0..self.members())
            .filter(|&member| self.part(member) == part)
            .collect()
    }

    /// Those of a group who send.
    pub(crate) fn senders_of(&self, group: usize) -> Vec<u32> {
        let rooms = self.rooms.iter().filter(|room| room.group == group);
        rooms.flat_map(|room| room.first..room.first + room.senders).collect()
    }
}

impl Room {
    /// Everybody in it.
    pub(crate) fn everybody(&self) -> std::ops::Range<u32> {
        self.first..self.first + self.members
    }

    /// Those who send.
    pub(crate) fn speakers(&self) -> std::ops::Range<u32> {
        self.first..self.first + self.senders
    }

    /// The number of a pair; `sender` must be one of the senders and `receiver` a member.
    pub(crate) fn pair(&self, sender: u32, receiver: u32) -> u32 {
        self.pairs_at + (receiver - self.first) * self.senders + (sender - self.first)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Rooms of players only, numbered from `first_member` on.
    pub(crate) fn plain(rooms: u32, players: u32, first_member: u32) -> Seating {
        let group = Group::plain(crate::encoding::Encoding::Json, rooms, players);
        of_group(&group, first_member)
    }

    /// The rooms of one group.
    pub(crate) fn of_group(group: &Group, first_member: u32) -> Seating {
        let mut seating = Seating {
            rooms: Vec::new(),
            room_of: Vec::new(),
            parts: Vec::new(),
            first_member,
            pairs: 0,
            seed: 1,
        };
        for _ in 0..group.rooms {
            let number = first_member / group.members() + seating.rooms.len() as u32;
            seating.push(0, group, number);
        }
        seating
    }

    #[test]
    fn pairs_do_not_overlap_and_parts_are_in_order() {
        let mut group = Group::plain(crate::encoding::Encoding::Json, 2, 2);
        (group.returning, group.slow, group.spectators) = (1, 1, 2);
        let seating = of_group(&group, 0);
        let mut pairs: Vec<u32> = seating
            .rooms
            .iter()
            .flat_map(|room| {
                room.everybody()
                    .flat_map(move |receiver| room.speakers().map(move |sender| room.pair(sender, receiver)))
            })
            .collect();
        pairs.sort_unstable();
        assert_eq!(pairs, (0..seating.pairs).collect::<Vec<_>>());
        assert_eq!(seating.all(Part::Returning), [2, 8]);
        assert_eq!(seating.all(Part::Slow), [3, 9]);
        assert_eq!(seating.all(Part::Spectator), [4, 5, 10, 11]);
        assert_eq!(seating.senders_of(0), [0, 1, 2, 6, 7, 8]);
    }
}
