//! All rooms: found, sorted, a page at a time.
//!
//! Promises that shards are asked for their rooms once a second at most, a stretch at a time, whoever looks and whatever for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::rates::{FORGOTTEN_AFTER, per_second};
use crate::control::shards::{Shards, ask};
use crate::net::Peers;
use crate::protocol::RoomId;
use crate::shard::{RoomView, ShardId};

/// For how long what the shards said holds.
const HOLDS: Duration = Duration::from_millis(950);

/// How long a shard may take to tell of all its rooms, stretch by stretch.
const WITHIN: Duration = Duration::from_secs(3);

/// The most rooms that are looked at.
const MAX_ROOMS: usize = 20_000;

/// The most of a page.
const MAX_PER_PAGE: usize = 200;

/// The longest text that is searched for, in bytes.
const MAX_SEARCH_BYTES: usize = 64;

/// A room, and how fast it is.
#[derive(Debug, Clone, Serialize)]
pub(super) struct RoomFigures {
    #[serde(flatten)]
    row: RoomView,
    shard: ShardId,
    /// `None` at the first look.
    messages_per_s: Option<f64>,
    bytes_per_s: Option<f64>,
}

/// What all rooms are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    #[default]
    Messages,
    Bytes,
    Players,
    Spectators,
    Game,
    Code,
    Created,
    Quiet,
    Shard,
}

/// Which rooms are wanted.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(super) struct RoomsAsked {
    /// A part of the code, the game, the application or the id.
    search: String,
    /// The whole code.
    code: Option<String>,
    sort: Order,
    /// Whether the least come first.
    ascending: bool,
    /// From 0.
    page: usize,
    per_page: usize,
}

impl Default for RoomsAsked {
    fn default() -> Self {
        Self {
            search: String::new(),
            code: None,
            sort: Order::default(),
            ascending: false,
            page: 0,
            per_page: 50,
        }
    }
}

/// A page of rooms.
#[derive(Debug, Serialize)]
pub(super) struct RoomsPage {
    /// Rooms in all.
    total: usize,
    /// Of them those that were searched for.
    matching: usize,
    /// Whether there are more than were looked at, or a shard did not answer.
    is_partial: bool,
    page: usize,
    per_page: usize,
    rooms: Vec<RoomFigures>,
}

#[derive(Debug)]
struct Look {
    at: Instant,
    rooms: Arc<Vec<RoomFigures>>,
    is_partial: bool,
}

/// The rooms of all shards.
#[derive(Debug)]
pub(super) struct RoomList {
    shards: Arc<Shards>,
    last: Mutex<Option<Look>>,
}

impl RoomList {
    pub(super) fn new(shards: &Arc<Shards>) -> Self {
        Self {
            shards: Arc::clone(shards),
            last: Mutex::new(None),
        }
    }

    /// The rooms that are asked for.
    pub(super) async fn page(&self, asked: &RoomsAsked) -> RoomsPage {
        let (rooms, is_partial) = self.all().await;
        chosen(&rooms, asked, is_partial)
    }

    async fn all(&self) -> (Arc<Vec<RoomFigures>>, bool) {
        let mut last = self.last.lock().await;
        if let Some(look) = &*last
            && look.at.elapsed() < HOLDS
        {
            return (Arc::clone(&look.rooms), look.is_partial);
        }
        let (mut rooms, mut is_partial) = (Vec::new(), false);
        for shard in (0..self.shards.peers().len() as u16).map(ShardId) {
            let room_left = MAX_ROOMS - rooms.len();
            match timeout(WITHIN, rows_of(Arc::clone(self.shards.peers()), shard, room_left)).await {
                Ok(Some((rows, has_more))) => {
                    is_partial |= has_more;
                    rooms.extend(rows.into_iter().map(|row| (shard, row)));
                }
                _ => is_partial = true,
            }
        }
        let at = Instant::now();
        let before = last.take().filter(|look| at.duration_since(look.at) < FORGOTTEN_AFTER);
        let rooms = Arc::new(with_rates(rooms, before.as_ref(), at));
        *last = Some(Look {
            at,
            rooms: Arc::clone(&rooms),
            is_partial,
        });
        (rooms, is_partial)
    }
}

fn with_rates(rooms: Vec<(ShardId, RoomView)>, before: Option<&Look>, at: Instant) -> Vec<RoomFigures> {
    let known: HashMap<RoomId, &RoomView> = before
        .iter()
        .flat_map(|look| look.rooms.iter())
        .map(|room| (room.row.id, &room.row))
        .collect();
    let with_rate = |(shard, row): (ShardId, RoomView)| {
        let then = known.get(&row.id);
        let rate = |now: u64, of: fn(&RoomView) -> u64| {
            let span = at.duration_since(before?.at);
            // A room that was not there then has said all it said since.
            Some(per_second(now, then.map_or(0, |then| of(then)), span))
        };
        RoomFigures {
            messages_per_s: rate(row.messages, |row| row.messages),
            bytes_per_s: rate(row.bytes, |row| row.bytes),
            shard,
            row,
        }
    };
    rooms.into_iter().map(with_rate).collect()
}

/// The rooms of one shard, so many at most, and whether there are more.
async fn rows_of(peers: Peers, shard: ShardId, most: usize) -> Option<(Vec<RoomView>, bool)> {
    let (mut rows, mut count, mut from) = (Vec::new(), 0, 0);
    loop {
        let left = most - rows.len();
        let part = ask(Arc::clone(&peers), shard, move |shard, now| {
            shard.room_views(from, left, now)
        })
        .await?;
        rows.extend(part.rooms);
        count += part.count;
        match part.next {
            Some(next) => from = next,
            None => return Some((rows, count > most as u64)),
        }
    }
}

fn chosen(rooms: &[RoomFigures], asked: &RoomsAsked, is_partial: bool) -> RoomsPage {
    let search = excerpt(&asked.search).to_lowercase();
    let mut found: Vec<&RoomFigures> = rooms
        .iter()
        .filter(|room| matches(&room.row, &search, asked.code.as_deref()))
        .collect();
    found.sort_by(|one, other| {
        let order = compare(asked.sort, one, other);
        let order = if asked.ascending { order } else { order.reverse() };
        // Rooms that are alike keep their places from look to look.
        order.then_with(|| one.row.id.cmp(&other.row.id))
    });
    let per_page = asked.per_page.clamp(1, MAX_PER_PAGE);
    let page = asked.page.min(found.len().saturating_sub(1) / per_page);
    RoomsPage {
        total: rooms.len(),
        matching: found.len(),
        is_partial,
        page,
        per_page,
        rooms: found
            .into_iter()
            .skip(page * per_page)
            .take(per_page)
            .cloned()
            .collect(),
    }
}

/// As much of a text as is searched for.
fn excerpt(text: &str) -> &str {
    let mut end = text.len().min(MAX_SEARCH_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].trim()
}

fn matches(row: &RoomView, search: &str, code: Option<&str>) -> bool {
    let has = |text: &str| text.to_lowercase().contains(search);
    code.is_none_or(|code| row.code.as_str().eq_ignore_ascii_case(code))
        && (search.is_empty()
            || has(row.code.as_str())
            || has(&row.game_name)
            || row.application.as_deref().is_some_and(has)
            || row.id.to_string().starts_with(search))
}

fn compare(order: Order, one: &RoomFigures, other: &RoomFigures) -> std::cmp::Ordering {
    let (a, b) = (&one.row, &other.row);
    // Without rates, at a first look, what was said in all stands for them.
    let rate = |rate: Option<f64>, sum: u64| rate.unwrap_or(sum as f64);
    match order {
        Order::Messages => rate(one.messages_per_s, a.messages).total_cmp(&rate(other.messages_per_s, b.messages)),
        Order::Bytes => rate(one.bytes_per_s, a.bytes).total_cmp(&rate(other.bytes_per_s, b.bytes)),
        Order::Players => a.players.cmp(&b.players),
        Order::Spectators => a.spectators.cmp(&b.spectators),
        Order::Game => a.game_name.cmp(&b.game_name),
        Order::Code => a.code.as_str().cmp(b.code.as_str()),
        Order::Created => a.created_at.cmp(&b.created_at),
        Order::Quiet => a.idle_ms.cmp(&b.idle_ms),
        Order::Shard => one.shard.cmp(&other.shard),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{RoomCode, WallTime};

    fn room(number: u8, game: &str, code: &str, messages: u64) -> RoomView {
        RoomView {
            id: RoomId::from_bytes([number; 16]),
            code: RoomCode::parse(code, code.len()).expect("a code"),
            game_name: game.into(),
            application: None,
            players: number.into(),
            max_players: 8,
            spectators: 0,
            absent: 0,
            authority: None,
            is_started: false,
            has_password: false,
            created_at: WallTime::default(),
            idle_ms: 0,
            messages,
            bytes: 0,
        }
    }

    fn looked(rooms: Vec<RoomView>, before: Option<&Look>, at: Instant) -> Look {
        let rooms = rooms.into_iter().map(|row| (ShardId(0), row)).collect();
        Look {
            at,
            rooms: Arc::new(with_rates(rooms, before, at)),
            is_partial: false,
        }
    }

    fn codes(look: &Look, asked: RoomsAsked) -> (Vec<String>, usize) {
        let page = chosen(&look.rooms, &asked, false);
        let codes = page.rooms.iter().map(|room| room.row.code.as_str().to_owned());
        (codes.collect(), page.matching)
    }

    #[test]
    fn rooms_are_found_sorted_and_paged() {
        let rows = vec![
            room(1, "Reef", "AAA111", 5),
            room(2, "tide", "BBB222", 9),
            room(3, "reef", "CCC333", 7),
        ];
        let look = looked(rows, None, Instant::now());
        let asked = |search: &str| RoomsAsked {
            search: search.to_owned(),
            ..RoomsAsked::default()
        };
        assert_eq!(
            codes(&look, asked("")),
            (vec!["BBB222".into(), "CCC333".into(), "AAA111".into()], 3)
        );
        assert_eq!(codes(&look, asked("REEF")), (vec!["CCC333".into(), "AAA111".into()], 2));
        assert_eq!(codes(&look, asked("bb2")).1, 1);
        assert_eq!(codes(&look, asked("01010101-0101")).1, 1);
        assert_eq!(codes(&look, asked(&"é".repeat(200))).1, 0, "a text of any length");
        let second = RoomsAsked {
            page: 1,
            per_page: 2,
            sort: Order::Players,
            ascending: true,
            ..RoomsAsked::default()
        };
        assert_eq!(codes(&look, second.clone()), (vec!["CCC333".into()], 3));
        let beyond = RoomsAsked { page: 90, ..second };
        assert_eq!(codes(&look, beyond).0, ["CCC333"], "the last there is");
        let none = RoomsAsked {
            per_page: 0,
            ..RoomsAsked::default()
        };
        assert_eq!(codes(&look, none).0.len(), 1);
    }

    #[test]
    fn a_rate_is_that_since_the_last_look() {
        let begin = Instant::now();
        let first = looked(vec![room(1, "reef", "AAA111", 100)], None, begin);
        assert_eq!(first.rooms[0].messages_per_s, None);
        let rows = vec![room(1, "reef", "AAA111", 140), room(2, "reef", "BBB222", 6)];
        let second = looked(rows, Some(&first), begin + Duration::from_secs(2));
        assert_eq!(second.rooms[0].messages_per_s, Some(20.0));
        assert_eq!(second.rooms[1].messages_per_s, Some(3.0), "it was not there before");
    }
}
