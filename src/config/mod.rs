//! The server's configuration: what can be set, where it comes from, and whether it makes sense.
//!
//! Owns the [`Config`] structs (one per section, every key with its unit and default), the sources that are merged into
//! one ([`load`]) and the check of every value ([`Config::validate`]). Promises that a key is never ignored: each has an
//! effect or is refused, one that does not exist with its path and the nearest that does. Secrets are never printed. Must
//! never read the process environment, the working directory or the standard input by itself: those are arguments.

mod access_check;
mod admin_token;
mod bounds;
mod control;
mod error;
mod json;
mod json_schema;
mod logging;
mod merge;
mod metrics;
mod old_names;
pub mod origins;
mod protocol;
mod proxies;
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
mod violation;
mod warnings;
mod webhooks;
mod websocket;

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

pub use access_check::AccessCheckConfig;
pub use admin_token::AdminTokenError;
pub use bounds::{BOUNDS, Bound};
pub use control::ControlConfig;
pub use error::{LoadError, LoadErrors, Origin};
pub use json_schema::{Explanation, explain, json_schema};
pub use logging::{LogFormat, LogLevel, LogRotation, LoggingConfig};
pub use metrics::{HistoryField, MetricsConfig};
pub use origins::OriginPolicy;
pub use protocol::{PlayerNameConfig, ProtocolConfig, SdkCompatibilityConfig};
pub use proxies::{ForwardedHeader, ProxyProtocol};
pub use rate_limit::RateLimitConfig;
pub use runtime::RuntimeConfig;
pub use secret::Secret;
pub use security::{AllowedApp, ConnectTokenConfig, GameDataLimits, SecurityConfig};
pub use server::ServerConfig;
pub use session::{IceServer, RelayTypesConfig, SessionConfig, Topology, TurnConfig};
pub use sources::{Loaded, Overrides, Surroundings, load};
pub use token_key::TokenKeyError;
pub use transport::{
    CertificatePair, ClientAuth, PLAIN_SUBPROTOCOLS, TlsConfig, TokenBindingConfig, TokenBindingScheme, TransportConfig,
};
pub use validate::Violations;
pub use violation::Violation;
pub use warnings::startup_warnings;
pub use webhooks::{EventKind, WebhooksConfig};
pub use websocket::WebSocketConfig;

/// The whole configuration of a server. `Config::default()` starts: bound to loopback, open to any app.
///
/// Serialising writes secrets as `<redacted>`, so the result is fit for a terminal or a log and not for loading again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
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
    /// Shards, inboxes and outboxes of this server.
    pub runtime: RuntimeConfig,
    /// HTTP beside the upgrade.
    pub control: ControlConfig,
    /// The game's own backend, which says who may play.
    pub access_check: AccessCheckConfig,
    /// Room events that are posted to somebody's server.
    pub webhooks: WebhooksConfig,
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
            runtime: RuntimeConfig::default(),
            control: ControlConfig::default(),
            access_check: AccessCheckConfig::default(),
            webhooks: WebhooksConfig::default(),
        }
    }
}

impl Config {
    /// Whether the server can be reached from this machine only: it is bound to loopback, and no proxy is known of that lets
    /// others in.
    #[must_use]
    pub fn is_loopback_only(&self) -> bool {
        self.bind.to_canonical().is_loopback() && self.security.trusted_proxies.is_empty()
    }

    /// Whether only the apps in `security.allowed_apps` may connect: as set, else off on loopback while none is given, and on
    /// elsewhere.
    #[must_use]
    pub fn allowlist_enforced(&self) -> bool {
        self.security
            .enforce_app_id_allowlist
            .unwrap_or(!self.is_loopback_only() || self.security.names_apps())
    }

    /// Whether the metrics endpoints ask for a token: as set, else off on loopback while none is given, and on elsewhere,
    /// be it the operators' door alone that is elsewhere.
    #[must_use]
    pub fn metrics_auth_required(&self) -> bool {
        let can_be_reached = !self.is_loopback_only() || self.control.is_public(self.bind);
        let is_given = self.security.metrics_auth_token.is_some();
        self.security.require_metrics_auth.unwrap_or(can_be_reached || is_given)
    }

    /// Whether a client must show a connect token where its app does not say: as set, else wherever there is a key.
    #[must_use]
    pub fn connect_token_required(&self) -> bool {
        let tokens = self.security.connect_token.as_ref();
        tokens.is_some_and(|tokens| tokens.required.unwrap_or(true))
    }

    /// What a server that is bound to loopback leaves open because nobody decided it, by the keys that decide it. It matters
    /// as soon as a proxy on this machine lets others in.
    #[must_use]
    pub fn undecided_doors(&self) -> Vec<&'static str> {
        let security = &self.security;
        let doors = [
            (
                "security.allowed_apps",
                security.enforce_app_id_allowlist.is_none() && !self.allowlist_enforced(),
            ),
            (
                "security.metrics_auth_token",
                security.require_metrics_auth.is_none() && !self.metrics_auth_required(),
            ),
            (
                "security.cors_origins",
                security.cors_origins.is_none() && self.is_loopback_only(),
            ),
        ];
        doors
            .into_iter()
            .filter(|(_, is_open)| *is_open)
            .map(|(key, _)| key)
            .collect()
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

    /// The configuration as it may be printed: secrets hide themselves, and so does what stands where a public key belongs and
    /// is none. It may be the private one.
    #[must_use]
    pub fn fit_to_be_shown(&self) -> Self {
        let mut shown = self.clone();
        if let Some(token) = &mut shown.security.connect_token
            && matches!(token.key(), Err(TokenKeyError::Fault(_)))
            && let Some(key) = &mut token.public_key
        {
            Secret::REDACTED.clone_into(key);
        }
        shown
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

    /// Changes one thing of the defaults, which are bound to loopback.
    fn on_loopback(change: impl FnOnce(&mut SecurityConfig)) -> Config {
        let mut config = Config::default();
        change(&mut config.security);
        config
    }

    fn an_app() -> Vec<AllowedApp> {
        let app = serde_json::json!([{"app_id": "reef", "app_name": "Reef"}]);
        serde_json::from_value(app).expect("an app")
    }

    #[test]
    fn what_is_given_is_used_on_loopback_too() {
        let listing = on_loopback(|security| security.allowed_apps = an_app());
        assert!(listing.allowlist_enforced() && !listing.metrics_auth_required());
        assert!(on_loopback(|security| security.app_auth_path = Some("apps.json".into())).allowlist_enforced());
        let watched = on_loopback(|security| security.metrics_auth_token = Some(Secret::new("t")));
        assert!(watched.metrics_auth_required() && !watched.allowlist_enforced());
        let vouched = on_loopback(|security| security.connect_token = Some(ConnectTokenConfig::default()));
        assert!(vouched.connect_token_required() && !Config::default().connect_token_required());
        let named = on_loopback(|security| security.cors_origins = Some("https://play.example".to_owned()));
        assert!(!named.origin_policy().allows("https://other.example"));
        assert!(Config::default().origin_policy().allows("https://other.example"));
    }

    #[test]
    fn an_explicit_switch_wins_over_what_is_given() {
        let config = on_loopback(|security| {
            security.allowed_apps = an_app();
            security.enforce_app_id_allowlist = Some(false);
            security.metrics_auth_token = Some(Secret::new("t"));
            security.require_metrics_auth = Some(false);
            security.connect_token = Some(ConnectTokenConfig {
                required: Some(false),
                ..ConnectTokenConfig::default()
            });
        });
        assert!(!config.allowlist_enforced() && !config.metrics_auth_required() && !config.connect_token_required());
        assert_eq!(config.undecided_doors(), ["security.cors_origins"]);
    }

    #[test]
    fn every_door_that_nobody_decided_is_named() {
        let all = [
            "security.allowed_apps",
            "security.metrics_auth_token",
            "security.cors_origins",
        ];
        assert_eq!(Config::default().undecided_doors(), all);
        assert_eq!(
            on_loopback(|security| security.allowed_apps = an_app()).undecided_doors(),
            all[1..]
        );
        assert_eq!(
            on_loopback(|security| security.metrics_auth_token = Some(Secret::new("t"))).undecided_doors(),
            [all[0], all[2]]
        );
        assert_eq!(
            on_loopback(|security| security.cors_origins = Some(String::new())).undecided_doors(),
            all[..2]
        );
        let public = Config {
            bind: "::".parse().expect("a literal"),
            ..Config::default()
        };
        assert_eq!(public.undecided_doors(), [""; 0]);
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
