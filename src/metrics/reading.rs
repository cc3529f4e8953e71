//! What was collected before anything of it is shown.

use std::sync::Arc;

use super::capacity::Capacity;
use super::process::ProcessReading;
use super::webhooks::WebhookCounts;
use crate::protocol::AppId;
use crate::shard::{CounterSet, ShardId, Survey, Timings, World};

/// Bytes of game data that the players of one listed application have had relayed.
pub type AppBytes = (AppId, u64);

/// What one shard has said.
#[derive(Debug, Clone, Default)]
pub struct ShardReading {
    /// Messages of other threads that it has not read.
    pub inbox_waiting: u64,
    /// How long what happens on it takes; what it said last, if it does not answer.
    pub timings: Arc<Timings>,
    /// What it holds; `None` if it does not answer.
    pub survey: Option<Arc<Survey>>,
    /// What its players have had relayed, by listed application; what it said last, if it does not answer.
    pub app_bytes: Arc<Vec<AppBytes>>,
}

/// How the snapshot behind `/metrics` stands.
#[derive(Debug, Clone, Copy, Default)]
pub struct DashboardReading {
    /// How old it is; `None` before the first.
    pub age_secs: Option<u64>,
    /// When it was made, in seconds since 1970.
    pub refreshed_unix_secs: Option<u64>,
    /// How often it was made.
    pub refreshes: u64,
    /// How often that failed.
    pub failures: u64,
}

/// Everything that is shown, as it was when somebody asked.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What the shards share, with what they count.
    pub world: Arc<World>,
    /// What each shard has said, by its number.
    pub shards: Vec<ShardReading>,
    /// How the snapshot behind `/metrics` stands.
    pub dashboard: DashboardReading,
    /// What the system says of the process.
    pub process: ProcessReading,
    /// When the first certificate ends, in seconds since 1970; `None`: TLS is off.
    pub certificate_ends_unix_secs: Option<i64>,
    /// Lines of the log that were lost.
    pub log_lines_lost: u64,
    /// How many more rooms fit.
    pub capacity: Option<Capacity>,
    /// What has become of webhooks.
    pub webhooks: Arc<WebhookCounts>,
}

impl Reading {
    /// A reading in which no shard has said anything.
    #[must_use]
    pub fn unasked(world: Arc<World>) -> Self {
        Self {
            shards: vec![ShardReading::default(); usize::from(world.shards())],
            dashboard: DashboardReading::default(),
            process: ProcessReading::default(),
            certificate_ends_unix_secs: None,
            log_lines_lost: 0,
            capacity: None,
            webhooks: Arc::default(),
            world,
        }
    }

    /// What each shard counts.
    pub(super) fn counters(&self) -> impl Iterator<Item = (ShardId, &CounterSet)> {
        let shards = (0..self.world.shards()).map(ShardId);
        shards.map(|shard| (shard, &**self.world.counters(shard)))
    }

    /// A count, summed over the shards.
    pub(super) fn sum(&self, of: impl Fn(&CounterSet) -> u64) -> u64 {
        self.counters().map(|(_, counters)| of(counters)).sum()
    }

    /// What all shards hold; `None` if one of them does not answer: a part would look like the whole.
    pub(super) fn survey(&self) -> Option<Survey> {
        let mut all = Survey::default();
        for shard in &self.shards {
            let survey = shard.survey.as_deref()?;
            all.add(Survey {
                games: Vec::new(),
                ..survey.clone()
            });
        }
        Some(all)
    }

    /// How long things take on all shards.
    pub(super) fn timings(&self) -> Timings {
        let mut all = Timings::default();
        for shard in &self.shards {
            all.add(&shard.timings);
        }
        all
    }
}
