//! Keys whose feature this server does not have yet.
//!
//! One list. A feature that lands deletes its line.

use serde_json::Value;

use super::Config;

/// Paths of keys or whole sections.
const NOT_BUILT: &[&str] = &[
    "server.heartbeat_throttle_secs",
    "websocket.enable_batching",
    "websocket.batch_size",
    "websocket.batch_interval_ms",
    "websocket.control_queue_capacity",
    "coordination",
];

/// Paths of keys (or sections) that are set away from their default and have no effect yet, for the one warning at start.
#[must_use]
pub fn not_built_yet(config: &Config) -> Vec<&'static str> {
    let json = |config: &Config| serde_json::to_value(config).expect("a config has string keys only");
    let (set, default) = (json(config), json(&Config::default()));
    let paths = NOT_BUILT.iter().copied();
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
    }

    #[test]
    fn what_is_set_is_named() {
        let mut config = Config::default();
        config.server.heartbeat_throttle_secs = 7;
        config.websocket.control_queue_capacity = 7;
        assert_eq!(
            not_built_yet(&config),
            ["server.heartbeat_throttle_secs", "websocket.control_queue_capacity"]
        );
    }

    #[test]
    fn every_path_exists() {
        let known = Node::config().leaf_paths();
        for path in NOT_BUILT {
            let below = format!("{path}.");
            assert!(
                known.iter().any(|leaf| leaf == *path || leaf.starts_with(&below)),
                "{path}"
            );
        }
    }
}
