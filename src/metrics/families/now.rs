//! What is now.

use super::super::family::Catalogue;
use super::super::reading::Reading;

pub(super) fn add(catalogue: &mut Catalogue, reading: &Reading) {
    catalogue.chapter("What is now");
    let admitted = reading.world.ledger.admitted();
    let survey = reading.survey();
    let survey = survey.as_ref();
    catalogue.gauge(
        "connections_active",
        "Sockets open now.",
        Some(admitted.connections as u64),
    );
    catalogue.gauge("rooms_live", "Rooms, empty ones too.", Some(admitted.rooms as u64));
    catalogue.gauge(
        "room_occupants_live",
        "Players and spectators in the rooms.",
        survey.map(|survey| survey.occupants),
    );
    catalogue.gauge("players_active", "Players with a seat.", Some(players_active(reading)));
    catalogue.gauge(
        "websocket_queue_depth",
        "Frames that wait for clients.",
        survey.map(|survey| survey.waiting_frames),
    );
    catalogue.gauge(
        "websocket_queue_oldest_age_milliseconds",
        "For how long the oldest of them has waited; 0 if none does.",
        survey.map(|survey| survey.oldest_wait_ms),
    );
    for name in ["reconnection_pending", "reconnection_sessions_active"] {
        let help = "Players who were lost and may still come back.";
        catalogue.gauge(name, help, survey.map(|survey| survey.absent));
    }
    catalogue.gauge(
        "replay_rooms_retained",
        "Rooms that keep events for players who may come back.",
        survey.map(|survey| survey.rooms_with_events),
    );
    catalogue.gauge(
        "replay_events_retained",
        "Events kept for them.",
        survey.map(|survey| survey.events),
    );
    catalogue.gauge(
        "maintenance_last_duration_milliseconds",
        "How long the last look of a shard over all its rooms took, from tick to tick; the longest of all shards.",
        Some(last_sweep_ms(reading)),
    );
    catalogue.gauge(
        "dashboard_cache_age_seconds",
        "Age of the snapshot behind `/metrics`; nothing before the first.",
        reading.dashboard.age_secs,
    );
}

/// Players with a seat. A seat that is taken on one shard is left on the same one, so the difference is never negative; the
/// two counts are read one after the other, so it may be off for a moment.
pub(in crate::metrics) fn players_active(reading: &Reading) -> u64 {
    let left = reading.sum(|counters| counters.players_left.get());
    reading
        .sum(|counters| counters.players_joined.get())
        .saturating_sub(left)
}

/// How long the last sweep took, on the shard where it took longest.
pub(in crate::metrics) fn last_sweep_ms(reading: &Reading) -> u64 {
    let sweeps = reading.counters().map(|(_, counters)| counters.last_sweep_ms.get());
    sweeps.max().unwrap_or(0)
}
