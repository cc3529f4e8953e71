//! Sections `relay_types`, `session` and `turn`: how players are told to reach each other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// The label echoed to clients as `relay_type`; it selects nothing. Labels are not blank, at most 256 bytes, and hold no
/// control characters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct RelayTypesConfig {
    /// The label of games without a mapping. Default `matchbox`.
    pub default_relay_type: String,
    /// The label per game name. Default empty.
    pub game_relay_mappings: BTreeMap<String, String>,
}

impl Default for RelayTypesConfig {
    fn default() -> Self {
        Self {
            default_relay_type: "matchbox".to_owned(),
            game_relay_mappings: BTreeMap::new(),
        }
    }
}

/// How the players of a room are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Topology {
    /// Everyone with everyone.
    Mesh,
    /// Everyone with the host.
    Host,
    /// Everyone through this server.
    Relay,
}

/// Peer-to-peer topologies and ICE servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct SessionConfig {
    /// Ceiling for games without a mapping. Default mesh.
    pub default_topology: Topology,
    /// The topology per game name, matched exactly. Default empty.
    pub game_topology_mappings: BTreeMap<String, Topology>,
    /// Whether WebRTC may be chosen. Default true.
    pub enable_webrtc: bool,
    /// Whether direct connections may be chosen. Default true.
    pub enable_direct: bool,
    /// Whether players learn the ICE servers before the game starts. Default true.
    pub enable_ice_pregather: bool,
    /// ICE servers handed out verbatim. Default empty.
    pub ice_servers: Vec<IceServer>,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            default_topology: Topology::Mesh,
            game_topology_mappings: BTreeMap::new(),
            enable_webrtc: true,
            enable_direct: true,
            enable_ice_pregather: true,
            ice_servers: Vec::new(),
        }
    }
}

/// One ICE server, handed out verbatim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IceServer {
    /// Its addresses: not empty; scheme stun, stuns, turn or turns; no spaces.
    pub urls: Vec<String>,
    /// The user name of a TURN server.
    #[serde(default)]
    pub username: Option<String>,
    /// The password of a TURN server.
    #[serde(default)]
    pub credential: Option<Secret>,
}

/// Credentials for a coturn-style TURN server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct TurnConfig {
    /// Whether credentials are made. Default false; needs the secret and `urls`.
    pub enabled: bool,
    /// The secret shared with the TURN server. Default empty.
    pub static_auth_secret: Secret,
    /// Addresses with scheme turn or turns. Default empty.
    pub urls: Vec<String>,
    /// Addresses with scheme stun or stuns, used even when `enabled` is false. Default one public server.
    pub stun_urls: Vec<String>,
    /// Seconds a credential is good for. Default 3600; 1 … 86400 when enabled.
    pub credential_ttl_secs: u64,
}

impl Default for TurnConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            static_auth_secret: Secret::default(),
            urls: Vec::new(),
            stun_urls: vec!["stun:stun.l.google.com:19302".to_owned()],
            credential_ttl_secs: 3600,
        }
    }
}
