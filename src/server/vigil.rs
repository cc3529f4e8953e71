//! Whether every shard lives, for a service manager that watches, and what it shows of the server.
//!
//! Promises a sign of life only when each shard that runs has looked at its deadlines since the last one. So one shard
//! that stands still is enough for the watchdog to end the process, and a process that stood still as a whole lives again
//! with its first look after all have ticked.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::whole_ms;
use crate::rare_line::RareLine;
use crate::runtime::NotifySocket;
use crate::shard::{ShardId, World};

/// How often the shards are looked after where nobody watches, and how often what is shown may change.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Looks in the time after which the watchdog bites: one may be missed.
const LOOKS_PER_WATCH: u32 = 3;

/// Ticks that a shard has until it is looked at again.
const TICKS_PER_LOOK: u32 = 4;

/// Looks after the shards for the service manager.
#[derive(Debug)]
pub(super) struct Vigil {
    world: Arc<World>,
    address: SocketAddr,
    notify: Arc<NotifySocket>,
    interval: Duration,
    /// The ticks of each shard at the last look.
    ticks: Vec<u64>,
    telling: RareLine,
    since: Instant,
    shown_at: Instant,
}

impl Vigil {
    pub(super) fn new(world: Arc<World>, address: SocketAddr, tick: Duration, notify: Arc<NotifySocket>) -> Self {
        let shortest = tick.saturating_mul(TICKS_PER_LOOK);
        let interval = notify
            .watchdog()
            .map_or(LOOK_INTERVAL, |watchdog| (watchdog / LOOKS_PER_WATCH).max(shortest))
            .min(LOOK_INTERVAL);
        let ticks = vec![0; usize::from(world.shards())];
        Self {
            world,
            address,
            notify,
            interval,
            ticks,
            telling: RareLine::new(),
            since: Instant::now(),
            shown_at: Instant::now(),
        }
    }

    /// How often to [`look`](Self::look).
    pub(super) const fn interval(&self) -> Duration {
        self.interval
    }

    /// Looks at the shards that run.
    pub(super) fn look(&mut self, running: &BTreeSet<ShardId>) {
        let mut silent = Vec::new();
        for &shard in running {
            let ticks = self.world.counters(shard).ticks.get();
            if std::mem::replace(&mut self.ticks[shard.index()], ticks) == ticks {
                silent.push(shard);
            }
        }
        if silent.is_empty() {
            self.notify.alive();
        } else if let Some(unsaid) = self.telling.may_say(whole_ms(self.since.elapsed())) {
            let shards = silent.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            tracing::error!(shards, unsaid, "no sign of life from a shard; the watchdog is not fed");
        }
        if self.shown_at.elapsed() >= LOOK_INTERVAL {
            self.shown_at = Instant::now();
            self.notify.status(status(&self.world, self.address));
        }
    }
}

/// What is shown of a server, in a line.
pub(super) fn status(world: &World, address: SocketAddr) -> String {
    let admitted = world.ledger.admitted();
    let does = match (world.is_stopping(), world.is_draining()) {
        (true, _) => "Stopping",
        (false, true) => "Draining",
        (false, false) => "Serving",
    };
    format!(
        "{does} on {address}: {} connections, {} rooms",
        admitted.connections, admitted.rooms
    )
}
