//! When rooms end: empty ones soon, occupied ones when nobody in them has shown life for long; and when records of
//! absent players do.
//!
//! The rooms are looked over a stretch at a time, one with every tick. All in one turn would hold up everybody: deleting
//! the 4,000 rooms that a storm of joins had left took 2.8 ms (`signal-fish-loadtest storm --rate 4000`).

use crate::room::Member;
use crate::shard::Shard;
use crate::shard::state::room_key::RoomKey;
use crate::shard::state::sessions::SessionEnd;
use crate::shard::state::sweep::Sweep;
use crate::shard::world::now::Now;

/// Places for rooms that are looked at in one tick: 51,200 rooms a second. Deleting as many takes a third of a millisecond.
const PLACES_PER_TICK: usize = 512;

/// Members after whose eviction a tick looks no further.
const EVICTIONS_PER_TICK: usize = 64;

impl<L> Shard<L> {
    /// Looks over the next of the rooms, if it is time to, and deletes those whose time is over.
    pub(in crate::shard) fn sweep(&mut self, now: Now) {
        if self.sweep.place.is_none() && now.mono_ms >= self.sweep.next_ms {
            self.sweep = Sweep {
                next_ms: now.mono_ms.saturating_add(self.world.settings.rooms.sweep_interval_ms),
                place: Some(0),
                began_ms: now.mono_ms,
            };
            self.report_signs_of_life();
            debug_assert!(self.places_agree(), "a room and a connection disagree");
        }
        let Some(from) = self.sweep.place else { return };
        let end = self.rooms.places();
        let mut place = from;
        let mut evicted = 0;
        while place < end.min(from + PLACES_PER_TICK) && evicted < EVICTIONS_PER_TICK {
            if let Some(room_key) = self.rooms.in_place(place) {
                if let Some(room) = self.rooms.get_mut(room_key) {
                    room.forget_expired(now.mono_ms);
                }
                evicted += self.end_if_over(room_key, now);
            }
            place += 1;
        }
        self.sweep.place = (place < end).then_some(place);
        if self.sweep.place.is_none() {
            let counters = &self.post.counters;
            counters.sweeps.add(1);
            counters
                .last_sweep_ms
                .set(now.mono_ms.saturating_sub(self.sweep.began_ms));
        }
    }

    /// Deletes a room if its time is over. Returns how many had to leave it.
    fn end_if_over(&mut self, room_key: RoomKey, now: Now) -> usize {
        let rules = &self.world.settings.rooms;
        let (empty_ms, inactive_ms) = (rules.empty_timeout_ms, rules.inactive_timeout_ms);
        let Some(room) = self.rooms.get(room_key) else { return 0 };
        let told_ms = now.mono_ms.saturating_sub(room.last_activity_ms());
        if told_ms < empty_ms.min(inactive_ms) || room.awaits_somebody() {
            return 0; // too young, as far as it knows itself; or somebody may still come back to it
        }
        // What outposts have heard is up to two of their sweeps old.
        let inactive_ms = match self.post.registry.heard_ms(room.id()) {
            Some(_) => inactive_ms.saturating_add(rules.sweep_interval_ms.saturating_mul(2)),
            None => inactive_ms,
        };
        let limit_ms = if room.is_empty() { empty_ms } else { inactive_ms };
        let members = room.audience().map(<[Member]>::len).iter().sum();
        if now.mono_ms.saturating_sub(self.last_sign_of_life_ms(room_key)) < limit_ms {
            return 0;
        }
        let (end, deleted) = if room.is_empty() {
            (SessionEnd::Empty, &self.post.counters.empty_rooms_deleted)
        } else {
            (SessionEnd::Expired, &self.post.counters.inactive_rooms_deleted)
        };
        deleted.add(1);
        self.end_room(room_key, end, now);
        members
    }

    /// When something last happened in a room or came from anybody in it. Worked out here, so that a message costs the
    /// room nothing.
    fn last_sign_of_life_ms(&self, room_key: RoomKey) -> u64 {
        let Some(room) = self.rooms.get(room_key) else { return 0 };
        let heard = |member: &Member| {
            self.post
                .connections
                .get(member.connection)
                .map_or(0, |known| known.last_inbound_ms)
        };
        let newest = room.audience().into_iter().flatten().map(heard).max().unwrap_or(0);
        let afar = self.post.registry.heard_ms(room.id()).unwrap_or(0);
        newest.max(room.last_activity_ms()).max(afar)
    }
}
