//! Section `security`: origins, apps, tokens and size limits.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::proxies::{ForwardedHeader, ProxyProtocol};
use super::secret::Secret;
use super::transport::TransportConfig;
use crate::networks::Network;

/// Origins, apps, tokens and size limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct SecurityConfig {
    /// Origins for CORS and for the WebSocket `Origin` check: `*`, or a comma list of origins as browsers and the web views
    /// of apps send them, `null` among them. While bound to loopback their hosts are those that are answered to besides
    /// localhost. Default null: any origin while bound to loopback, `http://localhost:3000,http://localhost:5173` otherwise.
    pub cors_origins: Option<String>,
    /// Whether only the apps in `allowed_apps` may connect. Default null: off while bound to loopback and no app is given, on
    /// otherwise.
    pub enforce_app_id_allowlist: Option<bool>,
    /// Whether the metrics endpoints ask for a token. Default null: off while bound to loopback and no token is given, on
    /// otherwise.
    pub require_metrics_auth: Option<bool>,
    /// The bearer token of the metrics endpoints. Default null; 16 characters or more are wise.
    pub metrics_auth_token: Option<Secret>,
    /// Largest accepted message, in bytes. Default 65536; 1 … `max_outbound_message_size` − 256.
    pub max_message_size: usize,
    /// Largest frame the server writes, in bytes. Default 8388608 (8 MiB); at most 67108864.
    pub max_outbound_message_size: usize,
    /// Largest `Signal` payload, in bytes. Default 16384; 1 … `max_message_size`.
    pub max_signal_bytes: usize,
    /// Largest connection info of a player, in bytes. Default 8192; 1 … `max_message_size`; times
    /// `protocol.max_players_limit` it must fit `max_outbound_message_size`.
    pub max_connection_info_bytes: usize,
    /// Connections from one address. Default 64; 1 … `max_connections`.
    pub max_connections_per_ip: usize,
    /// Connections in all. Default 10000; at least 1.
    pub max_connections: usize,
    /// Caps on game-data payloads per encoding. Default null: `max_message_size` alone.
    pub max_game_data_bytes: Option<GameDataLimits>,
    /// Apps that may connect while the allow-list is enforced, and their quotas. Default empty.
    pub allowed_apps: Vec<AllowedApp>,
    /// A JSON file `{"apps": […]}` whose entries are appended to `allowed_apps`. Default null.
    pub app_auth_path: Option<PathBuf>,
    /// How connect tokens are checked. Default null: there are none.
    pub connect_token: Option<ConnectTokenConfig>,
    /// Encryption and what binds a token to a connection.
    pub transport: TransportConfig,
    /// Whether peers on loopback addresses are left out of caps per address, that of failed joins among them, and of the
    /// share that one address has of an app's handshakes. Default true.
    pub exempt_loopback: bool,
    /// How many bits of an IPv6 address tell one client from another, wherever something is bounded by address: one
    /// subscriber has all addresses of such a prefix. Default 64; 1 … 128.
    pub ipv6_prefix_bits: u8,
    /// Whether connections begin with a header of the PROXY protocol, version 1 or 2: `off`, `optional` (those of a trusted
    /// proxy may) or `required` (all do). Default off; the other two need `trusted_proxies`.
    pub proxy_protocol: ProxyProtocol,
    /// Which field of a request tells whom a trusted proxy passes on: `none`, `forwarded` (RFC 7239) or `x-forwarded-for`.
    /// Default none; the other two need `trusted_proxies`.
    pub forwarded_header: ForwardedHeader,
    /// Proxies that are believed, as addresses or networks. Nothing is limited by a proxy's own address. Default empty.
    pub trusted_proxies: Vec<Network>,
    /// Who is kept out, as addresses or networks. Default empty.
    pub blocked_networks: Vec<Network>,
}

impl SecurityConfig {
    /// Bytes that a relayed message may gain on its way out; why `max_message_size` stays below the outbound limit.
    pub const ENVELOPE_BYTES: usize = 256;

    /// The origins of a public server that names none: where pages under development live.
    pub const DEFAULT_ORIGINS: &str = "http://localhost:3000,http://localhost:5173";

    /// Whether there is a list of apps, here or in a file of its own.
    pub(super) fn names_apps(&self) -> bool {
        !self.allowed_apps.is_empty() || self.app_auth_path.is_some()
    }
}

impl Default for SecurityConfig {
    fn default() -> Self {
        Self {
            cors_origins: None,
            enforce_app_id_allowlist: None,
            require_metrics_auth: None,
            metrics_auth_token: None,
            max_message_size: 65_536,
            max_outbound_message_size: 8 << 20,
            max_signal_bytes: 16_384,
            max_connection_info_bytes: 8192,
            max_connections_per_ip: 64,
            max_connections: 10_000,
            max_game_data_bytes: None,
            allowed_apps: Vec::new(),
            app_auth_path: None,
            connect_token: None,
            transport: TransportConfig::default(),
            exempt_loopback: true,
            ipv6_prefix_bits: 64,
            proxy_protocol: ProxyProtocol::Off,
            forwarded_header: ForwardedHeader::None,
            trusted_proxies: Vec::new(),
            blocked_networks: Vec::new(),
        }
    }
}

/// Caps on the payload of one game-data message, in bytes, per encoding; null leaves `max_message_size` alone.
/// Each 1 … `max_message_size`, at least one given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
#[expect(missing_docs, reason = "each is the cap for the encoding it names")]
pub struct GameDataLimits {
    pub json: Option<usize>,
    pub message_pack: Option<usize>,
    pub rkyv: Option<usize>,
    pub protobuf: Option<usize>,
}

/// An app that may connect, and its quotas. Quotas apply only while the allow-list is enforced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AllowedApp {
    /// The public id that clients send: unique, not blank, at most 256 bytes, no control characters.
    pub app_id: String,
    /// A name for people.
    pub app_name: String,
    /// Live rooms of the app. Null = no limit of its own; at least 1.
    #[serde(default)]
    pub max_rooms: Option<u32>,
    /// Players in a room of the app. Null = no limit of its own; at least 1.
    #[serde(default)]
    pub max_players_per_room: Option<u8>,
    /// Handshakes per sliding 60 seconds. Null = no limit; at least 1.
    #[serde(default)]
    pub rate_limit_per_minute: Option<u32>,
    /// Game-data bytes per sender and window, instead of `rate_limit.max_relay_bytes`. Null = that one; at least 1.
    #[serde(default)]
    pub max_relay_bytes: Option<u64>,
    /// Whether clients of this app must show a connect token. Null = as `connect_token.required`.
    #[serde(default)]
    pub require_connect_token: Option<bool>,
    /// Whether limits by address hold for the app's clients once their handshake has succeeded. Default true; false for
    /// platforms that hide players' addresses behind a few of their own.
    #[serde(default = "yes")]
    pub per_address_limits: bool,
}

const fn yes() -> bool {
    true
}

/// How connect tokens are checked: exactly one of `public_key` and `public_key_path`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct ConnectTokenConfig {
    /// The Ed25519 public key that signs tokens.
    pub public_key: Option<String>,
    /// A file that holds the key.
    pub public_key_path: Option<PathBuf>,
    /// Whether every client must show a token, unless its app says otherwise. Default null: a key that is given is used, so
    /// on.
    pub required: Option<bool>,
}
