//! The forecast of how many more rooms fit.
//!
//! CPU is extrapolated from what each shard did in the last seconds: a fuller shard takes more messages in a turn, and more
//! frames in a send, so a room costs it less than it costs now. Everything else is a count against its limit. Rooms to come are
//! taken for as large and as busy as the average of those that are there.

use std::collections::BTreeMap;
use std::time::Duration;

use super::capacity::{Capacity, Resource, ShardRoom, Supply};
use super::process::ProcessReading;
use super::reading::Reading;
use crate::shard::{CounterSet, ShardId, World};

/// What the parts of a turn cost beside each other on a full shard; how fast the machine is comes from what it does now.
/// Fitted at the largest load whose p99 stays below 10 ms, for rooms of 2, 4 and 16 (`docs/performance.md`, capacity).
mod cost {
    pub(super) const WAKE: f64 = 3.0;
    pub(super) const SEND: f64 = 4.0;
    pub(super) const MESSAGE: f64 = 8.8;
}

/// Turns of a shard that is as full as players bear: whoever waits for two of them waits 10 ms.
const FULL_TURN_US: f64 = 5_000.0;

/// The share of its time that a shard can work until its turns grow that long, reckoned at what rooms cost in the caches of now:
/// more of them share the same caches.
const FULL: f64 = 0.8;

/// Less than so much of a shard's time says nothing about what its rooms cost.
const LEAST_LOAD: f64 = 0.005;

/// Memory of a connection at rest, the least that a room is taken to need for each.
const CONNECTION_BYTES: f64 = 2_048.0;

/// What one shard had done at a moment.
#[derive(Debug, Clone, Copy, Default)]
struct Work {
    cpu_us: u64,
    busy_us: u64,
    turns: u64,
    messages: u64,
    deliveries: u64,
    sends: u64,
}

impl Work {
    fn of(counters: &CounterSet) -> Self {
        Self {
            cpu_us: counters.cpu_us.get(),
            busy_us: counters.busy_us.get(),
            turns: counters.turns.get(),
            messages: counters.game_data_messages.get(),
            deliveries: counters.deliveries.get(),
            sends: counters.socket_sends.get(),
        }
    }

    const fn since(self, before: Self) -> Self {
        Self {
            cpu_us: self.cpu_us - before.cpu_us,
            busy_us: self.busy_us - before.busy_us,
            turns: self.turns - before.turns,
            messages: self.messages - before.messages,
            deliveries: self.deliveries - before.deliveries,
            sends: self.sends - before.sends,
        }
    }

    /// By how much the shard's rooms could be multiplied; `None`: it does too little to tell.
    fn growth(self, span_us: f64, connections: f64) -> Option<f64> {
        let load = self.cpu_us as f64 / span_us;
        if load < LEAST_LOAD || self.messages == 0 || self.deliveries == 0 {
            return None;
        }
        let messages = self.messages as f64;
        let fan_out = self.deliveries as f64 / messages;
        let now = (cost::WAKE * self.turns as f64 + cost::SEND * (self.sends as f64).min(self.deliveries as f64))
            / messages
            + cost::MESSAGE;
        // How many frames of one turn a receiver gets, which more rooms do not change: its own are as many as before.
        let met = fan_out / connections.max(fan_out) * messages / span_us * FULL_TURN_US;
        let distinct = (1.0 - (-met).exp()) / met;
        let full = cost::SEND * fan_out * distinct + cost::MESSAGE;
        Some(FULL / load * (now / full.min(now)))
    }
}

/// What all shards had done at a moment.
#[derive(Debug, Clone)]
pub struct WorkReading {
    at: Duration,
    shards: Vec<Work>,
}

impl WorkReading {
    /// What they have done until now; `at` is the time since any beginning.
    #[must_use]
    pub fn take(world: &World, at: Duration) -> Self {
        let shards = (0..world.shards()).map(|shard| Work::of(world.counters(ShardId(shard))));
        Self {
            at,
            shards: shards.collect(),
        }
    }

    /// When that was.
    #[must_use]
    pub const fn at(&self) -> Duration {
        self.at
    }
}

/// What a reading of now and what the shards had done before tell. `idle_bytes` is what the process held before anybody
/// came.
#[must_use]
pub fn forecast(reading: &Reading, before: &WorkReading, now: &WorkReading, idle_bytes: u64) -> Capacity {
    let admitted = reading.world.ledger.admitted();
    let (rooms, connections) = (admitted.rooms as f64, admitted.connections as f64);
    let shards = shards(reading, before, now);
    let mut resources = vec![cpu(&shards)];
    resources.extend(of_process(&reading.process, rooms, connections, idle_bytes));
    let limits = reading.world.ledger.limits();
    resources.push(counted(Resource::Connections, connections, limits.connections, rooms));
    resources.push(counted(Resource::Rooms, rooms, limits.rooms, rooms));
    if let Some(most) = rooms_of_the_largest_game(reading) {
        resources.push(counted(Resource::RoomsOfOneGame, most, limits.rooms_per_game, rooms));
    }
    let known = resources
        .iter()
        .filter_map(|supply| Some((supply.more_rooms?, supply.resource)));
    let first = known.min_by_key(|(more_rooms, _)| *more_rooms);
    Capacity {
        window_seconds: now.at.saturating_sub(before.at).as_secs_f64(),
        rooms: admitted.rooms as u64,
        connections: admitted.connections as u64,
        more_rooms: first.map(|(more_rooms, _)| more_rooms),
        first_to_give_out: first.map(|(_, resource)| resource),
        resources,
        shards,
    }
}

fn shards(reading: &Reading, before: &WorkReading, now: &WorkReading) -> Vec<ShardRoom> {
    let span_us = now.at.saturating_sub(before.at).as_secs_f64() * 1e6;
    let works = before.shards.iter().zip(&now.shards).zip(&reading.shards);
    let told = works.enumerate().map(|(shard, ((before, now), said))| {
        let work = now.since(*before);
        let survey = said.survey.as_deref();
        let members = reading.world.load(ShardId(shard as u16)) as f64;
        let growth = work.growth(span_us, members);
        let rooms = survey.map(|survey| survey.rooms);
        ShardRoom {
            shard: shard as u16,
            busy: share(work.busy_us, span_us),
            cpu: share(work.cpu_us, span_us),
            rooms,
            more_rooms: growth
                .zip(rooms)
                .filter(|(_, rooms)| *rooms > 0)
                .map(|(growth, rooms)| whole(rooms as f64 * (growth - 1.0))),
        }
    });
    told.collect()
}

/// Rooms are dealt to shards at random, so all of them are as full as the first one is when it is full.
fn cpu(shards: &[ShardRoom]) -> Supply {
    let fullest = shards.iter().map(|shard| shard.cpu).fold(0.0, f64::max);
    let first = shards.iter().filter_map(|shard| shard.more_rooms).min();
    Supply {
        resource: Resource::Cpu,
        used: fullest,
        limit: FULL,
        more_rooms: first.map(|more_rooms| more_rooms.saturating_mul(shards.len() as u64)),
    }
}

fn of_process(process: &ProcessReading, rooms: f64, connections: f64, idle_bytes: u64) -> Vec<Supply> {
    let mut supplies = Vec::new();
    if let Some((resident, spare)) = process.resident_bytes.zip(process.spare_bytes) {
        let used = resident as f64;
        let grown = (used - idle_bytes as f64).max(connections * CONNECTION_BYTES);
        supplies.push(Supply {
            resource: Resource::Memory,
            used,
            limit: used + spare as f64,
            more_rooms: more(spare as f64, grown, rooms),
        });
    }
    if let Some((open, most)) = process.open_descriptors.zip(process.max_descriptors) {
        supplies.push(Supply {
            resource: Resource::Descriptors,
            used: open as f64,
            limit: most as f64,
            more_rooms: more(most.saturating_sub(open) as f64, connections, rooms),
        });
    }
    supplies
}

fn counted(resource: Resource, used: f64, limit: usize, rooms: f64) -> Supply {
    let limit = limit as f64;
    Supply {
        resource,
        used,
        limit,
        more_rooms: more((limit - used).max(0.0), used, rooms),
    }
}

/// How many rooms `spare` lets in, of which the present ones take `used`.
fn more(spare: f64, used: f64, rooms: f64) -> Option<u64> {
    (used > 0.0 && rooms > 0.0).then(|| whole(spare / used * rooms))
}

fn rooms_of_the_largest_game(reading: &Reading) -> Option<f64> {
    let mut rooms: BTreeMap<&str, u64> = BTreeMap::new();
    for shard in &reading.shards {
        for (game, _) in &shard.survey.as_deref()?.games {
            *rooms.entry(game).or_default() += 1;
        }
    }
    rooms.into_values().max().map(|most| most as f64)
}

fn share(part_us: u64, span_us: f64) -> f64 {
    if span_us > 0.0 {
        (part_us as f64 / span_us).min(1.0)
    } else {
        0.0
    }
}

fn whole(rooms: f64) -> u64 {
    rooms.max(0.0).floor() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was measured on a shard at two fifths of the largest load whose p99 stayed below 10 ms, and how much larger that
    /// was: rooms of 4 at 60 Hz, of 16 at 20 Hz, of 2 at 30 Hz.
    const MEASURED: [(f64, f64, f64, f64, f64, f64, f64); 3] = [
        // players, Hz, rooms, CPU, turns per second, sends per delivery, growth
        (4.0, 60.0, 100.0, 0.488, 21_758.0, 1.0, 2.5),
        (16.0, 20.0, 31.0, 0.572, 2_056.0, 0.93, 2.55),
        (2.0, 30.0, 506.0, 0.408, 28_453.0, 1.0, 2.5),
    ];

    #[test]
    fn what_was_measured_is_forecast_within_a_fifth() {
        for (players, hz, rooms, cpu, turns, sends, measured) in MEASURED {
            let messages = players * hz * rooms;
            let deliveries = messages * (players - 1.0);
            let work = Work {
                cpu_us: (cpu * 1e6) as u64,
                busy_us: 0,
                turns: turns as u64,
                messages: messages as u64,
                deliveries: deliveries as u64,
                sends: (deliveries * sends) as u64,
            };
            let growth = work.growth(1e6, players * rooms).expect("it works");
            let error = growth / measured - 1.0;
            assert!(error.abs() < 0.2, "rooms of {players}: {growth} of {measured}");
        }
    }

    #[test]
    fn who_does_nothing_tells_nothing() {
        let idle = Work {
            cpu_us: 4_000,
            ..Work::default()
        };
        assert_eq!(idle.growth(1e6, 100.0), None);
        assert_eq!(more(10.0, 0.0, 3.0), None);
        assert_eq!(more(10.0, 3.0, 0.0), None);
    }

    #[test]
    fn a_full_resource_has_no_more() {
        let full = counted(Resource::Rooms, 10.0, 10, 10.0);
        assert_eq!(full.more_rooms, Some(0));
        let half = counted(Resource::RoomsOfOneGame, 5.0, 10, 20.0);
        assert_eq!(half.more_rooms, Some(20), "as many of the others come with them");
        let one = counted(Resource::Connections, 12.0, 10, 3.0);
        assert_eq!(one.more_rooms, Some(0), "the limit was made smaller");
    }
}
