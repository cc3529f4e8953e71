//! The answer of `/metrics`: JSON in the shape that dashboards of the protocol read, and never larger than a cap.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::dashboard::{RoomFigures, RoomMembers};
use super::families::{limits, snapshot};
use super::reading::Reading;
use crate::protocol::WallTime;

/// The most bytes of the answer.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// The most bytes of the counters in it.
const MAX_SNAPSHOT_BYTES: usize = 128 << 10;

/// The snapshot of the rooms behind the answer, and those before it.
#[derive(Debug, Clone)]
pub struct Cached<'a> {
    /// What was found last; nothing before the first time.
    pub figures: &'a RoomFigures,
    /// When that was.
    pub fetched_at: Option<WallTime>,
    /// How old it is.
    pub age_secs: Option<u64>,
    /// Whether it is too old to be believed.
    pub is_stale: bool,
    /// Why the last attempt failed, if it did.
    pub last_error: Option<&'a str>,
    /// Between two of them.
    pub refresh_secs: u64,
    /// Those that are kept, oldest first.
    pub history: Vec<&'a RawValue>,
    /// How many more would be kept if they were not too large together.
    pub history_dropped: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    timestamp: WallTime,
    #[serde(flatten)]
    rooms: RoomMembers<'a>,
    dashboard_cache: CacheMembers<'a>,
    server_metrics: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics_snapshot: Option<Value>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CacheMembers<'a> {
    fetched_at: Option<WallTime>,
    age_seconds: Option<u64>,
    stale: bool,
    last_error: Option<&'a str>,
    refresh_interval_seconds: u64,
    history: Vec<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history_truncated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history_samples_dropped: Option<u64>,
}

/// Writes the answer, with the counters if they are asked for. What is too large loses its oldest history first.
#[must_use]
pub fn answer(reading: &Reading, cached: &Cached<'_>, with_snapshot: bool, now: WallTime) -> String {
    answer_within(MAX_ANSWER_BYTES, reading, cached, with_snapshot, now)
}

fn answer_within(
    cap_bytes: usize,
    reading: &Reading,
    cached: &Cached<'_>,
    with_snapshot: bool,
    now: WallTime,
) -> String {
    let mut answer = Answer {
        timestamp: now,
        rooms: cached.figures.members(),
        dashboard_cache: CacheMembers {
            fetched_at: cached.fetched_at,
            age_seconds: cached.age_secs,
            stale: cached.is_stale,
            last_error: cached.last_error,
            refresh_interval_seconds: cached.refresh_secs,
            history: Vec::new(),
            // As if some were left out: what that takes is never lacking then.
            history_truncated: Some(true),
            history_samples_dropped: Some(u64::MAX),
        },
        server_metrics: server_metrics(reading),
        metrics_snapshot: with_snapshot.then(|| capped(snapshot::of(reading, now))),
    };
    let write = |answer: &Answer<'_>| serde_json::to_string(answer).expect("names and numbers are JSON");
    let bare_bytes = write(&answer).len();
    if bare_bytes > cap_bytes {
        return too_large(bare_bytes, cap_bytes).to_string();
    }
    let mut left_bytes = cap_bytes - bare_bytes;
    let fitting = cached.history.iter().rev().take_while(|sample| {
        let bytes = sample.get().len() + 1;
        let fits = bytes <= left_bytes;
        left_bytes = left_bytes.saturating_sub(bytes);
        fits
    });
    let first = cached.history.len() - fitting.count();
    let cache = &mut answer.dashboard_cache;
    cache.history = cached.history[first..].to_vec();
    let dropped = cached.history_dropped + first as u64;
    cache.history_truncated = (dropped > 0).then_some(true);
    cache.history_samples_dropped = (dropped > 0).then_some(dropped);
    write(&answer)
}

fn capped(snapshot: Value) -> Value {
    let bytes = snapshot.to_string().len();
    if bytes <= MAX_SNAPSHOT_BYTES {
        snapshot
    } else {
        too_large(bytes, MAX_SNAPSHOT_BYTES)
    }
}

fn too_large(bytes: usize, cap_bytes: usize) -> Value {
    json!({"truncated": true, "sizeBytes": bytes, "capBytes": cap_bytes})
}

fn server_metrics(reading: &Reading) -> Value {
    let mut rates = limits::by_name(reading);
    rates.insert("total_rejections".to_owned(), limits::total(reading).into());
    json!({
        "connections": {
            "total": reading.sum(|counters| counters.connections.get()),
            "active": reading.world.ledger.admitted().connections,
            "disconnections": reading.sum(|counters| counters.disconnections.get()),
        },
        "rooms": {
            "created": reading.sum(|counters| counters.rooms_created.get()),
            "joined": reading.sum(|counters| counters.rooms_joined.get()),
            "deleted": reading.sum(|counters| counters.rooms_deleted.get()),
        },
        "rateLimiting": rates,
    })
}

#[cfg(test)]
mod tests {
    use super::super::dashboard::HistoryParts;
    use super::*;
    use crate::config::Config;
    use crate::server::{admission_limits, shard_settings};
    use crate::shard::{SlotKey, World};

    const PARTS: HistoryParts = HistoryParts {
        active_rooms: true,
        rooms_by_game: true,
        player_percentiles: true,
        game_percentiles: true,
    };

    fn reading() -> Reading {
        let config = Config::default();
        let settings = shard_settings(&config).expect("a valid configuration");
        Reading::unasked(World::new(
            settings,
            admission_limits(&config),
            1,
            SlotKey::new([0; 16]),
        ))
    }

    fn read(answer: &str) -> Value {
        serde_json::from_str(answer).expect("JSON")
    }

    #[test]
    fn what_is_too_large_loses_its_oldest_history_and_then_all() {
        let figures = RoomFigures::of([("reef", 2)].into_iter());
        let moment = |secs: u64| WallTime {
            unix_nanos: secs * 1_000_000_000,
        };
        let samples: Vec<_> = (0..50).map(|secs| figures.sample(moment(secs), PARTS)).collect();
        let cached = Cached {
            figures: &figures,
            fetched_at: Some(moment(49)),
            age_secs: Some(0),
            is_stale: false,
            last_error: None,
            refresh_secs: 1,
            history: samples.iter().map(|sample| &**sample).collect(),
            history_dropped: 3,
        };
        let reading = reading();
        let within = |cap_bytes| answer_within(cap_bytes, &reading, &cached, false, moment(50));
        let whole = read(&within(1 << 20));
        assert_eq!(whole["dashboardCache"]["history"].as_array().map(Vec::len), Some(50));
        assert_eq!(
            whole["dashboardCache"]["historySamplesDropped"], 3,
            "had no room in memory"
        );
        for cap_bytes in (1_500..8_000).step_by(97) {
            let text = within(cap_bytes);
            assert!(text.len() <= cap_bytes, "{} of {cap_bytes}", text.len());
            let cache = &read(&text)["dashboardCache"];
            let history = cache["history"].as_array().expect("a list");
            assert_eq!(cache["historySamplesDropped"], 3 + 50 - history.len() as u64);
            assert_eq!(cache["historyTruncated"], true);
            if let Some(newest) = history.last() {
                assert_eq!(
                    newest["fetchedAt"], "1970-01-01T00:00:49.000000000Z",
                    "the newest are kept"
                );
            }
        }
        let nothing = read(&within(500));
        assert_eq!(
            (&nothing["truncated"], &nothing["capBytes"]),
            (&json!(true), &json!(500))
        );
        assert!(nothing["sizeBytes"].as_u64() > Some(500));
    }
}
