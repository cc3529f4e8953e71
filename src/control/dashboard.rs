//! The snapshot of the rooms behind `/metrics`: made in the background, kept for a while, and bounded.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::{Instant, sleep};

use super::collector::Collector;
use crate::metrics::{Cached, DashboardReading, DashboardSettings, RoomFigures};
use crate::net::Clock;
use crate::protocol::WallTime;

/// The most earlier snapshots that are kept.
const MAX_SAMPLES: usize = 720;

/// The most bytes that they may have together: more would not fit into an answer.
const MAX_HISTORY_BYTES: usize = 1 << 20;

/// The snapshot and what came before it.
#[derive(Debug)]
pub(super) struct Dashboard {
    settings: DashboardSettings,
    /// Held for no longer than it takes to copy or to exchange.
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    figures: RoomFigures,
    fetched: Option<(Instant, WallTime)>,
    last_error: Option<String>,
    refreshes: u64,
    failures: u64,
    history: History,
}

/// Earlier snapshots, oldest first.
#[derive(Debug, Default)]
struct History {
    samples: VecDeque<(Instant, Box<RawValue>)>,
    bytes: usize,
    /// How many of those that are young enough had no room, since the last time that all had.
    dropped: VecDeque<Instant>,
}

impl History {
    fn add(&mut self, at: Instant, sample: Box<RawValue>, window: Duration) {
        self.bytes += sample.get().len();
        self.samples.push_back((at, sample));
        let is_old = |taken: Instant| at.duration_since(taken) > window;
        while let Some((taken, _)) = self.samples.front()
            && (is_old(*taken) || self.samples.len() > MAX_SAMPLES || self.bytes > MAX_HISTORY_BYTES)
        {
            let (taken, sample) = self.samples.pop_front().expect("looked at a moment ago");
            self.bytes -= sample.get().len();
            if !is_old(taken) {
                self.dropped.push_back(taken);
            }
        }
        while let Some(taken) = self.dropped.front()
            && (is_old(*taken) || self.dropped.len() > MAX_SAMPLES)
        {
            self.dropped.pop_front();
        }
    }
}

impl Dashboard {
    pub(super) fn new(settings: DashboardSettings) -> Self {
        Self {
            settings,
            kept: Mutex::new(Kept::default()),
        }
    }

    /// Makes a snapshot now and then, for ever.
    pub(super) async fn refresh(&self, collector: Arc<Collector>, mut clock: Clock) {
        loop {
            let found = rooms(&collector).await;
            self.note(found, Instant::now(), clock.now(clock.moment()).wall);
            sleep(self.settings.refresh).await;
        }
    }

    fn note(&self, found: Result<RoomFigures, String>, at: Instant, wall: WallTime) {
        let mut kept = self.kept();
        match found {
            Ok(figures) => {
                let sample = figures.sample(wall, self.settings.parts);
                kept.history.add(at, sample, self.settings.window);
                kept.figures = figures;
                kept.fetched = Some((at, wall));
                kept.last_error = None;
                kept.refreshes += 1;
            }
            Err(error) => {
                kept.last_error = Some(error);
                kept.failures += 1;
            }
        }
    }

    /// How it stands.
    pub(super) fn reading(&self) -> DashboardReading {
        let kept = self.kept();
        DashboardReading {
            age_secs: kept.fetched.map(|(at, _)| at.elapsed().as_secs()),
            refreshed_unix_secs: kept.fetched.map(|(_, wall)| wall.unix_secs()),
            refreshes: kept.refreshes,
            failures: kept.failures,
        }
    }

    /// Shows it to whoever writes the answer.
    pub(super) fn show<T>(&self, show: impl FnOnce(&Cached<'_>) -> T) -> T {
        let kept = self.kept();
        let age = kept.fetched.map(|(at, _)| at.elapsed());
        show(&Cached {
            figures: &kept.figures,
            fetched_at: kept.fetched.map(|(_, wall)| wall),
            age_secs: age.map(|age| age.as_secs()),
            is_stale: age.is_none_or(|age| age > self.settings.stale_after),
            last_error: kept.last_error.as_deref(),
            refresh_secs: self.settings.refresh.as_secs(),
            history: kept.history.samples.iter().map(|(_, sample)| &**sample).collect(),
            history_dropped: kept.history.dropped.len() as u64,
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks every shard for its rooms.
async fn rooms(collector: &Collector) -> Result<RoomFigures, String> {
    let shards = collector.shards().await;
    let surveys = shards.iter().enumerate().map(|(shard, said)| {
        let survey = said.survey.as_deref();
        survey.ok_or_else(|| format!("shard {shard} did not answer"))
    });
    let surveys = surveys.collect::<Result<Vec<_>, _>>()?;
    let rooms = surveys.iter().flat_map(|survey| &survey.games);
    Ok(RoomFigures::of(rooms.map(|(game, players)| (&**game, *players))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::HistoryParts;

    const SETTINGS: DashboardSettings = DashboardSettings {
        refresh: Duration::from_secs(5),
        stale_after: Duration::from_secs(30),
        window: Duration::from_secs(60),
        parts: HistoryParts {
            active_rooms: true,
            rooms_by_game: true,
            player_percentiles: true,
            game_percentiles: true,
        },
    };

    fn wall(secs: u64) -> WallTime {
        WallTime {
            unix_nanos: secs * 1_000_000_000,
        }
    }

    #[test]
    fn a_failure_keeps_what_was_known_and_says_why() {
        let dashboard = Dashboard::new(SETTINGS);
        assert!(dashboard.show(|cached| cached.is_stale && cached.fetched_at.is_none()));
        let now = Instant::now();
        dashboard.note(Ok(RoomFigures::of([("reef", 2)].into_iter())), now, wall(7));
        dashboard.note(Err("shard 1 did not answer".to_owned()), now, wall(12));
        dashboard.show(|cached| {
            assert_eq!(*cached.figures, RoomFigures::of([("reef", 2)].into_iter()));
            assert_eq!((cached.fetched_at, cached.is_stale), (Some(wall(7)), false));
            assert_eq!(cached.last_error, Some("shard 1 did not answer"));
            assert_eq!(cached.history.len(), 1);
        });
        let reading = dashboard.reading();
        assert_eq!((reading.refreshes, reading.failures), (1, 1));
    }

    #[test]
    fn what_is_too_old_is_forgotten_and_what_is_too_much_is_counted() {
        let begin = Instant::now();
        let mut history = History::default();
        let sample = |bytes: usize| RawValue::from_string(format!("\"{}\"", "x".repeat(bytes - 2))).expect("JSON");
        for secs in 0..100 {
            history.add(begin + Duration::from_secs(secs), sample(10), SETTINGS.window);
        }
        assert_eq!(
            (history.samples.len(), history.dropped.len(), history.bytes),
            (61, 0, 610)
        );
        for secs in 100..104 {
            history.add(
                begin + Duration::from_secs(secs),
                sample(MAX_HISTORY_BYTES / 2),
                SETTINGS.window,
            );
        }
        assert_eq!((history.samples.len(), history.bytes), (2, MAX_HISTORY_BYTES));
        assert_eq!(history.dropped.len(), 59);
        for step in 0..2_000 {
            let at = begin + Duration::from_secs(104) + Duration::from_millis(step);
            history.add(at, sample(10), SETTINGS.window);
        }
        assert!(history.samples.len() <= MAX_SAMPLES && history.dropped.len() <= MAX_SAMPLES);
    }
}
