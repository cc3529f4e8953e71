//! Section `protocol`: names, codes, encodings, versions and the SDK manifest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Names, codes, encodings and protocol versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct ProtocolConfig {
    /// Longest game name, in bytes. Default 64; at least 1.
    pub max_game_name_length: usize,
    /// Characters of a room code. Default 6; at least 1.
    pub room_code_length: usize,
    /// Longest player name, in bytes. Default 32; at least 1.
    pub max_player_name_length: usize,
    /// The most players a client may ask for in `JoinRoom.max_players`. Default 100; at least 1.
    pub max_players_limit: u8,
    /// Whether clients may choose MessagePack for game data. Default true.
    pub enable_message_pack_game_data: bool,
    /// Whether clients may choose rkyv for game data. Default false.
    pub enable_rkyv_game_data: bool,
    /// Whether clients may choose protobuf for game data. Default false.
    pub enable_protobuf_game_data: bool,
    /// Oldest protocol version served. Default 2; at least 2.
    pub min_protocol_version: u16,
    /// Newest protocol version served. Default 3; `min_protocol_version` … 3. 2 gives a pure v2 server.
    pub max_protocol_version: u16,
    /// Which SDK versions are served and what they are told.
    pub sdk_compatibility: SdkCompatibilityConfig,
    /// Which player names are accepted.
    pub player_name_validation: PlayerNameConfig,
}

impl Default for ProtocolConfig {
    fn default() -> Self {
        Self {
            max_game_name_length: 64,
            room_code_length: 6,
            max_player_name_length: 32,
            max_players_limit: 100,
            enable_message_pack_game_data: true,
            enable_rkyv_game_data: false,
            enable_protobuf_game_data: false,
            min_protocol_version: 2,
            max_protocol_version: 3,
            sdk_compatibility: SdkCompatibilityConfig::default(),
            player_name_validation: PlayerNameConfig::default(),
        }
    }
}

/// Which SDK versions are served and what they are told in `ProtocolInfo`. Platforms are looked up in lower case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct SdkCompatibilityConfig {
    /// Whether unlisted or missing platforms are refused. Default false.
    pub enforce: bool,
    /// Oldest version served, per platform; checked for a listed platform even when `enforce` is false.
    /// Default godot 0.9.0, godot-rust 0.9.0, test 1.0.0, unity 1.10.0.
    pub minimum_versions: BTreeMap<String, String>,
    /// Version recommended, per platform; advisory. Default unity 1.12.0, godot-rust 0.9.2.
    pub recommended_versions: BTreeMap<String, String>,
    /// Capabilities shown, per platform; `_default` is shown to all.
    pub capabilities: BTreeMap<String, Vec<String>>,
    /// A note shown, per platform. Default one for unity.
    pub notes: BTreeMap<String, String>,
}

impl Default for SdkCompatibilityConfig {
    fn default() -> Self {
        fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
            pairs
                .iter()
                .map(|&(key, value)| (key.to_owned(), value.to_owned()))
                .collect()
        }
        fn list(items: &[&str]) -> Vec<String> {
            items.iter().map(|&item| item.to_owned()).collect()
        }
        Self {
            enforce: false,
            minimum_versions: map(&[
                ("godot", "0.9.0"),
                ("godot-rust", "0.9.0"),
                ("test", "1.0.0"),
                ("unity", "1.10.0"),
            ]),
            recommended_versions: map(&[("godot-rust", "0.9.2"), ("unity", "1.12.0")]),
            capabilities: BTreeMap::from([
                (
                    "_default".to_owned(),
                    list(&["reconnection", "spectator-mode", "rate-limits-v2"]),
                ),
                (
                    "unity".to_owned(),
                    list(&["relay-matchbox", "relay-mirror", "relay-fishnet"]),
                ),
            ]),
            notes: map(&[(
                "unity",
                "Upgrade to 1.12.x for deterministic reconnect handling and spectator patches.",
            )]),
        }
    }
}

/// Which player names are accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct PlayerNameConfig {
    /// Whether letters and digits beyond ASCII are accepted. Default true.
    pub allow_unicode_alphanumeric: bool,
    /// Whether spaces are accepted inside a name. Default true.
    pub allow_spaces: bool,
    /// Whether a name may start or end with white space. Default false.
    pub allow_leading_trailing_whitespace: bool,
    /// Symbols accepted besides letters and digits. Default `-` and `_`.
    pub allowed_symbols: Vec<char>,
    /// Further characters accepted. Default null.
    pub additional_allowed_characters: Option<String>,
}

impl Default for PlayerNameConfig {
    fn default() -> Self {
        Self {
            allow_unicode_alphanumeric: true,
            allow_spaces: true,
            allow_leading_trailing_whitespace: false,
            allowed_symbols: vec!['-', '_'],
            additional_allowed_characters: None,
        }
    }
}
