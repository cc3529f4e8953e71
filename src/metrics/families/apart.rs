//! What has happened, told apart by a label.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::super::family::{Catalogue, Kind, Sample, labelled};
use super::super::reading::Reading;
use crate::protocol::{CloseCode, DeliveryClass};
use crate::shard::refusals::RefusalReason;

/// Where a receiver of a class is spared a message, or loses it.
const CLASSES: [(DeliveryClass, &str); 3] = [
    (DeliveryClass::Reliable, "reliable"),
    (DeliveryClass::Latest, "latest"),
    (DeliveryClass::Volatile, "volatile"),
];

pub(super) fn add(catalogue: &mut Catalogue, reading: &Reading) {
    catalogue.chapter("What has happened, told apart");
    catalogue.add(
        Kind::Counter,
        "refusals_total",
        "What was refused, by reason: at the door, or with an error code of the protocol.",
        &["reason"],
        RefusalReason::all()
            .map(|reason| labelled([reason.name()], reading.world.refusals.count(reason)))
            .collect(),
    );
    catalogue.add(
        Kind::Counter,
        "closes_total",
        "Connections closed by the server, by code and reason.",
        &["code", "reason"],
        CloseCode::ALL.iter().map(|code| closes(reading, *code)).collect(),
    );
    catalogue.add(
        Kind::Counter,
        "websocket_upgrade_outcomes_total",
        "How well-formed requests for a WebSocket ended.",
        &["outcome"],
        upgrades(reading)
            .into_iter()
            .map(|(outcome, count)| labelled([outcome], count))
            .collect(),
    );
    catalogue.add(
        Kind::Counter,
        "websocket_delivery_class_outcomes_total",
        "What became of game data, one for each message and receiver. What was attempted and is nothing else yet is queued.",
        &["class", "outcome"],
        CLASSES
            .into_iter()
            .flat_map(|(class, name)| {
                let outcomes = outcomes(reading, class).into_iter();
                outcomes.map(move |(outcome, count)| labelled([name, outcome], count))
            })
            .collect(),
    );
    catalogue.add(
        Kind::Counter,
        "drops_total",
        "What was dropped, or sent back, by queue and reason.",
        &["queue", "reason"],
        drops(reading),
    );
    catalogue.add(
        Kind::Counter,
        "webhook_events_total",
        "Events that were to be posted, by what became of them; none is counted twice.",
        &["outcome"],
        webhooks(reading)
            .map(|(outcome, count)| labelled([outcome], count))
            .into(),
    );
    catalogue.counter(
        "webhook_failures_total",
        "Requests of webhooks that failed. Each is tried again, or its events are given up.",
        reading.webhooks.failures.get(),
    );
    catalogue.add(
        Kind::Counter,
        "relay_app_bytes_total",
        "Payload bytes of accepted game data, by listed application; the id is derived from the app's.",
        &["app_id"],
        app_bytes(reading)
            .into_iter()
            .map(|(app, bytes)| labelled([app], bytes))
            .collect(),
    );
}

/// What became of events that were to be posted.
fn webhooks(reading: &Reading) -> [(&'static str, u64); 4] {
    let counts = &reading.webhooks;
    [
        ("delivered", counts.delivered.get()),
        ("dropped", counts.dropped.get()),
        ("dead_letter", counts.dead_letters.get()),
        ("lost", counts.lost.get()),
    ]
}

fn closes(reading: &Reading, code: CloseCode) -> Sample {
    let count = reading.sum(|counters| counters.closes[code as usize].get());
    labelled([code.code().to_string(), code.reason().to_owned()], count)
}

/// How well-formed requests for a WebSocket ended.
pub(in crate::metrics) fn upgrades(reading: &Reading) -> [(&'static str, u64); 6] {
    let refused = |reason| reading.world.refusals.count(reason);
    [
        ("accepted", reading.sum(|counters| counters.upgrades_accepted.get())),
        ("rejected_origin", refused(RefusalReason::Origin)),
        ("rejected_draining", refused(RefusalReason::Draining)),
        ("rejected_token_binding_offer", refused(RefusalReason::BindingOffer)),
        ("rejected_token_binding_negotiation", refused(RefusalReason::BindingKey)),
        (
            "rejected_capacity",
            reading.sum(|counters| counters.upgrades_crowded_out.get()),
        ),
    ]
}

/// What became of the game data of a class.
pub(in crate::metrics) fn outcomes(reading: &Reading, class: DeliveryClass) -> [(&'static str, u64); 7] {
    let of_class = |class_is: DeliveryClass, count: u64| if class == class_is { count } else { 0 };
    let place = class as usize;
    [
        (
            "attempted",
            reading.sum(|counters| counters.game_data[place].attempted.get()),
        ),
        (
            "delivered",
            reading.sum(|counters| counters.game_data[place].delivered.get()),
        ),
        (
            "superseded",
            reading.sum(|counters| of_class(DeliveryClass::Latest, counters.latest_superseded.get())),
        ),
        (
            "dropped_full",
            reading.sum(|counters| of_class(DeliveryClass::Latest, counters.latest_dropped.get())),
        ),
        (
            "dropped",
            reading.sum(|counters| of_class(DeliveryClass::Volatile, counters.volatile_dropped.get())),
        ),
        (
            "abandoned",
            reading.sum(|counters| counters.game_data[place].abandoned.get()),
        ),
        (
            // Only what is binary can be in a format that a receiver does not read, and all of that is reliable.
            "unsupported_format",
            reading.sum(|counters| of_class(DeliveryClass::Reliable, counters.undeliverable.get())),
        ),
    ]
}

fn drops(reading: &Reading) -> Vec<Sample> {
    let mut sums: Vec<(&str, &str, u64)> = Vec::new();
    for (_, counters) in reading.counters() {
        for (place, drops) in counters.drops().enumerate() {
            match sums.get_mut(place) {
                Some((.., sum)) => *sum += drops.count,
                None => sums.push((drops.queue, drops.reason, drops.count)),
            }
        }
    }
    let sums = sums.into_iter();
    sums.map(|(queue, reason, sum)| labelled([queue, reason], sum))
        .collect()
}

/// Bytes that each listed application has had relayed.
pub(in crate::metrics) fn app_bytes(reading: &Reading) -> BTreeMap<Uuid, u64> {
    let mut sums = BTreeMap::new();
    for (app, bytes) in reading.shards.iter().flat_map(|shard| &*shard.app_bytes) {
        *sums.entry(app.listed_uuid()).or_insert(0) += bytes;
    }
    sums
}
