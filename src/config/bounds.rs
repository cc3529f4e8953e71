//! What a number may be, whatever the other keys say: one row for each number that can be given.
//!
//! The tree of known keys takes its numbers from here and cannot be built while a row is missing. Every upper end is one
//! that the code can bear: moments and durations still add up, sizes still multiply. Where the protocol names an end it is
//! the protocol's; rules between keys, which may be narrower, are in `validate`.

use std::ops::RangeInclusive;

/// Seconds in a hundred years, for durations to which nothing else sets an end.
const CENTURY_SECS: u64 = 3_155_760_000;
const CENTURY_MS: u64 = CENTURY_SECS * 1_000;

/// The largest message and whatever is part of one.
const MESSAGE_BYTES: u64 = 64 << 20;

/// Bytes that are only counted, and still whole numbers in every reader of JSON.
const COUNTED_BYTES: u64 = 1 << 53;

/// Descriptors that Linux can give to one process.
const DESCRIPTORS: u64 = 1 << 30;

/// Places of a queue; 4096 times as many bytes are still an outbox.
const PLACES: u64 = 1 << 24;

/// The bytes of so many places.
const OUTBOX_BYTES: u64 = PLACES * 4_096;

/// What a number may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// The key; `[]` stands for each member of a list.
    pub path: &'static str,
    /// The least that is allowed.
    pub least: u64,
    /// The most that is allowed.
    pub most: u64,
}

/// Every number that can be given, in the order of the sections.
pub const BOUNDS: &[Bound] = &[
    bound("port", 0..=u16::MAX as u64),
    bound("server.default_max_players", 0..=u8::MAX as u64),
    bound("server.ping_timeout", 0..=CENTURY_SECS),
    bound("server.room_cleanup_interval", 1..=CENTURY_SECS),
    bound("server.drain_grace_secs", 0..=CENTURY_SECS),
    bound("server.max_rooms_per_game", 1..=u32::MAX as u64),
    bound("server.max_rooms", 1..=u32::MAX as u64),
    bound("server.refuse_rooms_above_busy", 0..=100),
    bound("server.empty_room_timeout", 0..=CENTURY_SECS),
    bound("server.inactive_room_timeout", 1..=CENTURY_SECS),
    bound("server.reconnection_window", 1..=CENTURY_SECS),
    bound("server.event_buffer_size", 0..=65_536),
    bound("server.default_max_spectators", 0..=u8::MAX as u64),
    bound("rate_limit.time_window", 1..=CENTURY_SECS),
    bound("rate_limit.max_room_creations", 1..=u32::MAX as u64),
    bound("rate_limit.max_join_attempts", 1..=u32::MAX as u64),
    bound("rate_limit.max_failed_joins_per_address", 0..=u32::MAX as u64),
    bound("rate_limit.max_signals", 1..=u32::MAX as u64),
    bound("rate_limit.max_signal_errors", 0..=u32::MAX as u64),
    bound("rate_limit.max_inbound_error_replies", 1..=u32::MAX as u64),
    bound("rate_limit.max_relay_bytes", 1..=COUNTED_BYTES),
    bound("rate_limit.max_room_relay_bytes", 1..=COUNTED_BYTES),
    bound("protocol.max_game_name_length", 1..=MESSAGE_BYTES),
    bound("protocol.room_code_length", 1..=MESSAGE_BYTES),
    bound("protocol.max_player_name_length", 1..=MESSAGE_BYTES),
    bound("protocol.max_players_limit", 1..=u8::MAX as u64),
    bound("protocol.min_protocol_version", 2..=3),
    bound("protocol.max_protocol_version", 2..=3),
    bound("security.max_message_size", 1..=MESSAGE_BYTES),
    bound("security.max_outbound_message_size", 1..=MESSAGE_BYTES),
    bound("security.max_signal_bytes", 1..=MESSAGE_BYTES),
    bound("security.max_connection_info_bytes", 1..=MESSAGE_BYTES),
    bound("security.max_connections_per_ip", 1..=DESCRIPTORS),
    bound("security.max_connections", 1..=DESCRIPTORS),
    bound("security.max_game_data_bytes.json", 1..=MESSAGE_BYTES),
    bound("security.max_game_data_bytes.message_pack", 1..=MESSAGE_BYTES),
    bound("security.max_game_data_bytes.rkyv", 1..=MESSAGE_BYTES),
    bound("security.max_game_data_bytes.protobuf", 1..=MESSAGE_BYTES),
    bound("security.allowed_apps[].max_rooms", 1..=u32::MAX as u64),
    bound("security.allowed_apps[].max_players_per_room", 1..=u8::MAX as u64),
    bound("security.allowed_apps[].rate_limit_per_minute", 1..=u32::MAX as u64),
    bound("security.allowed_apps[].max_relay_bytes", 1..=COUNTED_BYTES),
    bound("security.ipv6_prefix_bits", 1..=128),
    bound("turn.credential_ttl_secs", 0..=CENTURY_SECS),
    bound("websocket.batch_interval_ms", 0..=CENTURY_MS),
    bound("websocket.auth_timeout_secs", 5..=60),
    bound("websocket.http_header_read_timeout_secs", 1..=60),
    bound("websocket.idle_timeout_secs", 0..=CENTURY_SECS),
    bound("websocket.server_ping_interval_secs", 0..=3_600),
    bound("websocket.pong_timeout_secs", 1..=3_600),
    bound("websocket.socket_send_buffer_bytes", 0..=16_777_216),
    bound("websocket.send_queue_capacity", 1..=PLACES),
    bound("websocket.slow_consumer_timeout_ms", 1..=600_000),
    bound("websocket.max_sojourn_ms", 1..=CENTURY_MS),
    bound("websocket.pacing_free_rate_bytes", 1_024..=1_000_000_000),
    bound("websocket.pacing_burst_bytes", 0..=1_000_000_000),
    bound("websocket.delivery_stats_interval_secs", 0..=3_600),
    bound("metrics.dashboard_cache_refresh_interval_secs", 0..=CENTURY_SECS),
    bound("metrics.dashboard_cache_ttl_secs", 0..=CENTURY_SECS),
    bound("metrics.dashboard_cache_history_window_secs", 0..=CENTURY_SECS),
    bound("runtime.shards", 0..=1_024),
    bound("runtime.tick_ms", 1..=100),
    bound("runtime.busy_turn_window_us", 0..=10_000),
    bound("runtime.turn_window_us", 0..=10_000),
    bound("runtime.cpu_slice_us", 0..=100_000),
    bound("runtime.inbox_capacity", 16..=1_048_576),
    bound("runtime.inbox_reserve", 16..=1_048_576),
    bound("runtime.outpost_members", 0..=1_048_576),
    bound("runtime.listen_backlog", 1..=i32::MAX as u64),
    bound("runtime.start_timeout_ms", 100..=600_000),
    bound("runtime.drain_spread_ms", 0..=600_000),
    bound("runtime.flush_timeout_ms", 0..=600_000),
    bound("runtime.outbox_max_bytes", 1..=OUTBOX_BYTES),
    bound("runtime.max_fragments", 1..=PLACES),
    bound("control.port", 0..=u16::MAX as u64),
    bound("control.max_connections", 16..=4_096),
    bound("access_check.timeout_ms", 100..=10_000),
    bound("webhooks.timeout_ms", 100..=60_000),
    bound("webhooks.batch_size", 1..=1_000),
    bound("webhooks.queue_capacity", 100..=1_000_000),
    bound("webhooks.give_up_secs", 0..=86_400),
    bound("webhooks.dead_letter_max_bytes", 4_096..=1_073_741_824),
];

const fn bound(path: &'static str, allowed: RangeInclusive<u64>) -> Bound {
    Bound {
        path,
        least: *allowed.start(),
        most: *allowed.end(),
    }
}

/// The row of a number.
pub(super) fn of(path: &str) -> Bound {
    let row = BOUNDS.iter().find(|bound| bound.path == path);
    *row.unwrap_or_else(|| panic!("every number has a row in this table, and {path} has none"))
}
