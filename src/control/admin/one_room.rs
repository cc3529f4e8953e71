//! One room, with everybody in it.
//!
//! Promises that a room is asked for once a second at most, whoever looks at it, that a shard which does not answer holds up only
//! those who look at its rooms, and that what is remembered of rooms is bounded.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::rates::{FORGOTTEN_AFTER, per_second};
use crate::control::shards::{Shards, Silent, ask, order};
use crate::net::Link;
use crate::protocol::{PlayerId, RoomId};
use crate::shard::{MemberView, RoomInside, ShardId, Slot, World};

/// For how long what was said holds.
const HOLDS: Duration = Duration::from_millis(950);

/// Rooms that are remembered.
const MAX_ROOMS: usize = 32;

/// How fast somebody in a room is. `None` at the first look, and of whoever was not there then.
#[derive(Debug, Clone, Copy, Serialize)]
struct MemberRates {
    sent_per_s: f64,
    received_per_s: f64,
    received_bytes_per_s: f64,
}

/// A room as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct RoomShown {
    #[serde(flatten)]
    inside: RoomInside,
    messages_per_s: Option<f64>,
    bytes_per_s: Option<f64>,
    /// By the ids of those who are in it.
    rates: HashMap<PlayerId, MemberRates>,
}

#[derive(Debug)]
struct Look {
    at: Instant,
    shown: Arc<RoomShown>,
}

/// What is remembered of one room. Locked while its shard is asked: whoever asks meanwhile gets the same answer.
type LastLook = Arc<Mutex<Option<Look>>>;

#[derive(Debug)]
struct Remembered {
    /// When somebody looked at it last.
    at: Instant,
    last: LastLook,
}

/// Why a room is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotShown {
    /// There is none of that id.
    Unknown,
    /// Its shard did not answer.
    Silent(Silent),
}

/// The rooms that somebody looks at.
#[derive(Debug)]
pub(super) struct RoomBook {
    shards: Arc<Shards>,
    /// Whether some of what players send is shown.
    may_preview: bool,
    /// Never locked while a shard is asked.
    looks: std::sync::Mutex<HashMap<RoomId, Remembered>>,
}

impl RoomBook {
    pub(super) fn new(shards: &Arc<Shards>, may_preview: bool) -> Self {
        Self {
            shards: Arc::clone(shards),
            may_preview,
            looks: std::sync::Mutex::default(),
        }
    }

    /// A room as it is now.
    pub(super) async fn room(&self, id: RoomId, world: &World) -> Result<Arc<RoomShown>, NotShown> {
        let last = self.last_look(id);
        let mut last = last.lock().await;
        if let Some(look) = &*last
            && look.at.elapsed() < HOLDS
        {
            return Ok(Arc::clone(&look.shown));
        }
        let home = world.slots.owner(Slot::new(id.slot()));
        let inside = self.ask(home, id).await.ok_or(NotShown::Silent(Silent(home)))?;
        let Some(inside) = inside else {
            self.forget(id);
            return Err(NotShown::Unknown);
        };
        let at = Instant::now();
        let before = last.take().filter(|look| at.duration_since(look.at) < FORGOTTEN_AFTER);
        let shown = Arc::new(RoomShown::since(inside, before.as_ref(), at));
        *last = Some(Look {
            at,
            shown: Arc::clone(&shown),
        });
        Ok(shown)
    }

    /// What is remembered of a room, from now on if nothing is yet.
    fn last_look(&self, id: RoomId) -> LastLook {
        let (at, mut looks) = (Instant::now(), self.looks());
        looks.retain(|_, look| at.duration_since(look.at) < FORGOTTEN_AFTER);
        if looks.len() >= MAX_ROOMS && !looks.contains_key(&id) {
            let oldest = looks.iter().min_by_key(|(_, look)| look.at).map(|(id, _)| *id);
            oldest.map(|oldest| looks.remove(&oldest));
        }
        let last = LastLook::default();
        let look = looks.entry(id).or_insert(Remembered { at, last });
        look.at = at;
        Arc::clone(&look.last)
    }

    fn looks(&self) -> MutexGuard<'_, HashMap<RoomId, Remembered>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, home: ShardId, id: RoomId) -> Option<Option<RoomInside>> {
        let peers = Arc::clone(self.shards.peers());
        if !self.may_preview {
            return ask(peers, home, move |shard, now| {
                shard.room_inside(id, Link::round_trip_us, now)
            })
            .await;
        }
        let wanted = order(peers, home, move |shard, now| {
            shard.look_at_frames(id, now);
            shard.room_inside(id, Link::round_trip_us, now)
        });
        wanted.await
    }

    /// Forgets a room that an operator has just changed.
    pub(super) fn forget(&self, id: RoomId) {
        self.looks().remove(&id);
    }
}

impl RoomShown {
    fn since(inside: RoomInside, before: Option<&Look>, at: Instant) -> Self {
        let span = before.map_or(Duration::ZERO, |look| at.duration_since(look.at));
        let then = before.map(|look| &look.shown.inside);
        let everybody = |view: &RoomInside| -> Vec<MemberView> {
            view.members.iter().chain(&view.watching.shown).cloned().collect()
        };
        let known: HashMap<PlayerId, MemberView> = then
            .map(everybody)
            .into_iter()
            .flatten()
            .map(|member| (member.id, member))
            .collect();
        let rates = everybody(&inside).into_iter().filter_map(|member| {
            let (now, before) = (member.connection?, known.get(&member.id)?);
            let connection = before.connection.as_ref()?;
            let rates = MemberRates {
                sent_per_s: per_second(member.sent_messages, before.sent_messages, span),
                received_per_s: per_second(now.received_messages, connection.received_messages, span),
                received_bytes_per_s: per_second(now.received_bytes, connection.received_bytes, span),
            };
            Some((member.id, rates))
        });
        Self {
            rates: rates.collect(),
            messages_per_s: then.map(|then| per_second(inside.room.messages, then.room.messages, span)),
            bytes_per_s: then.map(|then| per_second(inside.room.bytes, then.room.bytes, span)),
            inside,
        }
    }
}
