//! The outposts of the rooms that live here: which there are, and what is on its way to them.
//!
//! What a room says in a turn is gathered in one bulletin, which goes to all its outposts at the turn's end, and before
//! anything that has to keep its order beside it. Promises that an outpost gets everything in order, or is told what it
//! misses where that may be left out, or is cut: whoever is there is closed, and nothing follows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ahash::AHashMap;

use crate::protocol::game_data::Shape;
use crate::protocol::{GameDataFormat, PlayerId, RoomId};
use crate::shard::exchange::bulletin::closed::Bulletin;
use crate::shard::exchange::bulletin::open::OpenBulletin;
use crate::shard::exchange::message::{InFlightBulletin, OutpostMail, ShardMessage};
use crate::shard::exchange::send_queues::SendQueues;
use crate::shard::outbox::FrameOrigin;
use crate::shard::state::room_key::RoomKey;
use crate::shard::world::counters::CounterSet;
use crate::shard::world::id::ShardId;
use crate::shard::world::stripes::Stripes;

/// At 30,000 rooms with outposts a stripe has some 500.
pub(in crate::shard) const STRIPES: usize = 64;

/// The rooms that have outposts.
#[derive(Debug)]
pub(in crate::shard) struct OutpostRegistry {
    by_room: Stripes<AHashMap<RoomId, RegisteredRoom>>,
    /// Rooms that have said something this turn.
    open: Vec<RoomId>,
}

/// The outposts of one room.
#[derive(Debug)]
struct RegisteredRoom {
    room: RoomKey,
    outposts: Vec<OutpostRecord>,
    bulletin: OpenBulletin,
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

impl Default for OutpostRegistry {
    fn default() -> Self {
        Self {
            by_room: Stripes::new(STRIPES),
            open: Vec::new(),
        }
    }
}

impl OutpostRegistry {
    /// The room of that id, if it has outposts.
    pub(in crate::shard) fn room(&self, id: RoomId) -> Option<RoomKey> {
        self.by_room.of(&id).get(&id).map(|registered| registered.room)
    }

    /// Whether a room's outpost gets nothing more.
    pub(in crate::shard) fn is_cut(&self, id: RoomId, shard: ShardId) -> bool {
        self.by_room
            .of(&id)
            .get(&id)
            .and_then(|registered| registered.outposts.iter().find(|outpost| outpost.shard == shard))
            .is_some_and(|outpost| outpost.is_cut)
    }

    /// Notes that somebody watches at an outpost.
    pub(in crate::shard) fn add_watcher(&mut self, id: RoomId, room: RoomKey, shard: ShardId) {
        let registered = self.by_room.of_mut(&id).entry(id).or_insert_with(|| RegisteredRoom {
            room,
            outposts: Vec::new(),
            bulletin: OpenBulletin::default(),
            heard_ms: 0,
        });
        match registered.outposts.iter_mut().find(|outpost| outpost.shard == shard) {
            Some(outpost) => outpost.watchers += 1,
            None => registered.outposts.push(OutpostRecord {
                shard,
                watchers: 1,
                on_the_way_bytes: Arc::default(),
                is_cut: false,
            }),
        }
    }

    /// Notes that somebody does not watch at an outpost any more.
    pub(in crate::shard) fn remove_watcher(&mut self, id: RoomId, shard: ShardId) {
        let Some(registered) = self.by_room.of_mut(&id).get_mut(&id) else {
            return;
        };
        if let Some(index) = registered.outposts.iter().position(|outpost| outpost.shard == shard) {
            registered.outposts[index].watchers -= 1;
            if registered.outposts[index].watchers == 0 {
                registered.outposts.swap_remove(index);
            }
        }
        if registered.outposts.is_empty() {
            self.by_room.of_mut(&id).remove(&id); // what is waiting would reach nobody
        }
    }

    /// Forgets a room that is gone. Its outposts are told.
    pub(in crate::shard) fn close_room(
        &mut self,
        id: RoomId,
        send_queues: &mut SendQueues,
        counters: &CounterSet,
        now_ms: u64,
    ) {
        self.post_bulletin(id, send_queues, counters, usize::MAX, now_ms);
        for outpost in self
            .by_room
            .of_mut(&id)
            .remove(&id)
            .into_iter()
            .flat_map(|registered| registered.outposts)
        {
            send_queues.send(ShardMessage::to_outpost(outpost.shard, id, OutpostMail::Closed));
        }
    }

    /// When anybody at an outpost of a room was last heard of; `None` when the room has none.
    pub(in crate::shard) fn heard_ms(&self, id: RoomId) -> Option<u64> {
        self.by_room.of(&id).get(&id).map(|registered| registered.heard_ms)
    }

    /// Notes when somebody at an outpost was heard of.
    pub(in crate::shard) fn note_heard(&mut self, id: RoomId, heard_ms: u64) {
        if let Some(registered) = self.by_room.of_mut(&id).get_mut(&id) {
            registered.heard_ms = registered.heard_ms.max(heard_ms);
        }
    }

    fn bulletin(&mut self, id: RoomId) -> Option<&mut OpenBulletin> {
        let registered = self.by_room.of_mut(&id).get_mut(&id)?;
        if registered.bulletin.is_empty() {
            self.open.push(id);
        }
        Some(&mut registered.bulletin)
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

    /// Whether a room has said something that was not posted.
    pub(in crate::shard) const fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Posts what all rooms have said.
    pub(in crate::shard) fn post_all(
        &mut self,
        send_queues: &mut SendQueues,
        counters: &CounterSet,
        limit_bytes: usize,
        now_ms: u64,
    ) {
        for id in std::mem::take(&mut self.open) {
            self.post_bulletin(id, send_queues, counters, limit_bytes, now_ms);
        }
    }

    /// Posts what a room has said to its outposts. One that more than `limit_bytes` are on the way to is spared what may be
    /// left out; if that is not enough, it is cut.
    pub(in crate::shard) fn post_bulletin(
        &mut self,
        id: RoomId,
        send_queues: &mut SendQueues,
        counters: &CounterSet,
        limit_bytes: usize,
        now_ms: u64,
    ) {
        let Some(registered) = self.by_room.of_mut(&id).get_mut(&id) else {
            return;
        };
        if registered.bulletin.is_empty() {
            return;
        }
        let said = std::mem::take(&mut registered.bulletin);
        let whole = said.closed();
        let mut thin = None;
        for outpost in registered.outposts.iter_mut().filter(|outpost| !outpost.is_cut) {
            let waiting = outpost.on_the_way_bytes.load(Ordering::Relaxed);
            let fits = |bulletin: &Bulletin| waiting == 0 || waiting + bulletin.weight_bytes() <= limit_bytes;
            let bulletin = if fits(&whole) {
                &whole
            } else {
                counters.bulletins_thinned.add(1);
                thin.get_or_insert_with(|| said.thinned().closed())
            };
            let mail = if fits(bulletin) {
                counters.bulletins_posted.add(1);
                let on_the_way = Arc::clone(&outpost.on_the_way_bytes);
                OutpostMail::Bulletin(InFlightBulletin::new(bulletin.clone(), on_the_way, now_ms))
            } else {
                counters.outposts_cut.add(1);
                outpost.is_cut = true;
                OutpostMail::Cut
            };
            send_queues.send(ShardMessage::to_outpost(outpost.shard, id, mail));
        }
    }
}
