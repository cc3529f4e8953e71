//! The server and its shards, as they are now.
//!
//! Rates and percentiles are those since the last look, a second ago or more; of the first look after a while there are none.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::rates::{FORGOTTEN_AFTER, per_second, rounded};
use crate::control::routes::Known;
use crate::logging;
use crate::metrics::{Capacity, ShardReading};
use crate::shard::{CounterSet, ShardId, Timing, Timings};

/// For how long a look holds.
const HOLDS: Duration = Duration::from_millis(950);

/// The server, as it is now.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Overview {
    version: &'static str,
    region: String,
    /// `serving`, `draining` for an operator, or `stopping`.
    state: &'static str,
    up_secs: Option<u64>,
    connections: usize,
    max_connections: usize,
    rooms: usize,
    max_rooms: usize,
    cpu: Option<f64>,
    resident_bytes: Option<u64>,
    open_descriptors: Option<u64>,
    max_descriptors: Option<u64>,
    slow_consumers: u64,
    refusals: u64,
    log_lines_lost: u64,
    /// `None`: the log is another program's.
    log_level: Option<String>,
    /// How many more rooms fit, as `/capacity` tells it.
    capacity: Option<Capacity>,
    shards: Vec<ShardFigures>,
}

/// One shard.
#[derive(Debug, Clone, Serialize)]
struct ShardFigures {
    shard: ShardId,
    /// Whether it answers.
    answers: bool,
    connections: u64,
    rooms: u64,
    occupants: u64,
    inbox_waiting: u64,
    waiting_frames: u64,
    waiting_bytes: u64,
    oldest_wait_ms: u64,
    /// `None` at the first look.
    now: Option<Pace>,
}

/// What a shard does, since the last look.
#[derive(Debug, Clone, Serialize)]
struct Pace {
    /// The part of its time that it worked.
    busy: f64,
    messages_per_s: f64,
    deliveries_per_s: f64,
    bytes_per_s: f64,
    /// 99th percentiles; `None`: nothing happened.
    relay_p99_us: Option<u64>,
    sojourn_p99_us: Option<u64>,
    turn_p99_us: Option<u64>,
    ping_p50_us: Option<u64>,
}

/// What a shard had counted.
#[derive(Debug, Clone, Default)]
struct Counted {
    busy_us: u64,
    messages: u64,
    deliveries: u64,
    bytes: u64,
    timings: Arc<Timings>,
}

impl Counted {
    fn of(counters: &CounterSet, reading: &ShardReading) -> Self {
        Self {
            busy_us: counters.busy_us.get(),
            messages: counters.game_data_messages.get(),
            deliveries: counters.deliveries.get(),
            bytes: counters.egress_bytes.get(),
            timings: Arc::clone(&reading.timings),
        }
    }

    fn pace_since(&self, before: &Self, span: Duration) -> Pace {
        let (now, then) = (&self.timings, &before.timings);
        Pace {
            busy: (self.busy_us.saturating_sub(before.busy_us) as f64 / span.as_micros().max(1) as f64).min(1.0),
            messages_per_s: per_second(self.messages, before.messages, span),
            deliveries_per_s: per_second(self.deliveries, before.deliveries, span),
            bytes_per_s: per_second(self.bytes, before.bytes, span),
            relay_p99_us: quantile_between(&now.relay, &then.relay, 0.99),
            sojourn_p99_us: quantile_between(&now.sojourn, &then.sojourn, 0.99),
            turn_p99_us: quantile_between(&now.turn, &then.turn, 0.99),
            ping_p50_us: quantile_between(&now.ping, &then.ping, 0.5),
        }
    }
}

/// A quantile of what was noted between two looks.
fn quantile_between(now: &Timing, before: &Timing, quantile: f64) -> Option<u64> {
    let mut spans = now.spans().clone();
    spans.subtract(before.spans()).ok()?;
    (!spans.is_empty()).then(|| spans.value_at_quantile(quantile))
}

/// What was seen at the last look.
#[derive(Debug)]
struct Look {
    at: Instant,
    counted: Vec<Counted>,
    cpu_secs: Option<f64>,
    overview: Arc<Overview>,
}

/// Looks at the server.
#[derive(Debug)]
pub(super) struct Watch {
    known: Arc<Known>,
    last: Mutex<Option<Look>>,
}

impl Watch {
    pub(super) fn new(known: &Arc<Known>) -> Self {
        Self {
            known: Arc::clone(known),
            last: Mutex::new(None),
        }
    }

    /// How the server is now. Whoever asks while others do gets their answer.
    pub(super) async fn overview(&self) -> Arc<Overview> {
        let mut last = self.last.lock().await;
        if let Some(look) = &*last
            && look.at.elapsed() < HOLDS
        {
            return fresh_state(look, &self.known);
        }
        let reading = self.known.reading().await;
        let (readings, process) = (&reading.shards, &reading.process);
        let (at, world) = (Instant::now(), &self.known.site.world);
        let shards: Vec<ShardId> = (0..world.shards()).map(ShardId).collect();
        let counted: Vec<Counted> = shards
            .iter()
            .zip(readings)
            .map(|(shard, reading)| Counted::of(world.counters(*shard), reading))
            .collect();
        let before = last
            .as_ref()
            .filter(|look| at.duration_since(look.at) < FORGOTTEN_AFTER);
        let figures = shards
            .iter()
            .zip(readings)
            .enumerate()
            .map(|(place, (&shard, reading))| {
                let survey = reading.survey.as_deref().cloned().unwrap_or_default();
                ShardFigures {
                    shard,
                    answers: reading.survey.is_some(),
                    connections: survey.connections,
                    rooms: survey.rooms,
                    occupants: survey.occupants,
                    inbox_waiting: reading.inbox_waiting,
                    waiting_frames: survey.waiting_frames,
                    waiting_bytes: survey.waiting_bytes,
                    oldest_wait_ms: survey.oldest_wait_ms,
                    now: before.map(|look| counted[place].pace_since(&look.counted[place], at.duration_since(look.at))),
                }
            });
        let (admitted, limits) = (world.ledger.admitted(), world.ledger.limits());
        let sum = |of: fn(&CounterSet) -> u64| shards.iter().map(|shard| of(world.counters(*shard))).sum();
        let overview = Arc::new(Overview {
            version: env!("CARGO_PKG_VERSION"),
            region: self.known.region.clone(),
            state: state(&self.known),
            up_secs: process
                .start_secs
                .map(|start| (self.known.now().wall.unix_secs() as f64 - start).max(0.0) as u64),
            connections: admitted.connections,
            max_connections: limits.connections,
            rooms: admitted.rooms,
            max_rooms: limits.rooms,
            cpu: before.and_then(|look| {
                let used = process.cpu_secs? - look.cpu_secs?;
                Some(rounded(used * 100.0 / at.duration_since(look.at).as_secs_f64()) / 100.0)
            }),
            resident_bytes: process.resident_bytes,
            open_descriptors: process.open_descriptors,
            max_descriptors: process.max_descriptors,
            slow_consumers: sum(|counters| counters.slow_consumers.get()),
            refusals: world.refusals.total(),
            log_lines_lost: reading.log_lines_lost,
            log_level: logging::level(),
            capacity: reading.capacity.clone(),
            shards: figures.collect(),
        });
        *last = Some(Look {
            at,
            counted,
            cpu_secs: process.cpu_secs,
            overview: Arc::clone(&overview),
        });
        overview
    }
}

/// What was seen, but for what an operator has just changed.
fn fresh_state(look: &Look, known: &Known) -> Arc<Overview> {
    let (state, log_level) = (state(known), logging::level());
    if look.overview.state == state && look.overview.log_level == log_level {
        return Arc::clone(&look.overview);
    }
    Arc::new(Overview {
        state,
        log_level,
        ..Overview::clone(&look.overview)
    })
}

fn state(known: &Known) -> &'static str {
    let world = &known.site.world;
    match (world.is_stopping(), world.is_draining()) {
        (true, _) => "stopping",
        (false, true) => "draining",
        (false, false) => "serving",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_that_of_what_was_noted_since() {
        let mut before = Timing::default();
        before.record(50_000, 1_000);
        let mut now = before.clone();
        assert_eq!(quantile_between(&now, &before, 0.99), None, "nothing since");
        now.record(100, 99);
        now.record(900, 1);
        assert!(
            now.spans()
                .equivalent(quantile_between(&now, &before, 0.99).expect("some"), 100)
        );
        assert!(
            now.spans()
                .equivalent(quantile_between(&now, &before, 1.0).expect("some"), 900)
        );
    }
}
