//! Section `control`: HTTP beside the upgrade. No key of it is part of the protocol.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// HTTP beside the upgrade: health, metrics, and what operators ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ControlConfig {
    /// Address of a door for operators alone. Default null: as the server's `bind`. Needs `port`.
    pub bind: Option<IpAddr>,
    /// TCP port of that door: metrics are then served only there, and health on both. Default null: there is no such door.
    pub port: Option<u16>,
    /// Connections that are served at a time, at most 16 of one address. Default 512; 16 … 65536.
    pub max_connections: usize,
}

impl Default for ControlConfig {
    fn default() -> Self {
        Self {
            bind: None,
            port: None,
            max_connections: 512,
        }
    }
}
