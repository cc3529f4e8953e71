//! Section `websocket`: timeouts and queues of the sockets.

use serde::{Deserialize, Serialize};

/// Timeouts and queues of the sockets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct WebSocketConfig {
    /// Whether messages gather for up to `batch_interval_ms` before they are served and sent together, instead of for up to
    /// `runtime.turn_window_us`; framing is unchanged. Default false.
    pub enable_batching: bool,
    /// Milliseconds for which they gather at most. Default 16; 1 … 60000 when batching; more than 10 counts as 10.
    pub batch_interval_ms: u64,
    /// Seconds a new connection has to authenticate. Default 10; 5 … 60.
    pub auth_timeout_secs: u64,
    /// Seconds a request has to send its headers. Default 10; 1 … 60.
    pub http_header_read_timeout_secs: u64,
    /// Seconds without a frame from the client after which it is closed. Default 300; 0 = off.
    pub idle_timeout_secs: u64,
    /// Seconds between the server's WebSocket pings. Default 10; 0 (off) … 3600.
    pub server_ping_interval_secs: u64,
    /// Seconds a client has to answer a ping. Default 5; 1 … 3600.
    pub pong_timeout_secs: u64,
    /// Kernel send buffer per socket, in bytes. Default 65536; 0 (the system's choice) … 16777216.
    pub socket_send_buffer_bytes: u32,
    /// Depth of the data queue: the outbox holds this many times 4096 bytes unless `runtime.outbox_max_bytes` is set.
    /// Default 1024; at least 1.
    pub send_queue_capacity: usize,
    /// Milliseconds an outbox may stay at its byte cap without progress before the client is closed.
    /// Default 5000; 1 … 600000 and less than `server.ping_timeout`.
    pub slow_consumer_timeout_ms: u64,
    /// Milliseconds the oldest frame of an outbox may wait before the client is closed. Default 15000; at least 1, more
    /// than `batch_interval_ms` when batching.
    pub max_sojourn_ms: u64,
    /// Bytes a second that every sender may say, whoever is slow to read them; also what a reader must acknowledge to be
    /// waited for when a sender says more. Default 131072; 1024 … 1000000000.
    pub pacing_free_rate_bytes: u64,
    /// Bytes beyond that rate that a sender may say at once. Default 262144; 0 … 1000000000.
    pub pacing_burst_bytes: u64,
    /// Seconds between two delivery statistics. Default 0 (off) … 3600.
    pub delivery_stats_interval_secs: u64,
}

impl Default for WebSocketConfig {
    fn default() -> Self {
        Self {
            enable_batching: false,
            batch_interval_ms: 16,
            auth_timeout_secs: 10,
            http_header_read_timeout_secs: 10,
            idle_timeout_secs: 300,
            server_ping_interval_secs: 10,
            pong_timeout_secs: 5,
            socket_send_buffer_bytes: 65_536,
            send_queue_capacity: 1024,
            slow_consumer_timeout_ms: 5000,
            max_sojourn_ms: 15_000,
            pacing_free_rate_bytes: 131_072,
            pacing_burst_bytes: 262_144,
            delivery_stats_interval_secs: 0,
        }
    }
}
