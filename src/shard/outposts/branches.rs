//! The outposts of the rooms that live here: which there are, and what is on its way to them.
//!
//! What a room says in a turn is gathered in one bulletin, which goes to all its outposts at the turn's end, and before
//! anything that has to keep its order beside it. Promises that an outpost gets everything in order, or is told what it
//! misses where that may be left out, or is cut: whoever is there is closed, and nothing follows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ahash::AHashMap;

use super::bulletin::Bulletin;
use super::couriers::Couriers;
use super::letter::{Body, Consignment, Letter, OutpostMail};
use crate::protocol::game_data::Shape;
use crate::protocol::{GameDataFormat, PlayerId, RoomId};
use crate::shard::connection::RoomRef;
use crate::shard::{CounterSet, FrameOrigin, ShardId};

/// How often spectators at outposts are told who came or went, at most. In between the newest news replaces older.
const ROSTER_INTERVAL_MS: u64 = 1_000;

/// The rooms that have outposts.
#[derive(Debug, Default)]
pub(in crate::shard) struct Branches {
    by_room: AHashMap<RoomId, Branch>,
    /// Rooms that have said something this turn.
    open: Vec<RoomId>,
    /// Rooms whose outposts have yet to be told who came or went.
    awaiting_roster: Vec<RoomId>,
}

/// The outposts of one room.
#[derive(Debug)]
struct Branch {
    room: RoomRef,
    outposts: Vec<OutpostRecord>,
    bulletin: Bulletin,
    roster: RosterNews,
    /// When anybody at an outpost was last heard of.
    heard_ms: u64,
}

/// What home knows of an outpost.
#[derive(Debug)]
struct OutpostRecord {
    shard: ShardId,
    watchers: usize,
    on_the_way_bytes: Arc<AtomicUsize>,
    /// Whether it fell too far behind. It gets nothing more, and is forgotten when everybody there is gone.
    is_cut: bool,
}

/// Who came or went last.
#[derive(Debug, Default)]
struct RosterNews {
    next_ms: u64,
    waiting: Option<RosterNotice>,
}

/// A notice that may be replaced by a newer one until it is told.
#[derive(Debug)]
struct RosterNotice {
    forms: [Option<Box<[u8]>>; 2],
    except: Option<PlayerId>,
}

impl Branches {
    /// The room of that id, if it has outposts.
    pub(super) fn room(&self, id: RoomId) -> Option<RoomRef> {
        self.by_room.get(&id).map(|branch| branch.room)
    }

    /// Whether a room's outpost gets nothing more.
    pub(super) fn is_cut(&self, id: RoomId, shard: ShardId) -> bool {
        self.by_room
            .get(&id)
            .and_then(|branch| branch.outposts.iter().find(|outpost| outpost.shard == shard))
            .is_some_and(|outpost| outpost.is_cut)
    }

    /// Notes that somebody watches at an outpost.
    pub(super) fn add_watcher(&mut self, id: RoomId, room: RoomRef, shard: ShardId) {
        let branch = self.by_room.entry(id).or_insert_with(|| Branch {
            room,
            outposts: Vec::new(),
            bulletin: Bulletin::default(),
            roster: RosterNews::default(),
            heard_ms: 0,
        });
        match branch.outposts.iter_mut().find(|outpost| outpost.shard == shard) {
            Some(outpost) => outpost.watchers += 1,
            None => branch.outposts.push(OutpostRecord {
                shard,
                watchers: 1,
                on_the_way_bytes: Arc::default(),
                is_cut: false,
            }),
        }
    }

    /// Notes that somebody does not watch at an outpost any more.
    pub(super) fn remove_watcher(&mut self, id: RoomId, shard: ShardId) {
        let Some(branch) = self.by_room.get_mut(&id) else {
            return;
        };
        if let Some(index) = branch.outposts.iter().position(|outpost| outpost.shard == shard) {
            branch.outposts[index].watchers -= 1;
            if branch.outposts[index].watchers == 0 {
                branch.outposts.swap_remove(index);
            }
        }
        if branch.outposts.is_empty() {
            self.by_room.remove(&id); // what is waiting would reach nobody
        }
    }

    /// Forgets a room that is gone. Its outposts are told.
    pub(in crate::shard) fn close_room(
        &mut self,
        id: RoomId,
        couriers: &mut Couriers,
        counters: &CounterSet,
        now_ms: u64,
    ) {
        self.post_bulletin(id, couriers, counters, usize::MAX, now_ms);
        for outpost in self.by_room.remove(&id).into_iter().flat_map(|branch| branch.outposts) {
            couriers.send(to_outpost(outpost.shard, id, OutpostMail::Closed));
        }
    }

    /// When anybody at an outpost of a room was last heard of; `None` when the room has none.
    pub(in crate::shard) fn heard_ms(&self, id: RoomId) -> Option<u64> {
        self.by_room.get(&id).map(|branch| branch.heard_ms)
    }

    /// Notes when somebody at an outpost was heard of.
    pub(super) fn note_heard(&mut self, id: RoomId, heard_ms: u64) {
        if let Some(branch) = self.by_room.get_mut(&id) {
            branch.heard_ms = branch.heard_ms.max(heard_ms);
        }
    }

    fn bulletin(&mut self, id: RoomId) -> Option<&mut Bulletin> {
        let branch = self.by_room.get_mut(&id)?;
        if branch.bulletin.is_empty() {
            self.open.push(id);
        }
        Some(&mut branch.bulletin)
    }

    /// Adds a player's game data to what the room says.
    pub(in crate::shard) fn say(
        &mut self,
        id: RoomId,
        origin: FrameOrigin,
        format: Option<GameDataFormat>,
        frames: [Option<&[u8]>; Shape::COUNT],
    ) {
        if let Some(bulletin) = self.bulletin(id) {
            bulletin.add_data(origin, format, frames);
        }
    }

    /// Adds a message of the server's own.
    pub(in crate::shard) fn notify(&mut self, id: RoomId, forms: [Option<&[u8]>; 2], except: Option<PlayerId>) {
        if let Some(bulletin) = self.bulletin(id) {
            bulletin.add_notice(forms, except);
        }
    }

    /// Adds advice for those who read only text of game data of a format.
    pub(in crate::shard) fn advise(&mut self, id: RoomId, forms: [Option<&[u8]>; 2], format: Option<GameDataFormat>) {
        if let Some(bulletin) = self.bulletin(id) {
            bulletin.add_advice(forms, format);
        }
    }

    /// Tells outposts who came or went: now, or with the next news within the interval.
    pub(in crate::shard) fn tell_roster(
        &mut self,
        id: RoomId,
        forms: [Option<&[u8]>; 2],
        except: Option<PlayerId>,
        counters: &CounterSet,
        now_ms: u64,
    ) {
        let Some(branch) = self.by_room.get_mut(&id) else {
            return;
        };
        let roster = &mut branch.roster;
        if now_ms >= roster.next_ms {
            roster.next_ms = now_ms + ROSTER_INTERVAL_MS;
            // What waited for this moment is older: told after this, it would take it back.
            if roster.waiting.take().is_some() {
                counters.roster_notices_replaced.add(1);
                self.awaiting_roster.retain(|waiting| *waiting != id);
            }
            return self.notify(id, forms, except);
        }
        let notice = RosterNotice {
            forms: forms.map(|frame| frame.map(Box::from)),
            except,
        };
        match roster.waiting.replace(notice) {
            Some(_) => counters.roster_notices_replaced.add(1),
            None => self.awaiting_roster.push(id),
        }
    }

    /// Tells outposts who came or went where the time for that has come.
    pub(in crate::shard) fn tell_waiting_rosters(&mut self, now_ms: u64) {
        let mut index = 0;
        while index < self.awaiting_roster.len() {
            let id = self.awaiting_roster[index];
            let roster = self.by_room.get_mut(&id).map(|branch| &mut branch.roster);
            if roster.as_ref().is_some_and(|roster| now_ms < roster.next_ms) {
                index += 1;
                continue;
            }
            self.awaiting_roster.swap_remove(index);
            if let Some(roster) = roster
                && let Some(notice) = roster.waiting.take()
            {
                roster.next_ms = now_ms + ROSTER_INTERVAL_MS;
                self.notify(id, notice.forms.each_ref().map(Option::as_deref), notice.except);
            }
        }
    }

    /// Tells outposts all news that were put off.
    pub(in crate::shard) fn hurry(&mut self) {
        for branch in self.by_room.values_mut() {
            branch.roster.next_ms = 0;
        }
        self.tell_waiting_rosters(0);
    }

    /// When [`tell_waiting_rosters`](Self::tell_waiting_rosters) next has something to tell.
    pub(in crate::shard) fn next_roster_ms(&self) -> Option<u64> {
        let next_ms = |id| self.by_room.get(id).map_or(0, |branch: &Branch| branch.roster.next_ms);
        self.awaiting_roster.iter().map(next_ms).min()
    }

    /// Whether a room has said something that was not posted.
    pub(in crate::shard) const fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Posts what all rooms have said.
    pub(super) fn post_all(&mut self, couriers: &mut Couriers, counters: &CounterSet, limit_bytes: usize, now_ms: u64) {
        for id in std::mem::take(&mut self.open) {
            self.post_bulletin(id, couriers, counters, limit_bytes, now_ms);
        }
    }

    /// Posts what a room has said to its outposts. One that more than `limit_bytes` are on the way to is spared what may be
    /// left out; if that is not enough, it is cut.
    pub(super) fn post_bulletin(
        &mut self,
        id: RoomId,
        couriers: &mut Couriers,
        counters: &CounterSet,
        limit_bytes: usize,
        now_ms: u64,
    ) {
        let Some(branch) = self.by_room.get_mut(&id) else {
            return;
        };
        if branch.bulletin.is_empty() {
            return;
        }
        let whole = Arc::new(std::mem::take(&mut branch.bulletin));
        let mut thin = None;
        for outpost in branch.outposts.iter_mut().filter(|outpost| !outpost.is_cut) {
            let waiting = outpost.on_the_way_bytes.load(Ordering::Relaxed);
            let fits = |bulletin: &Bulletin| waiting == 0 || waiting + bulletin.weight() <= limit_bytes;
            let bulletin = if fits(&whole) {
                &whole
            } else {
                counters.bulletins_thinned.add(1);
                thin.get_or_insert_with(|| Arc::new(whole.thinned()))
            };
            let mail = if fits(bulletin) {
                counters.bulletins_posted.add(1);
                let on_the_way = Arc::clone(&outpost.on_the_way_bytes);
                OutpostMail::Bulletin(Consignment::new(Arc::clone(bulletin), on_the_way, now_ms))
            } else {
                counters.outposts_cut.add(1);
                outpost.is_cut = true;
                OutpostMail::Cut
            };
            couriers.send(to_outpost(outpost.shard, id, mail));
        }
    }
}

pub(super) const fn to_outpost(target: ShardId, room: RoomId, mail: OutpostMail) -> Letter {
    Letter {
        target,
        body: Body::ToOutpost { room, mail },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::MemberRef;

    #[test]
    fn older_news_of_a_gallery_are_not_told_after_newer_ones() {
        let (mut branches, counters) = (Branches::default(), CounterSet::default());
        let id = RoomId::in_slot(0, [7; 16]);
        let room = RoomRef(MemberRef {
            index: 0,
            generation: 0,
        });
        branches.add_watcher(id, room, ShardId(1));
        let mut tell = |news: &[u8], now_ms| {
            branches.tell_roster(id, [None, Some(news)], None, &counters, now_ms);
        };
        tell(b"first", 0);
        tell(b"second, which waits", ROSTER_INTERVAL_MS / 2);
        // Before the tick that would tell the second.
        tell(b"third", ROSTER_INTERVAL_MS);
        assert_eq!(counters.roster_notices_replaced.get(), 1);
        assert_eq!(branches.next_roster_ms(), None, "nothing waits any more");
        branches.post_all(&mut Couriers::default(), &counters, usize::MAX, ROSTER_INTERVAL_MS);
        branches.tell_waiting_rosters(10 * ROSTER_INTERVAL_MS);
        assert!(!branches.is_open(), "and nothing is told later");
    }
}
