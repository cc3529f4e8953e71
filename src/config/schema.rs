//! The tree of known keys, derived from the structs themselves.
//!
//! An exemplar configuration has every optional value set and one member in every list and map; serialising it shows
//! every key that can be given and what kind of value it takes. A key added to a struct is therefore known at once.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::bounds::{self, Bound};
use super::{
    AllowedApp, CertificatePair, Config, ConnectTokenConfig, GameDataLimits, IceServer, LogFormat, LogLevel, Secret,
    Topology,
};
use crate::networks::Network;

/// The member of every map in the exemplar; no real key is spelled like this.
const ANY_KEY: &str = "*";

/// What may stand at a place of the configuration.
#[derive(Debug, PartialEq)]
pub(super) enum Node {
    /// A string.
    Text,
    /// A switch.
    Switch,
    /// A number within these bounds.
    Number(Bound),
    /// A list whose members look like this.
    List(Box<Node>),
    /// A map with free keys whose values look like this.
    Map(Box<Node>),
    /// A section with these keys.
    Section(BTreeMap<String, Node>),
}

/// A step into a document.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    /// To a member of an object.
    Key(&'a str),
    /// To a member of a list.
    Index,
}

impl Node {
    /// The whole configuration.
    pub(super) fn config() -> Self {
        Self::of(&exemplar(), "")
    }

    /// The file that `security.app_auth_path` names.
    pub(super) fn app_file() -> Self {
        let apps = Self::List(Box::new(Self::of(&exemplar_app(), "security.allowed_apps[]")));
        Self::Section(BTreeMap::from([("apps".to_owned(), apps)]))
    }

    fn of(exemplar: &impl Serialize, path: &str) -> Self {
        Self::of_value(
            &serde_json::to_value(exemplar).expect("a config has string keys only"),
            path,
        )
    }

    fn of_value(value: &Value, path: &str) -> Self {
        match value {
            Value::String(_) => Self::Text,
            Value::Null | Value::Bool(_) => Self::Switch,
            Value::Number(_) => Self::Number(bounds::of(path)),
            Value::Array(members) => {
                let member = members.first().expect("the exemplar leaves nothing out");
                Self::List(Box::new(Self::of_value(member, &format!("{path}[]"))))
            }
            Value::Object(members) => match members.get(ANY_KEY) {
                Some(value) => Self::Map(Box::new(Self::of_value(value, &join(path, ANY_KEY)))),
                None => Self::Section(
                    members
                        .iter()
                        .map(|(key, value)| (key.clone(), Self::of_value(value, &join(path, key))))
                        .collect(),
                ),
            },
        }
    }

    /// Calls `found` for every number in `value`, with its own path and what it may be.
    pub(super) fn numbers(&self, value: &Value, path: &str, found: &mut impl FnMut(&str, u64, Bound)) {
        match (self, value) {
            (Self::Number(bound), Value::Number(number)) => {
                found(path, number.as_u64().expect("every number's type is unsigned"), *bound);
            }
            (Self::Section(keys), Value::Object(members)) => {
                for (key, value) in members {
                    if let Some(node) = keys.get(key) {
                        node.numbers(value, &join(path, key), found);
                    }
                }
            }
            (Self::List(node), Value::Array(members)) => {
                for (index, member) in members.iter().enumerate() {
                    node.numbers(member, &format!("{path}[{index}]"), found);
                }
            }
            (Self::Map(node), Value::Object(members)) => {
                for (key, value) in members {
                    node.numbers(value, &join(path, key), found);
                }
            }
            _ => {}
        }
    }

    /// What must stand there, in words.
    pub(super) fn expected(&self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Switch => "true or false".to_owned(),
            Self::Number(bound) => format!("a whole number from {} to {}", bound.least, bound.most),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) | Self::Section(_) => "an object with keys".to_owned(),
        }
    }

    /// What stands at a place that is told by keys and indices.
    pub(super) fn at_place<'a>(&self, place: impl Iterator<Item = Step<'a>>) -> Option<&Self> {
        let mut place = place;
        place.try_fold(self, |node, step| match (node, step) {
            (Self::List(member), Step::Index) => Some(&**member),
            (Self::Section(_) | Self::Map(_), Step::Key(key)) => node.at(&[key.to_owned()]),
            _ => None,
        })
    }

    /// What stands at `path`, if anything may.
    pub(super) fn at(&self, path: &[String]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| match node {
            Self::Section(keys) => keys.get(key),
            Self::Map(values) => Some(&**values),
            Self::Text | Self::Switch | Self::Number(_) | Self::List(_) => None,
        })
    }

    /// The paths of all keys that are not sections, list members included.
    pub(super) fn leaf_paths(&self) -> Vec<String> {
        fn walk(node: &Node, path: &str, found: &mut Vec<String>) {
            match node {
                Node::Section(keys) => {
                    for (key, node) in keys {
                        walk(node, &join(path, key), found);
                    }
                }
                Node::List(member) if matches!(**member, Node::Section(_)) => {
                    found.push(path.to_owned());
                    walk(member, &format!("{path}[]"), found);
                }
                Node::Text | Node::Switch | Node::Number(_) | Node::List(_) | Node::Map(_) => {
                    found.push(path.to_owned());
                }
            }
        }
        let mut found = Vec::new();
        walk(self, "", &mut found);
        found
    }
}

/// `key` below `path`.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn exemplar_app() -> AllowedApp {
    AllowedApp {
        app_id: String::new(),
        app_name: String::new(),
        max_rooms: Some(1),
        max_players_per_room: Some(1),
        rate_limit_per_minute: Some(1),
        max_relay_bytes: Some(1),
        require_connect_token: Some(true),
        per_address_limits: true,
    }
}

fn any_network() -> Network {
    "::/0".parse().expect("a network")
}

fn exemplar() -> Config {
    fn map<T>(value: T) -> BTreeMap<String, T> {
        BTreeMap::from([(ANY_KEY.to_owned(), value)])
    }
    let mut config = Config::default();

    config.server.room_code_prefix = Some(String::new());
    config.server.default_max_spectators = Some(1);

    let sdk = &mut config.protocol.sdk_compatibility;
    sdk.minimum_versions = map(String::new());
    sdk.recommended_versions = map(String::new());
    sdk.capabilities = map(vec![String::new()]);
    sdk.notes = map(String::new());
    config.protocol.player_name_validation.additional_allowed_characters = Some(String::new());

    config.logging.level = Some(LogLevel::Info);
    config.logging.format = Some(LogFormat::Text);

    let security = &mut config.security;
    security.cors_origins = Some(String::new());
    security.enforce_app_id_allowlist = Some(true);
    security.require_metrics_auth = Some(true);
    security.metrics_auth_token = Some(Secret::default());
    security.max_game_data_bytes = Some(GameDataLimits {
        json: Some(1),
        message_pack: Some(1),
        rkyv: Some(1),
        protobuf: Some(1),
    });
    security.allowed_apps = vec![exemplar_app()];
    security.app_auth_path = Some(PathBuf::new());
    security.connect_token = Some(ConnectTokenConfig {
        public_key: Some(String::new()),
        public_key_path: Some(PathBuf::new()),
        required: Some(false),
    });
    security.trusted_proxies = vec![any_network()];
    security.blocked_networks = vec![any_network()];
    security.transport.tls.certificate_path = Some(PathBuf::new());
    security.transport.tls.private_key_path = Some(PathBuf::new());
    security.transport.tls.certificates = vec![CertificatePair {
        certificate_path: PathBuf::new(),
        private_key_path: PathBuf::new(),
    }];
    security.transport.tls.client_ca_cert_path = Some(PathBuf::new());

    config.relay_types.game_relay_mappings = map(String::new());
    config.session.game_topology_mappings = map(Topology::Relay);
    config.session.ice_servers = vec![IceServer {
        urls: vec![String::new()],
        username: Some(String::new()),
        credential: Some(Secret::default()),
    }];
    config.turn.urls = vec![String::new()];
    config.runtime.outbox_max_bytes = Some(1);
    config.control.bind = Some(std::net::Ipv4Addr::LOCALHOST.into());
    config.control.port = Some(1);
    config.control.playground = Some(true);
    config.access_check.url = Some(String::new());
    config.access_check.secret = Some(Secret::default());
    config.access_check.ca_cert_path = Some(PathBuf::new());
    config.control.admin_token = Some(Secret::default());
    config.control.admin_token_path = Some(PathBuf::new());
    config.webhooks.url = Some(String::new());
    config.webhooks.secret = Some(Secret::default());
    config.webhooks.previous_secret = Some(Secret::default());
    config.webhooks.ca_path = Some(PathBuf::new());
    config.webhooks.dead_letter_path = Some(PathBuf::new());
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BOUNDS;

    fn has_null_or_empty(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Array(members) => members.is_empty() || members.iter().any(has_null_or_empty),
            Value::Object(members) => members.is_empty() || members.values().any(has_null_or_empty),
            _ => false,
        }
    }

    #[test]
    fn the_exemplar_leaves_nothing_out() {
        let value = serde_json::to_value(exemplar()).expect("a config serialises");
        assert!(!has_null_or_empty(&value), "{value:#}");
    }

    #[test]
    fn members_of_lists_and_maps_are_known() {
        let tree = Node::config();
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            tree.at(&path("protocol.sdk_compatibility.minimum_versions.anything")),
            Some(&Node::Text)
        );
        assert_eq!(
            tree.at(&path("protocol.sdk_compatibility.enforce")),
            Some(&Node::Switch)
        );
        let json = bounds::of("security.max_game_data_bytes.json");
        assert_eq!(
            tree.at(&path("security.max_game_data_bytes.json")),
            Some(&Node::Number(json))
        );
        assert_eq!(tree.at(&path("port.low")), None);
        assert!(
            tree.leaf_paths()
                .contains(&"security.allowed_apps[].max_rooms".to_owned())
        );
    }

    /// Key, default and range of a row like ``| `port` | `3536` |  | 0 … 65535 | … |``.
    fn documented(row: &str) -> Option<(&str, (Option<&str>, &str))> {
        let mut cells = row.strip_prefix("| `")?.split(" | ");
        let key = cells.next()?.strip_suffix('`')?;
        let default = cells.next()?;
        let range = cells.nth(1).unwrap_or_default();
        let default = default.strip_prefix('`').and_then(|default| default.strip_suffix('`'));
        Some((key, (default, range)))
    }

    #[test]
    fn the_operators_guide_has_every_key_and_its_default() {
        let guide = include_str!("../../docs/operating.md");
        let (_, keys) = guide.split_once("### Keys").expect("the chapter is there");
        let keys = keys.split("\n## ").next().expect("a chapter has an end");
        let rows: BTreeMap<_, _> = keys.lines().filter_map(documented).collect();
        let defaults = serde_json::to_value(Config::default()).expect("a config serialises");
        for path in Node::config().leaf_paths() {
            let (shown, range) = rows
                .get(path.as_str())
                .unwrap_or_else(|| panic!("{path} is not in the guide"));
            let default = path.split('.').try_fold(&defaults, |value, key| value.get(key));
            if let Some(default) = default.filter(|default| !default.is_array() && !default.is_object()) {
                assert_eq!(*shown, Some(default.to_string().as_str()), "{path}");
            }
            if let Some(bound) = BOUNDS.iter().find(|bound| bound.path == path) {
                // The upper end of some is another key.
                let shows_its_end = range.contains(&format!("… {}", bound.most)) || range.contains("… `");
                assert!(shows_its_end, "{path}: {range} does not show {}", bound.most);
            }
        }
        let known = Node::config();
        for row in rows.keys() {
            let path: Vec<String> = row.split('.').map(str::to_owned).collect();
            assert!(
                row.contains("[]") || known.at(&path).is_some(),
                "the guide has {row}, which does not exist"
            );
        }
    }
}
