//! Large galleries, spread over the shards.
//!
//! Players and the first spectators of a room live at its home. Spectators above a limit stay on the shard that accepted
//! them, which keeps an *outpost* of the room: home gathers what the room says in a turn in one bulletin, each frame
//! encoded once per shape, and sends it to each outpost by reference; the outpost puts it into the outboxes of its
//! watchers, in slices, so that a gallery of thousands delays nobody for long. The home is the only one who numbers, admits
//! and removes.
//!
//! What shards say to each other are [`Letter`]s. Between two shards they keep their order, and so a spectator gets nothing
//! of a room before its snapshot and misses nothing after it.

use std::collections::VecDeque;

use ahash::AHashMap;

use crate::protocol::{PlayerId, RoomId};
use crate::room::{Member, MemberRef};
use crate::shard::exchange::message::OutpostMail;
use crate::shard::exchange::registry::STRIPES;
use crate::shard::world::stripes::Stripes;

/// The outposts that a shard keeps of rooms, its own among them.
#[derive(Debug)]
pub(in crate::shard) struct Outposts {
    pub(in crate::shard) by_room: Stripes<AHashMap<RoomId, Outpost>>,
    /// Outposts that have mail, each once, unless they are gathering.
    pub(in crate::shard) busy: VecDeque<RoomId>,
    /// Outposts that let bulletins gather, each once.
    pub(in crate::shard) gathering: Vec<RoomId>,
}

/// One outpost.
#[derive(Debug, Default)]
pub(in crate::shard) struct Outpost {
    pub(in crate::shard) watchers: Vec<Watching>,
    /// What has come and was not yet told, in order.
    pub(in crate::shard) mail: VecDeque<OutpostMail>,
    /// How many of the watchers, from the first, were told the bulletins of the current pass.
    pub(in crate::shard) told: usize,
    /// How many bulletins, from the front, the current pass tells; 0: none has begun.
    pub(in crate::shard) pass: usize,
    /// When the next pass may begin.
    pub(in crate::shard) next_pass_ms: u64,
    /// When home was last told of a sign of life.
    pub(in crate::shard) heard_ms: u64,
}

/// Somebody who watches at an outpost.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard) struct Watching {
    pub(in crate::shard) member: Member,
    pub(in crate::shard) player: PlayerId,
}

impl Default for Outposts {
    fn default() -> Self {
        Self {
            by_room: Stripes::new(STRIPES),
            busy: VecDeque::new(),
            gathering: Vec::new(),
        }
    }
}

impl Outposts {
    pub(in crate::shard) fn receive(&mut self, room: RoomId, mail: OutpostMail) {
        let outpost = self.by_room.of_mut(&room).entry(room).or_default();
        let is_bulletin = matches!(mail, OutpostMail::Bulletin(_));
        if outpost.mail.is_empty() {
            self.busy.push_back(room);
        } else if !is_bulletin && let Some(index) = self.gathering.iter().position(|known| *known == room) {
            // Somebody waits for it, and it comes behind what has gathered.
            self.gathering.swap_remove(index);
            self.busy.push_back(room);
        }
        if !is_bulletin {
            outpost.next_pass_ms = 0;
        }
        outpost.mail.push_back(mail);
    }

    /// Whether mail is let gather.
    pub(in crate::shard) const fn gathers(&self) -> bool {
        !self.gathering.is_empty()
    }

    /// Whether there is mail that may be served.
    pub(in crate::shard) fn has_mail(&self) -> bool {
        !self.busy.is_empty()
    }

    /// When mail that was let gather may be served.
    pub(in crate::shard) fn next_pass_ms(&self) -> Option<u64> {
        let next_ms = |room| {
            self.by_room
                .of(room)
                .get(room)
                .map_or(0, |outpost: &Outpost| outpost.next_pass_ms)
        };
        self.gathering.iter().map(next_ms).min()
    }

    /// Lets mail be served that has gathered for long enough.
    pub(in crate::shard) fn release(&mut self, now_ms: u64) {
        let Self {
            by_room,
            busy,
            gathering,
        } = self;
        gathering.retain(|room| {
            let Some(outpost) = by_room.of_mut(room).get_mut(room) else {
                return false;
            };
            let gathers = outpost.next_pass_ms > now_ms;
            if !gathers {
                outpost.next_pass_ms = 0;
                busy.push_back(*room);
            }
            gathers
        });
    }

    /// Takes a connection out of an outpost. Says who it was.
    pub(in crate::shard) fn remove(&mut self, room: RoomId, at: MemberRef) -> Option<PlayerId> {
        let outpost = self.by_room.of_mut(&room).get_mut(&room)?;
        let removed = outpost.remove(at);
        if outpost.watchers.is_empty() && outpost.mail.is_empty() {
            self.by_room.of_mut(&room).remove(&room);
        }
        removed
    }
}

impl Outpost {
    /// Whether all that has come may wait for more.
    pub(in crate::shard) fn may_gather(&self, now_ms: u64) -> bool {
        self.pass == 0 && now_ms < self.next_pass_ms && !self.watchers.is_empty()
    }

    pub(in crate::shard) fn remove(&mut self, at: MemberRef) -> Option<PlayerId> {
        let mut index = self.watchers.iter().position(|watching| watching.member.link == at)?;
        let player = self.watchers[index].player;
        if index < self.told {
            // The last of those who were told takes the place, and the last of all takes its.
            self.told -= 1;
            self.watchers.swap(index, self.told);
            index = self.told;
        }
        self.watchers.swap_remove(index);
        Some(player)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Dialect;

    fn link(number: u32) -> MemberRef {
        MemberRef {
            index: number,
            generation: 0,
        }
    }

    fn outpost(told: usize) -> Outpost {
        let watchers = (0..6).map(|number| Watching {
            member: Member {
                link: link(number),
                dialect: Dialect::FLOOR,
            },
            player: PlayerId::from_bytes([number as u8; 16]),
        });
        Outpost {
            watchers: watchers.collect(),
            told,
            ..Outpost::default()
        }
    }

    #[test]
    fn whoever_leaves_amid_a_bulletin_changes_nothing_for_the_rest() {
        for told in 0..=6 {
            for gone in 0..6 {
                let mut outpost = outpost(told);
                assert!(outpost.remove(link(gone)).is_some());
                let (before, after) = outpost.watchers.split_at(outpost.told);
                let expected = |range: std::ops::Range<u32>| range.filter(|number| *number != gone).collect::<Vec<_>>();
                let numbers = |watchers: &[Watching]| {
                    let mut numbers: Vec<_> = watchers.iter().map(|watching| watching.member.link.index).collect();
                    numbers.sort_unstable();
                    numbers
                };
                assert_eq!(
                    numbers(before),
                    expected(0..told as u32),
                    "{gone} of those who were told"
                );
                assert_eq!(numbers(after), expected(told as u32..6), "{gone} of those who were not");
            }
        }
    }
}
