//! Section `control`: HTTP beside the upgrade. No key of it is part of the protocol.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// HTTP beside the upgrade: health, metrics, and what operators ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct ControlConfig {
    /// Address of a door for operators alone. Default null: as the server's `bind`. Needs `port`.
    pub bind: Option<IpAddr>,
    /// TCP port of that door: metrics are then served only there, and health on both. Default null: there is no such door.
    pub port: Option<u16>,
    /// Connections that are served at a time, at most 16 of one address. Default 512; 16 … 4096.
    pub max_connections: usize,
    /// Whether `/play` and `/demo` are served. Default null: where only this machine asks, that is bound to loopback and
    /// without `security.trusted_proxies`.
    pub playground: Option<bool>,
    /// What operators show to look inside at `/admin/` and to act there; never the token of the metrics. Default null: they
    /// may only look, from this machine. 16 characters or more are wise.
    pub admin_token: Option<Secret>,
    /// A file with that token, in place of `admin_token`. Default null.
    pub admin_token_path: Option<PathBuf>,
    /// Whether each room keeps its last decisions, 4 KiB at most, for operators and for the log when something goes wrong.
    /// Default true.
    pub flight_recorder: bool,
    /// Whether operators may see some of what players send, at `/admin/`. Default false.
    pub allow_payload_preview: bool,
}

impl ControlConfig {
    /// Where the operators' door is, if there is one, beside a server that is bound to `bind`.
    #[must_use]
    pub fn door(&self, bind: IpAddr) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.bind.unwrap_or(bind), self.port?))
    }

    /// Whether that door can be reached from other machines.
    #[must_use]
    pub fn is_public(&self, bind: IpAddr) -> bool {
        self.door(bind)
            .is_some_and(|door| !door.ip().to_canonical().is_loopback())
    }
}

impl Default for ControlConfig {
    fn default() -> Self {
        Self {
            bind: None,
            port: None,
            max_connections: 512,
            playground: None,
            admin_token: None,
            admin_token_path: None,
            flight_recorder: true,
            allow_payload_preview: false,
        }
    }
}
