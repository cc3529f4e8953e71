//! The counters as JSON, in the groups that readers of `metricsSnapshot` know.
//!
//! A member that has no meaning here says what is true: that it never happened.

use serde_json::{Map, Value, json};

use super::super::reading::Reading;
use super::time::RoundTrips;
use super::{apart, counts, limits, now};
use crate::protocol::{CloseCode, DeliveryClass, ErrorCode, WallTime};
use crate::shard::refusals::RefusalReason;

/// All groups.
pub(in crate::metrics) fn of(reading: &Reading, at: WallTime) -> Value {
    let mut rates = limits::by_name(reading);
    rates.insert("rate_limit_rejections".to_owned(), limits::total(reading).into());
    json!({
        "timestamp": at,
        "connections": connections(reading),
        "rooms": {
            "rooms_created": reading.sum(|counters| counters.rooms_created.get()),
            "rooms_joined": reading.sum(|counters| counters.rooms_joined.get()),
            "rooms_deleted": reading.sum(|counters| counters.rooms_deleted.get()),
            "room_creation_failures": reading.sum(|counters| counters.creations_refused.get()),
            "room_join_failures": reading.sum(|counters| counters.joins_refused.get()),
            "room_cap_denials": refused(reading, ErrorCode::MaxRoomsPerGameExceeded),
            "room_cap_lock_acquisitions": 0,
            "room_cap_lock_failures": 0,
        },
        "players": players(reading),
        "performance": {
            "latency_histogram_clamped_samples": reading.timings().clamped(),
        },
        "race_conditions": race_conditions(reading),
        "rate_limiting": rates,
        "reconnection": {
            "tokens_issued": reading.sum(|counters| counters.seats_kept.get()),
            "sessions_active": reading.survey().map(|survey| survey.absent),
            "validations_failed": reading.sum(|counters| counters.returns_refused.get()),
            "completions": reading.sum(|counters| counters.reconnections.get()),
            "events_buffered": reading.sum(|counters| counters.events_kept.get()),
            "events_evicted": reading.sum(|counters| counters.events_evicted.get()),
        },
        "distributed_lock": {
            "release_failures": 0,
            "renewal_failures": 0,
            "cleanup_runs": 0,
            "cleanup_removed": 0,
        },
        "cleanup": {
            "empty_rooms_cleaned": reading.sum(|counters| counters.empty_rooms_deleted.get()),
            "inactive_rooms_cleaned": reading.sum(|counters| counters.inactive_rooms_deleted.get()),
            "expired_players_cleaned": closed(reading, CloseCode::ActivityTimeout),
            "maintenance_sweeps_total": reading.sum(|counters| counters.sweeps.get()),
            "maintenance_last_duration_millis": now::last_sweep_ms(reading),
        },
        "cross_instance": {
            "cross_instance_messages": 0,
            "remote_membership_updates_published": 0,
            "remote_membership_updates_received": 0,
            "remote_membership_known_broadcasts": 0,
            "remote_membership_forced_broadcasts": 0,
            "remote_membership_skipped_broadcasts": 0,
        },
        "dashboard_cache": {
            "last_refresh_timestamp": reading.dashboard.refreshed_unix_secs,
            "refresh_count": reading.dashboard.refreshes,
            "refresh_failures": reading.dashboard.failures,
        },
        "transport": transport(reading),
    })
}

fn closed(reading: &Reading, code: CloseCode) -> u64 {
    reading.sum(|counters| counters.closes[code as usize].get())
}

fn refused(reading: &Reading, code: ErrorCode) -> u64 {
    reading.world.refusals.count(RefusalReason::Error(code))
}

fn connections(reading: &Reading) -> Value {
    let mut upgrades: Map<_, _> = apart::upgrades(reading)
        .into_iter()
        .map(|(outcome, count)| (outcome.to_owned(), count.into()))
        .collect();
    upgrades.insert("attempts".to_owned(), counts::upgrade_attempts(reading).into());
    upgrades.insert("rejected_server_fault".to_owned(), 0.into());
    let failed = reading.sum(|counters| counters.upgrades_failed.get());
    upgrades.insert("failed_after_accept".to_owned(), failed.into());
    let by_class = |class| -> Map<String, Value> {
        let outcomes = apart::outcomes(reading, class).into_iter();
        outcomes
            .map(|(outcome, count)| (outcome.to_owned(), count.into()))
            .collect()
    };
    let enqueued = reading.sum(|counters| counters.deliveries_enqueued.get());
    let closing = reading.sum(|counters| counters.deliveries_closed.get());
    json!({
        "total_connections": reading.sum(|counters| counters.connections.get()),
        "active_connections": reading.world.ledger.admitted().connections,
        "disconnections": reading.sum(|counters| counters.disconnections.get()),
        "websocket_upgrades": upgrades,
        "websocket_messages_dropped": counts::messages_dropped(reading),
        "websocket_backpressure_events": reading.sum(|counters| counters.backpressure.get()),
        "websocket_slow_consumer_disconnects": closed(reading, CloseCode::SlowConsumer),
        "slow_consumer_eviction_attributions": {},
        "websocket_shutdown_disconnects": closed(reading, CloseCode::ServerShutdown),
        "websocket_zero_frame_timeout_disconnects": reading.sum(|counters| counters.zero_frame_timeouts.get()),
        "websocket_ping_timeouts": reading.sum(|counters| counters.ping_timeouts.get()),
        "websocket_ping_probes_skipped_activity": reading.sum(|counters| counters.pings_skipped.get()),
        "websocket_ping_probes_cancelled_activity": reading.sum(|counters| counters.pings_cancelled.get()),
        "websocket_ping_rtt": ping_rtt(reading),
        "websocket_delivery_attempts": enqueued + closing,
        "websocket_deliveries_enqueued": enqueued,
        "websocket_deliveries_channel_closed": closing,
        "websocket_deliveries_canceled": 0,
        "websocket_egress_bytes": reading.sum(|counters| counters.egress_bytes.get()),
        "delivery_by_class": {
            "reliable": by_class(DeliveryClass::Reliable),
            "latest": by_class(DeliveryClass::Latest),
            "volatile": by_class(DeliveryClass::Volatile),
        },
    })
}

fn ping_rtt(reading: &Reading) -> Value {
    let timings = reading.timings();
    let rtt = RoundTrips::of(&timings.ping);
    json!({
        "sample_count": timings.ping.spans().len(),
        "average_ms": rtt.map(|rtt| rtt.average_ms),
        "p50_ms": rtt.map(|rtt| rtt.p50_ms),
        "p95_ms": rtt.map(|rtt| rtt.p95_ms),
        "p99_ms": rtt.map(|rtt| rtt.p99_ms),
        "min_ms": rtt.map(|rtt| rtt.min_ms),
        "max_ms": rtt.map(|rtt| rtt.max_ms),
    })
}

fn players(reading: &Reading) -> Value {
    let app_bytes: Map<_, _> = apart::app_bytes(reading)
        .into_iter()
        .map(|(app, bytes)| (app.to_string(), bytes.into()))
        .collect();
    json!({
        "players_joined": reading.sum(|counters| counters.players_joined.get()),
        "players_left": reading.sum(|counters| counters.players_left.get()),
        "game_data_messages": reading.sum(|counters| counters.game_data_messages.get()),
        "relay_bytes_total": reading.sum(|counters| counters.relay_bytes.get()),
        "app_relay_bytes": app_bytes,
        "authority_transfers": reading.sum(|counters| counters.authority_moves.get()),
        "heartbeat_updates": 0,
        "heartbeat_skipped": 0,
    })
}

fn race_conditions(reading: &Reading) -> Value {
    json!({
        "authority_transfer_conflicts": refused(reading, ErrorCode::AuthorityConflict),
        "room_kicks": reading.sum(|counters| counters.kicks.get()),
        "room_bans": reading.sum(|counters| counters.bans.get()),
        "room_unbans": reading.sum(|counters| counters.unbans.get()),
        "room_code_regenerations": reading.sum(|counters| counters.codes_changed.get()),
        "room_code_retry_exhaustions": refused(reading, ErrorCode::RoomCreationFailed),
        "room_capacity_conflicts": 0,
        "room_code_collisions": 0,
        "room_code_retry_operations": 0,
        "room_code_retry_successes": 0,
        "room_code_retry_success_rate": null,
        "retry_attempts": 0,
        "retry_successes": 0,
        "retry_success_rate": null,
    })
}

fn transport(reading: &Reading) -> Value {
    json!({
        "session_plans_emitted": reading.sum(|counters| counters.session_plans.get()),
        "session_replans_emitted": reading.sum(|counters| counters.session_replans.get()),
        "session_plans_late_join": reading.sum(|counters| counters.late_plans.get()),
        "topology_mesh_selected": reading.sum(|counters| counters.mesh_selected.get()),
        "topology_host_selected": reading.sum(|counters| counters.host_selected.get()),
        "topology_relay_selected": reading.sum(|counters| counters.relay_selected.get()),
        "transport_webrtc_selected": reading.sum(|counters| counters.webrtc_selected.get()),
        "transport_direct_selected": reading.sum(|counters| counters.direct_selected.get()),
        "transport_relay_selected": reading.sum(|counters| counters.relay_transport_selected.get()),
        "p2p_established": reading.sum(|counters| counters.p2p_established.get()),
        "relay_fallback": reading.sum(|counters| counters.relay_fallback.get()),
        "transport_status_fanout": reading.sum(|counters| counters.status_fanout.get()),
        "signals_relayed": reading.sum(|counters| counters.signals_relayed.get()),
        "turn_credentials_issued": reading.sum(|counters| counters.turn_credentials.get()),
        "ice_pregather_emitted": reading.sum(|counters| counters.ice_pregather.get()),
        "seat_fills_rejected_incompatible": reading.sum(|counters| counters.seat_fills_rejected.get()),
        "mixed_path_members_observed": reading.sum(|counters| counters.mixed_path_members.get()),
    })
}
