//! What the shards are asked for the metrics, and how often.
//!
//! Promises that shards are asked at most once a second, however many read the metrics, and a stretch at a time, so that no
//! turn of theirs is long for it; and that what a silent shard said last stands for it where it may not go back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::shards::{Shards, ask};
use crate::metrics::{AppBytes, Process, ProcessReading, ShardReading};
use crate::net::Peers;
use crate::shard::{ShardId, Survey, SurveyPlace, Timings};

/// For how long what the shards have said holds.
const HOLDS: Duration = Duration::from_secs(1);

/// How long a shard may take to tell all that it holds, stretch by stretch.
const SURVEY_WITHIN: Duration = Duration::from_secs(3);

/// Asks the shards.
#[derive(Debug)]
pub(super) struct Collector {
    shards: Arc<Shards>,
    process: Process,
    said: Mutex<Said>,
}

/// What the shards said last, and when.
#[derive(Debug, Default)]
struct Said {
    at: Option<Instant>,
    shards: Vec<ShardReading>,
}

/// What is asked of a shard beside what it holds.
type Measured = (Arc<Timings>, Arc<Vec<AppBytes>>);

impl Collector {
    pub(super) fn new(shards: Arc<Shards>) -> Self {
        Self {
            shards,
            process: Process::this(),
            said: Mutex::new(Said::default()),
        }
    }

    /// What the system says of the process.
    pub(super) fn process(&self) -> ProcessReading {
        self.process.read()
    }

    /// What every shard says. Whoever asks while others do gets their answer.
    pub(super) async fn shards(&self) -> Vec<ShardReading> {
        let mut said = self.said.lock().await;
        if said.at.is_none_or(|at| at.elapsed() >= HOLDS) {
            let peers = self.shards.peers();
            // All are asked before the first answer is waited for.
            let asked: Vec<_> = (0..peers.len() as u16)
                .map(|shard| tokio::spawn(read(Arc::clone(peers), ShardId(shard))))
                .collect();
            said.shards.resize_with(asked.len(), ShardReading::default);
            for (place, answer) in asked.into_iter().enumerate() {
                let (survey, measured) = answer.await.unwrap_or_default();
                let known = &mut said.shards[place];
                known.survey = survey.map(Arc::new);
                if let Some((timings, app_bytes)) = measured {
                    (known.timings, known.app_bytes) = (timings, app_bytes);
                }
            }
            said.at = Some(Instant::now());
        }
        let mut shards = said.shards.clone();
        for (shard, peer) in shards.iter_mut().zip(&**self.shards.peers()) {
            shard.inbox_waiting = peer.waiting() as u64;
        }
        shards
    }
}

/// Asks one shard for everything.
async fn read(peers: Peers, shard: ShardId) -> (Option<Survey>, Option<Measured>) {
    let measured = ask(Arc::clone(&peers), shard, |shard, _| {
        (Arc::new(shard.timings().clone()), Arc::new(shard.app_bytes().to_vec()))
    });
    let measured = measured.await;
    if measured.is_none() {
        return (None, None);
    }
    (
        timeout(SURVEY_WITHIN, survey(peers, shard)).await.ok().flatten(),
        measured,
    )
}

/// Asks one shard what it holds, stretch by stretch.
async fn survey(peers: Peers, shard: ShardId) -> Option<Survey> {
    let mut all = Survey::default();
    let mut from = SurveyPlace::default();
    loop {
        let (part, next) = ask(Arc::clone(&peers), shard, move |shard, now| shard.survey(from, now)).await?;
        all.add(part);
        match next {
            Some(next) => from = next,
            None => return Some(all),
        }
    }
}
