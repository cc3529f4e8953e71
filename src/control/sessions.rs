//! What the shards are asked about rooms one by one.
//!
//! Promises that shards are asked a stretch at a time, by one at a time, and four times a second at most, whoever asks: of what
//! was asked a moment ago the answer is given again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout};
use uuid::Uuid;

use super::shards::{Shards, Silent, ask};
use crate::metrics::{MAX_ACTIVE, SessionsReading};
use crate::net::Peers;
use crate::protocol::{RoomCode, RoomId};
use crate::shard::{CompletedRecords, SessionRecord, ShardId, World};

/// For how long an answer is given again to the same question.
const HOLDS: Duration = Duration::from_secs(1);

/// The least time between two questions.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a shard may take to tell of all its rooms, stretch by stretch.
const WITHIN: Duration = Duration::from_secs(3);

/// Asks the shards about rooms.
#[derive(Debug)]
pub(super) struct Sessions {
    shards: Arc<Shards>,
    last: Mutex<Option<Said>>,
}

#[derive(Debug)]
struct Said {
    at: Instant,
    application: Option<Uuid>,
    reading: Arc<SessionsReading>,
}

impl Sessions {
    pub(super) fn new(shards: Arc<Shards>) -> Self {
        Self {
            shards,
            last: Mutex::new(None),
        }
    }

    /// What has happened in rooms, of one application if it is named.
    pub(super) async fn read(&self, application: Option<Uuid>) -> Result<Arc<SessionsReading>, Silent> {
        let mut last = self.last.lock().await;
        if let Some(said) = &*last {
            if said.application == application && said.at.elapsed() < HOLDS {
                return Ok(Arc::clone(&said.reading));
            }
            sleep_until(said.at + PAUSE).await;
        }
        let reading = Arc::new(self.ask_all(application).await?);
        *last = Some(Said {
            at: Instant::now(),
            application,
            reading: Arc::clone(&reading),
        });
        Ok(reading)
    }

    async fn ask_all(&self, application: Option<Uuid>) -> Result<SessionsReading, Silent> {
        let peers = self.shards.peers();
        let mut all = SessionsReading::default();
        for shard in (0..peers.len() as u16).map(ShardId) {
            let most = MAX_ACTIVE - all.active.len();
            let told = timeout(WITHIN, sessions_of(Arc::clone(peers), shard, most, application)).await;
            let (active, count, completed) = told.ok().flatten().ok_or(Silent(shard))?;
            all.active.extend(active);
            all.active_count += count;
            all.completed.extend(completed.records);
            all.dropped += completed.dropped;
        }
        all.settle();
        Ok(all)
    }

    /// The room of that name, and the application that it belongs to.
    pub(super) async fn look_up(
        &self,
        world: &World,
        game_name: &str,
        code: &RoomCode,
    ) -> Result<Option<(RoomId, Option<Uuid>)>, Silent> {
        let home = world.slots.owner(world.slot_key.slot_of(game_name, code));
        let (game_name, code) = (game_name.to_owned(), code.clone());
        let peers = Arc::clone(self.shards.peers());
        let found = ask(peers, home, move |shard, _| shard.room_facts(&game_name, &code));
        found.await.ok_or(Silent(home))
    }
}

/// What has happened in the rooms of one shard: at most so many records of those that live, how many these are, and those that
/// were deleted.
async fn sessions_of(
    peers: Peers,
    shard: ShardId,
    most: usize,
    application: Option<Uuid>,
) -> Option<(Vec<SessionRecord>, u64, CompletedRecords)> {
    let (mut records, mut count, mut from) = (Vec::new(), 0, 0);
    loop {
        let left = most - records.len();
        let part = ask(Arc::clone(&peers), shard, move |shard, _| {
            shard.active_sessions(from, left, application)
        })
        .await?;
        records.extend(part.records);
        count += part.count;
        match part.next {
            Some(next) => from = next,
            None => break,
        }
    }
    let completed = ask(peers, shard, |shard, _| shard.completed_sessions()).await?;
    Some((records, count, completed))
}
