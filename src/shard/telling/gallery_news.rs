//! News of galleries: who came to watch and who went, and when whom that is told.
//!
//! Version 3 is told of each at once, in a line. Version 2 reads the whole gallery with each, and outposts have thousands of
//! watchers: for these news waits for its moment, and the newest replaces what waits. It is written when it is told, once,
//! from the gallery of that moment, so that one room costs so many entries of a gallery in a millisecond and no reader more
//! than one. Promises that what was told last is true, that nobody is told what its own snapshot has already shown it, and
//! that news which was replaced is counted.

use crate::protocol::ProtocolVersion;
use crate::room::{ConnectionKey, Member, Room};
use crate::shard::Shard;
use crate::shard::state::gallery_news::{AFAR_INTERVAL_MS, ENTRIES_PER_MS, MAX_EXCEPT, News, Readers, SMALL_GALLERY};
use crate::shard::state::room_key::RoomKey;
use crate::shard::world::now::Now;

/// Bytes that one tick writes and queues before the other rooms wait for the next.
const BYTES_PER_TICK: usize = 256 * 1024;

impl<L> Shard<L> {
    /// Tells everybody in a room who came or went: now, or with the newest news when the time for that has come.
    pub(in crate::shard) fn announce_gallery(&mut self, room_key: RoomKey, news: News, now: Now) {
        let Some(room) = self.rooms.get(room_key) else { return };
        let Some(message) = news.message(room, false) else {
            return;
        };
        let readers = members(room).filter(|member| !reads_galleries(member) && news.concerns(member));
        let settings = &self.world.settings;
        self.post.tell_each(readers, &message, now.mono_ms, settings);
        let (event, has_outposts) = (room.missed(&message), room.gallery().has_outposts());
        self.keep_event(room_key, event);
        if has_outposts {
            self.offer_news(room_key, Readers::Afar, news.clone(), now);
        }
        self.offer_news(room_key, Readers::Here, news, now);
    }

    /// Tells readers some news if it is time to, or keeps it for them.
    fn offer_news(&mut self, room_key: RoomKey, readers: Readers, news: News, now: Now) {
        let entries = self.rooms.get(room_key).map_or(0, |room| room.gallery().len());
        let counters = &self.post.counters;
        let (is_small, replaced) = match readers {
            Readers::Here => (entries <= SMALL_GALLERY, &counters.gallery_news_replaced),
            Readers::Afar => (false, &counters.roster_notices_replaced),
        };
        let Some(waiting) = self.rooms.gallery_news_mut(room_key) else {
            return;
        };
        let cadence = waiting.to(readers);
        let is_due = is_small || now.mono_ms >= cadence.next_ms;
        if let Some(news) = cadence.offer(news, is_due, replaced) {
            self.tell_news(room_key, readers, &news, now.mono_ms);
        } else if !std::mem::replace(&mut waiting.is_listed, true) {
            self.news_list.0.push_back(room_key);
        }
    }

    /// Notes that somebody has seen the gallery as it is: what waits to be told of it is older.
    pub(in crate::shard) fn note_gallery_seen(&mut self, room_key: RoomKey, at: ConnectionKey) {
        let Some((room, waiting)) = self.rooms.with_gallery_news(room_key) else {
            return;
        };
        if let Some(news) = &mut waiting.here.waiting {
            if news.except.len() >= MAX_EXCEPT {
                // Whoever is gone is not told anyway. There are fewer seats than this.
                news.except
                    .retain(|link| members(room).any(|member| member.connection == *link));
            }
            if !news.except.contains(&at) {
                news.except.push(at);
            }
        }
    }

    /// Tells readers some news, and plans when they may be told the next. Returns how many bytes that took.
    fn tell_news(&mut self, room_key: RoomKey, readers: Readers, news: &News, now_ms: u64) -> usize {
        let (bytes, interval_ms) = match readers {
            Readers::Here => self.tell_news_here(room_key, news, now_ms),
            Readers::Afar => self.tell_news_afar(room_key, news),
        };
        if let Some(waiting) = self.rooms.gallery_news_mut(room_key) {
            waiting.to(readers).next_ms = now_ms + interval_ms;
        }
        bytes
    }

    /// Tells readers on version 2 who are here. Returns how many bytes that took, and how long they are spared the next.
    fn tell_news_here(&mut self, room_key: RoomKey, news: &News, now_ms: u64) -> (usize, u64) {
        let Some(room) = self.rooms.get(room_key) else {
            return (0, 0);
        };
        let readers = members(room).filter(|member| reads_galleries(member) && news.concerns(member));
        let count = readers.clone().count();
        let Some(message) = news.message(room, count > 0) else {
            return (0, 0);
        };
        let before = self.post.outgoing.queued_bytes();
        self.post.tell_each(readers, &message, now_ms, &self.world.settings);
        let entries = room.gallery().len();
        let interval_ms = entries.max(entries * count / ENTRIES_PER_MS) as u64;
        ((self.post.outgoing.queued_bytes() - before) as usize, interval_ms)
    }

    /// Tells the room's outposts. Returns how many bytes that took, and how long they are spared the next.
    fn tell_news_afar(&mut self, room_key: RoomKey, news: &News) -> (usize, u64) {
        let Some(room) = self.rooms.get(room_key) else {
            return (0, 0);
        };
        let mut read_afar = room.gallery().read_afar();
        let is_read = read_afar.any(|(dialect, _)| dialect.version < ProtocolVersion::V3);
        let Some(message) = news.message(room, is_read) else {
            return (0, 0);
        };
        self.post.frames.clear();
        let bytes = self
            .post
            .tell_outposts(room, &message, Some(news.spectator), [None, None]);
        (bytes, AFAR_INTERVAL_MS.max(room.gallery().len() as u64))
    }

    /// Tells what has waited for long enough, of so many rooms in one tick.
    pub(in crate::shard) fn tell_waiting_news(&mut self, now: Now) {
        let mut bytes = 0;
        for _ in 0..self.news_list.0.len() {
            if bytes >= BYTES_PER_TICK {
                return;
            }
            let Some(room_key) = self.news_list.0.pop_front() else {
                return;
            };
            for readers in [Readers::Afar, Readers::Here] {
                let waiting = self.rooms.gallery_news_mut(room_key);
                if let Some(news) = waiting.and_then(|waiting| waiting.to(readers).take_due(now.mono_ms)) {
                    bytes += self.tell_news(room_key, readers, &news, now.mono_ms);
                }
            }
            if let Some(waiting) = self.rooms.gallery_news_mut(room_key) {
                waiting.is_listed = waiting.waits_until_ms().is_some();
                if waiting.is_listed {
                    self.news_list.0.push_back(room_key);
                }
            }
        }
    }

    /// When [`tell_waiting_news`](Self::tell_waiting_news) next has something to tell.
    pub(in crate::shard) fn next_news_ms(&self) -> Option<u64> {
        let moment = |room_key: &RoomKey| self.rooms.gallery_news(*room_key)?.waits_until_ms();
        self.news_list.0.iter().filter_map(moment).min()
    }

    /// Tells outposts all news that was put off.
    pub(in crate::shard) fn hurry_news_afar(&mut self) {
        self.hurry_news(Readers::Afar, 0);
    }

    /// Tells those who are here all news that was put off.
    pub(in crate::shard) fn hurry_news_here(&mut self, now: Now) {
        self.hurry_news(Readers::Here, now.mono_ms);
    }

    fn hurry_news(&mut self, readers: Readers, now_ms: u64) {
        for index in 0..self.news_list.0.len() {
            let room_key = self.news_list.0[index];
            let waiting = self.rooms.gallery_news_mut(room_key);
            if let Some(news) = waiting.and_then(|waiting| waiting.to(readers).waiting.take()) {
                self.tell_news(room_key, readers, &news, now_ms);
            }
        }
    }
}

/// Everybody who is here.
fn members(room: &Room) -> impl Iterator<Item = &Member> + Clone {
    room.audience().into_iter().flatten()
}

/// Whether a member is shown the whole gallery with every change of it.
const fn reads_galleries(member: &Member) -> bool {
    matches!(member.dialect.version, ProtocolVersion::V2)
}
