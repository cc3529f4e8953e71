//! What has happened, on all shards together.

use super::super::family::Catalogue;
use super::super::reading::Reading;
use super::limits;
use crate::protocol::{CloseCode, ErrorCode};
use crate::shard::Spread;
use crate::shard::refusals::RefusalReason;

pub(super) fn add(catalogue: &mut Catalogue, reading: &Reading) {
    catalogue.chapter("What has happened");
    let mut sums: Vec<(&str, &'static str, u64)> = Vec::new();
    for (_, counters) in reading.counters() {
        let summed = counters.shown().filter(|shown| shown.spread == Spread::Summed);
        for (place, shown) in summed.enumerate() {
            match sums.get_mut(place) {
                Some((.., sum)) => *sum += shown.count,
                None => sums.push((shown.name, shown.help, shown.count)),
            }
        }
    }
    for (name, help, sum) in sums {
        catalogue.counter(name, help, sum);
    }
    add_derived(catalogue, reading);
}

/// What is worked out of several counts, and what is counted in one place for all shards.
fn add_derived(catalogue: &mut Catalogue, reading: &Reading) {
    let closed = |code: CloseCode| reading.sum(|counters| counters.closes[code as usize].get());
    let refused = |reason| reading.world.refusals.count(reason);
    catalogue.counter(
        "websocket_upgrade_attempts_total",
        "Well-formed requests for a WebSocket.",
        upgrade_attempts(reading),
    );
    catalogue.counter(
        "websocket_upgrades_failed_after_accept_total",
        "Sockets that did not take the answer to their upgrade.",
        reading.sum(|counters| counters.upgrades_failed.get()),
    );
    catalogue.counter(
        "websocket_messages_dropped_total",
        "Messages that their receiver did not get: because it was closed or gone, its format cannot hold them, or it read too \
         slowly; `latest` values that newer ones replaced are none.",
        messages_dropped(reading),
    );
    catalogue.counter(
        "websocket_delivery_attempts_total",
        "Messages for a receiver: queued, or not because it was closing.",
        reading.sum(|counters| counters.deliveries_enqueued.get() + counters.deliveries_closed.get()),
    );
    catalogue.counter(
        "websocket_shutdown_disconnects_total",
        "Closes with 4000.",
        closed(CloseCode::ServerShutdown),
    );
    catalogue.counter(
        "cleanup_expired_players_total",
        "Closes with 4003.",
        closed(CloseCode::ActivityTimeout),
    );
    catalogue.counter(
        "room_cap_denials_total",
        "Rooms refused because their game, their app or the server had too many.",
        refused(RefusalReason::Error(ErrorCode::MaxRoomsPerGameExceeded)),
    );
    catalogue.counter(
        "rate_limit_rejections_total",
        "What limits of rates refused, together.",
        limits::total(reading),
    );
    catalogue.counter(
        "maintenance_sweeps_total",
        "Times that a shard has looked over all its rooms.",
        reading.sum(|counters| counters.sweeps.get()),
    );
    catalogue.counter(
        "latency_clamped_samples_total",
        "Spans that were longer than a histogram can tell: a minute.",
        reading.timings().clamped(),
    );
    catalogue.counter(
        "dashboard_cache_refreshes_total",
        "Snapshots made for `/metrics`.",
        reading.dashboard.refreshes,
    );
    catalogue.counter(
        "dashboard_cache_refresh_failures_total",
        "Snapshots that could not be made.",
        reading.dashboard.failures,
    );
}

/// Well-formed requests for a WebSocket.
pub(in crate::metrics) fn upgrade_attempts(reading: &Reading) -> u64 {
    let refused = [
        RefusalReason::Origin,
        RefusalReason::Draining,
        RefusalReason::BindingOffer,
        RefusalReason::BindingKey,
    ];
    let refused: u64 = refused.map(|reason| reading.world.refusals.count(reason)).iter().sum();
    refused + reading.sum(|counters| counters.upgrades_accepted.get() + counters.upgrades_crowded_out.get())
}

/// Messages that their receiver did not get.
pub(in crate::metrics) fn messages_dropped(reading: &Reading) -> u64 {
    reading.sum(|counters| {
        counters.discarded_frames.get()
            + counters.lost_frames.get()
            + counters.undeliverable.get()
            + counters.latest_dropped.get()
            + counters.volatile_dropped.get()
    })
}
