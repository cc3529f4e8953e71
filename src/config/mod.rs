//! The server's configuration: what can be set, where it comes from, and whether it makes sense.
//!
//! Owns the [`Config`] structs (one per section, every key with its unit and default), the sources that are merged into
//! one ([`load`]) and the check of every value ([`Config::validate`]). Promises that a key is never ignored: one that does
//! not exist is refused with its path and the nearest that does, one whose feature is not built yet is named by
//! [`not_built_yet`] or refused. Secrets are never printed. Must never read the process
//! environment, the working directory or the standard input by itself: those are arguments.

mod bounds;
mod control;
mod error;
mod logging;
mod merge;
mod metrics;
mod not_built;
mod old_names;
pub mod origins;
mod protocol;
mod rate_limit;
mod runtime;
mod schema;
mod secret;
mod security;
mod server;
mod session;
mod sources;
mod token_key;
mod transport;
mod types;
mod unknown_keys;
mod validate;
mod variables;
mod warnings;
mod websocket;

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

pub use bounds::{BOUNDS, Bound};
pub use control::ControlConfig;
pub use error::{LoadError, LoadErrors, Origin};
pub use logging::{LogFormat, LogLevel, LogRotation, LoggingConfig};
pub use metrics::{CoordinationConfig, HistoryField, MetricsConfig};
pub use not_built::not_built_yet;
pub use origins::OriginPolicy;
pub use protocol::{PlayerNameConfig, ProtocolConfig, SdkCompatibilityConfig};
pub use rate_limit::RateLimitConfig;
pub use runtime::RuntimeConfig;
pub use secret::Secret;
pub use security::{AllowedApp, ConnectTokenConfig, GameDataLimits, SecurityConfig};
pub use server::ServerConfig;
pub use session::{IceServer, RelayTypesConfig, SessionConfig, Topology, TurnConfig};
pub use sources::{Loaded, Overrides, Surroundings, load};
pub use token_key::TokenKeyError;
pub use transport::{ClientAuth, TlsConfig, TokenBindingConfig, TokenBindingScheme, TransportConfig};
pub use validate::{Violation, Violations};
pub use warnings::startup_warnings;
pub use websocket::WebSocketConfig;

/// The whole configuration of a server. `Config::default()` starts: bound to loopback, open to any app.
///
/// Serialising writes secrets as `<redacted>`, so the result is fit for a terminal or a log and not for loading again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Address to listen on. Default `127.0.0.1`; `0.0.0.0` is every IPv4 address, `::` every IPv4 and IPv6 address.
    pub bind: IpAddr,
    /// TCP port. Default 3536; 0 lets the system choose one.
    pub port: u16,
    /// Rooms, their lives and the drain.
    pub server: ServerConfig,
    /// Budgets per player, room and connection.
    pub rate_limit: RateLimitConfig,
    /// Names, codes, encodings and protocol versions.
    pub protocol: ProtocolConfig,
    /// What is logged, where and how.
    pub logging: LoggingConfig,
    /// Origins, apps, tokens and size limits.
    pub security: SecurityConfig,
    /// The label echoed to clients as `relay_type`.
    pub relay_types: RelayTypesConfig,
    /// Peer-to-peer topologies and ICE servers.
    pub session: SessionConfig,
    /// TURN credentials.
    pub turn: TurnConfig,
    /// Timeouts and queues of the sockets.
    pub websocket: WebSocketConfig,
    /// The metrics endpoints.
    pub metrics: MetricsConfig,
    /// Reserved; kept so that existing files load.
    pub coordination: CoordinationConfig,
    /// Shards, inboxes and outboxes of this server.
    pub runtime: RuntimeConfig,
    /// HTTP beside the upgrade.
    pub control: ControlConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 3536,
            server: ServerConfig::default(),
            rate_limit: RateLimitConfig::default(),
            protocol: ProtocolConfig::default(),
            logging: LoggingConfig::default(),
            security: SecurityConfig::default(),
            relay_types: RelayTypesConfig::default(),
            session: SessionConfig::default(),
            turn: TurnConfig::default(),
            websocket: WebSocketConfig::default(),
            metrics: MetricsConfig::default(),
            coordination: CoordinationConfig::default(),
            runtime: RuntimeConfig::default(),
            control: ControlConfig::default(),
        }
    }
}

impl Config {
    /// Whether `bind` can be reached from this machine only.
    #[must_use]
    pub fn is_loopback_only(&self) -> bool {
        self.bind.to_canonical().is_loopback()
    }

    /// Whether only the apps in `security.allowed_apps` may connect: as set, else off on loopback and on elsewhere.
    #[must_use]
    pub fn allowlist_enforced(&self) -> bool {
        self.security
            .enforce_app_id_allowlist
            .unwrap_or(!self.is_loopback_only())
    }

    /// Whether the metrics endpoints ask for a token: as set, else off on loopback and on elsewhere.
    #[must_use]
    pub fn metrics_auth_required(&self) -> bool {
        self.security.require_metrics_auth.unwrap_or(!self.is_loopback_only())
    }

    /// Which pages may connect: as set, else any on loopback and those of [`SecurityConfig::DEFAULT_ORIGINS`] elsewhere.
    #[must_use]
    pub fn origin_policy(&self) -> OriginPolicy {
        match &self.security.cors_origins {
            None if self.is_loopback_only() => OriginPolicy::Any,
            set => OriginPolicy::parse(set.as_deref().unwrap_or(SecurityConfig::DEFAULT_ORIGINS))
                .unwrap_or(OriginPolicy::Only(Vec::new())),
        }
    }

    /// The most bytes one connection's outbox may hold: `runtime.outbox_max_bytes`, else
    /// `websocket.send_queue_capacity` × 4096, but never less than one message of the largest size.
    #[must_use]
    pub fn outbox_max_bytes(&self) -> usize {
        let by_slots = self
            .websocket
            .send_queue_capacity
            .saturating_mul(RuntimeConfig::OUTBOX_BYTES_PER_SLOT);
        self.runtime
            .outbox_max_bytes
            .unwrap_or(by_slots)
            .max(self.largest_relayed_frame_bytes())
    }

    /// The largest frame that relaying one accepted message can make, in bytes: the message and its envelope.
    #[must_use]
    pub fn largest_relayed_frame_bytes(&self) -> usize {
        self.security
            .max_message_size
            .saturating_add(SecurityConfig::ENVELOPE_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_loopback_and_open() {
        let config = Config::default();
        assert!(config.is_loopback_only());
        assert!(!config.allowlist_enforced());
        assert!(!config.metrics_auth_required());
        assert_eq!(config.outbox_max_bytes(), 1024 * 4096);
    }

    #[test]
    fn a_public_address_turns_the_automatic_switches_on() {
        for bind in ["0.0.0.0", "::", "192.0.2.7", "2001:db8::1"] {
            let config = Config {
                bind: bind.parse().expect("a literal"),
                ..Config::default()
            };
            assert!(config.allowlist_enforced() && config.metrics_auth_required(), "{bind}");
        }
        for bind in ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"] {
            let config = Config {
                bind: bind.parse().expect("a literal"),
                ..Config::default()
            };
            assert!(
                !config.allowlist_enforced() && !config.metrics_auth_required(),
                "{bind}"
            );
        }
    }

    #[test]
    fn an_explicit_switch_wins_over_the_address() {
        let mut config = Config {
            bind: "0.0.0.0".parse().expect("a literal"),
            ..Config::default()
        };
        config.security.enforce_app_id_allowlist = Some(false);
        config.security.require_metrics_auth = Some(false);
        assert!(!config.allowlist_enforced() && !config.metrics_auth_required());
        config.bind = IpAddr::V4(Ipv4Addr::LOCALHOST);
        config.security.enforce_app_id_allowlist = Some(true);
        assert!(config.allowlist_enforced());
    }

    #[test]
    fn an_outbox_always_holds_one_largest_message() {
        let mut config = Config::default();
        config.websocket.send_queue_capacity = 1;
        assert_eq!(config.outbox_max_bytes(), 65_536 + 256);
        config.runtime.outbox_max_bytes = Some(1 << 20);
        assert_eq!(config.outbox_max_bytes(), 1 << 20);
    }

    #[test]
    fn a_default_survives_a_round_trip_through_json() {
        let text = serde_json::to_string(&Config::default()).expect("a config serialises");
        let back: Config = serde_json::from_str(&text).expect("and loads");
        assert_eq!(back, Config::default());
        let empty: Config = serde_json::from_str("{}").expect("every key has a default");
        assert_eq!(empty, Config::default());
    }
}
