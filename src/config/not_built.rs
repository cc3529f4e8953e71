//! Keys whose feature this server does not have yet.
//!
//! One list. A feature that lands deletes its line.

use serde_json::Value;

use super::Config;

/// What happens when such a key is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// The server starts and says that the key does nothing.
    Warn,
    /// The server does not start: going on would drop a protection that the operator counts on.
    Refuse,
}

use Effect::{Refuse, Warn};

/// Paths of keys or whole sections.
const NOT_BUILT: &[(&str, Effect)] = &[
    ("server.heartbeat_throttle_secs", Warn),
    ("server.region_id", Warn),
    ("security.transport.tls.enabled", Refuse),
    ("websocket.enable_batching", Warn),
    ("websocket.batch_size", Warn),
    ("websocket.batch_interval_ms", Warn),
    ("websocket.control_queue_capacity", Warn),
    ("metrics", Warn),
    ("coordination", Warn),
];

/// Paths of keys (or sections) that are set away from their default and have no effect yet, for the one warning at start.
#[must_use]
pub fn not_built_yet(config: &Config) -> Vec<&'static str> {
    set_away_from_default(config, Warn)
}

/// The same for keys that must not be set as long as their feature is missing.
pub(super) fn must_not_be_set(config: &Config) -> Vec<&'static str> {
    set_away_from_default(config, Refuse)
}

fn set_away_from_default(config: &Config, effect: Effect) -> Vec<&'static str> {
    let json = |config: &Config| serde_json::to_value(config).expect("a config has string keys only");
    let (set, default) = (json(config), json(&Config::default()));
    let paths = NOT_BUILT.iter().filter(|entry| entry.1 == effect).map(|entry| entry.0);
    paths.filter(|path| differs(&set, &default, path)).collect()
}

fn differs(set: &Value, default: &Value, path: &str) -> bool {
    let (set, default) = (at(set, path), at(default, path));
    set != default && !(is_off(set) && is_off(default))
}

fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, key| value.get(key))
}

fn is_off(value: Option<&Value>) -> bool {
    matches!(value, None | Some(Value::Null | Value::Bool(false)))
}

#[cfg(test)]
mod tests {
    use super::super::schema::Node;
    use super::*;

    #[test]
    fn nothing_is_named_by_default() {
        assert_eq!(not_built_yet(&Config::default()), Vec::<&str>::new());
        assert_eq!(must_not_be_set(&Config::default()), Vec::<&str>::new());
    }

    #[test]
    fn what_is_set_is_named() {
        let mut config = Config::default();
        config.server.region_id = "north".to_owned();
        config.websocket.control_queue_capacity = 7;
        assert_eq!(
            not_built_yet(&config),
            ["server.region_id", "websocket.control_queue_capacity"]
        );
    }

    #[test]
    fn protections_that_do_not_exist_are_refused() {
        let mut config = Config::default();
        config.security.transport.tls.enabled = true;
        assert_eq!(must_not_be_set(&config), ["security.transport.tls.enabled"]);
    }

    #[test]
    fn every_path_exists() {
        let known = Node::config().leaf_paths();
        for (path, _) in NOT_BUILT {
            let below = format!("{path}.");
            assert!(
                known.iter().any(|leaf| leaf == path || leaf.starts_with(&below)),
                "{path}"
            );
        }
    }
}
