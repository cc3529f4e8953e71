//! What the shards have done in the last seconds, from which it is told what they could do.
//!
//! Reads what shards count, which costs them nothing, once a second. Keeps eleven readings.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use crate::metrics::{self, Capacity, Process, Reading, WorkReading};
use crate::net::Clock;
use crate::shard::World;

/// Between two readings.
const EVERY: Duration = Duration::from_secs(1);

/// How many are kept: ten seconds.
const KEPT: usize = 11;

/// The last readings.
#[derive(Debug)]
pub(super) struct WorkWindow {
    world: Arc<World>,
    clock: Clock,
    /// Memory of the process before anybody came.
    idle_bytes: u64,
    /// Held for no longer than it takes to copy.
    readings: Mutex<VecDeque<WorkReading>>,
}

impl WorkWindow {
    /// A window that opens now.
    pub(super) fn new(world: Arc<World>, clock: Clock) -> Self {
        let first = WorkReading::take(&world, clock.moment());
        Self {
            idle_bytes: Process::this().read().resident_bytes.unwrap_or(0),
            readings: Mutex::new(VecDeque::from([first])),
            world,
            clock,
        }
    }

    /// Reads once a second, for ever.
    pub(super) async fn watch(&self) {
        loop {
            sleep(EVERY).await;
            let reading = self.take();
            let mut readings = self.readings.lock().unwrap_or_else(PoisonError::into_inner);
            readings.push_back(reading);
            if readings.len() > KEPT {
                readings.pop_front();
            }
        }
    }

    /// What `reading`, of just now, tells beside what was done since the window's beginning.
    pub(super) fn forecast(&self, reading: &Reading) -> Capacity {
        let readings = self.readings.lock().unwrap_or_else(PoisonError::into_inner);
        let before = readings.front().expect("one is always kept").clone();
        drop(readings);
        metrics::forecast(reading, &before, &self.take(), self.idle_bytes)
    }

    fn take(&self) -> WorkReading {
        WorkReading::take(&self.world, self.clock.moment())
    }
}
