//! What each shard does and holds.

use super::super::distribution::Distribution;
use super::super::family::{Catalogue, Kind, Sample, Value, labelled};
use super::super::reading::{Reading, ShardReading};
use crate::shard::{Spread, Unit};

pub(super) fn add(catalogue: &mut Catalogue, reading: &Reading) {
    catalogue.chapter("Each shard");
    add_counters(catalogue, reading);
    let shards = 0..reading.world.shards();
    catalogue.add(
        Kind::Gauge,
        "shard_members",
        "Players and spectators who are connected here and are in a room.",
        &["shard"],
        shards
            .map(|shard| labelled([shard], reading.world.load(crate::shard::ShardId(shard)) as u64))
            .collect(),
    );
    catalogue.add(
        Kind::Gauge,
        "shard_busy_ratio",
        "The share of the last second or so that the shard has spent in turns: what `server.refuse_rooms_above_busy` looks at.",
        &["shard"],
        reading
            .counters()
            .map(|(shard, counters)| labelled([shard], counters.busy_permille.get() as f64 / 1e3))
            .collect(),
    );
    let mut said = |kind, name, help, of: fn(&ShardReading) -> Option<Value>| {
        catalogue.add(kind, name, help, &["shard"], each(reading, of));
    };
    said(
        Kind::Gauge,
        "inbox_depth",
        "Messages of other threads that the shard has not read.",
        |shard| Some(shard.inbox_waiting.into()),
    );
    said(
        Kind::Gauge,
        "outbox_frames",
        "Frames that wait for the shard's clients.",
        |shard| Some(shard.survey.as_ref()?.waiting_frames.into()),
    );
    said(Kind::Gauge, "outbox_bytes", "Bytes of these frames.", |shard| {
        Some(shard.survey.as_ref()?.waiting_bytes.into())
    });
    said(
        Kind::Gauge,
        "outbox_held_bytes",
        "Memory that outboxes with something in them hold.",
        |shard| Some(shard.survey.as_ref()?.held_bytes.into()),
    );
    said(
        Kind::Gauge,
        "outbox_oldest_age_seconds",
        "For how long the oldest frame has waited; 0 if none does.",
        |shard| Some((shard.survey.as_ref()?.oldest_wait_ms as f64 / 1e3).into()),
    );
    said(
        Kind::Gauge,
        "outbox_waiting_connections",
        "Clients for whom something waits.",
        |shard| Some(shard.survey.as_ref()?.waiting_connections.into()),
    );
    said(
        Kind::Histogram,
        "shard_turn_seconds",
        "How long the shard's turns take.",
        |shard| Some(Distribution::of(&shard.timings.turn).into()),
    );
}

fn add_counters(catalogue: &mut Catalogue, reading: &Reading) {
    let mut families: Vec<(&str, &'static str, Vec<Sample>)> = Vec::new();
    for (shard, counters) in reading.counters() {
        let own = counters.shown().filter(|shown| shown.spread == Spread::PerShard);
        for (place, shown) in own.enumerate() {
            if families.len() == place {
                families.push((shown.name, shown.help, Vec::new()));
            }
            let value: Value = match shown.unit {
                Unit::Count => shown.count.into(),
                Unit::Micros => (shown.count as f64 / 1e6).into(),
                Unit::Millis => (shown.count as f64 / 1e3).into(),
            };
            families[place].2.push(labelled([shard], value));
        }
    }
    for (name, help, samples) in families {
        catalogue.add(Kind::Counter, name, help, &["shard"], samples);
    }
}

/// One sample of each shard that has something to say.
fn each(reading: &Reading, of: fn(&ShardReading) -> Option<Value>) -> Vec<Sample> {
    let shards = reading.shards.iter().enumerate();
    shards
        .filter_map(|(number, shard)| Some(labelled([number], of(shard)?)))
        .collect()
}
