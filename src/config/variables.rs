//! `SIGNAL_FISH__…` variables: one per key, path segments joined by two underscores.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde_json::{Map, Value};

use super::error::{LoadError, Origin};
use super::old_names;
use super::schema::Node;

const PREFIX: &str = "SIGNAL_FISH__";
const MAX_SEGMENTS: usize = 16;

/// Says that this is a production system; a hint, no key.
const ENVIRONMENT_HINT: &str = "environment";

/// Lists that may be given separated by commas.
const COMMA_LISTS: [&[&str]; 4] = [
    &["protocol", "player_name_validation", "allowed_symbols"],
    &["security", "trusted_proxies"],
    &["security", "blocked_networks"],
    &["metrics", "dashboard_cache_history_fields"],
];

/// One variable as a document that holds its key only.
#[derive(Debug)]
pub(super) struct VariableSource {
    pub(super) origin: Origin,
    pub(super) document: Value,
}

/// The variables that set keys, in the order in which they must be merged: sections before the keys in them, old
/// spellings before new ones.
pub(super) fn read(
    variables: &[(OsString, OsString)],
    tree: &Node,
    errors: &mut Vec<LoadError>,
) -> Vec<VariableSource> {
    let mut found: BTreeMap<(usize, bool, Vec<String>), (String, Value)> = BTreeMap::new();
    for (name, value) in variables {
        let name = name.to_string_lossy();
        // `get` keeps a name with a letter of several bytes at the border from panicking.
        let Some(true) = name.get(..PREFIX.len()).map(|start| start.eq_ignore_ascii_case(PREFIX)) else {
            continue;
        };
        let path: Vec<String> = name[PREFIX.len()..].split("__").map(str::to_lowercase).collect();
        if path == [ENVIRONMENT_HINT] {
            continue;
        }
        let mut refuse = |reason| {
            errors.push(LoadError::BadVariable {
                name: name.clone().into_owned(),
                reason,
            })
        };
        let Some(value) = value.to_str() else {
            refuse("is not UTF-8: correct its value");
            continue;
        };
        if path.iter().any(String::is_empty) {
            refuse("has an empty part: write SIGNAL_FISH__SECTION__KEY");
            continue;
        }
        if path.len() > MAX_SEGMENTS {
            refuse("has more than 16 parts: no key is that deep");
            continue;
        }
        if (1..path.len()).any(|depth| matches!(tree.at(&path[..depth]), Some(Node::List(_)))) {
            refuse("names a member of a list: set the whole list, as JSON");
            continue;
        }
        let value = parse(value, tree.at(&path), &path);
        let key = (path.len(), !old_names::is_old(&path), path);
        if let Some((first, _)) = found.get(&key) {
            let mut names = [first.clone(), name.into_owned()];
            names.sort();
            let [first, second] = names;
            errors.push(LoadError::AmbiguousVariables { first, second });
            continue;
        }
        found.insert(key, (name.into_owned(), value));
    }
    found
        .into_iter()
        .map(|((_, _, path), (name, value))| VariableSource {
            origin: Origin::Variable(name),
            document: path
                .into_iter()
                .rev()
                .fold(value, |value, key| Value::Object(Map::from_iter([(key, value)]))),
        })
        .collect()
}

/// JSON when possible, else a string. A key that takes text also takes text that looks like a number or a switch.
fn parse(text: &str, node: Option<&Node>, path: &[String]) -> Value {
    let json = serde_json::from_str::<Value>(text).ok();
    match (node, json) {
        (Some(Node::Text), Some(value @ (Value::String(_) | Value::Null))) => value,
        (Some(Node::Text), _) => Value::String(text.to_owned()),
        (Some(Node::List(_)), Some(value @ (Value::Array(_) | Value::Null))) => value,
        (Some(Node::List(_)), _) if is_comma_list(path) => Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| item.to_owned().into())
                .collect(),
        ),
        (_, Some(value)) => value,
        (_, None) => Value::String(text.to_owned()),
    }
}

fn is_comma_list(path: &[String]) -> bool {
    COMMA_LISTS.iter().any(|list| path == *list)
}

/// Whether the variables say that this is a production system.
pub(super) fn is_production(variables: &[(OsString, OsString)]) -> bool {
    variables.iter().any(|(name, value)| match name.to_str() {
        Some("SIGNAL_FISH_PRODUCTION" | "PRODUCTION" | "PROD") => true,
        Some(name) if name.eq_ignore_ascii_case("SIGNAL_FISH__ENVIRONMENT") => {
            value.eq_ignore_ascii_case("production") || value.eq_ignore_ascii_case("prod")
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect()
    }

    fn documents(pairs: &[(&str, &str)]) -> Vec<Value> {
        let mut errors = Vec::new();
        let read = read(&vars(pairs), &Node::config(), &mut errors);
        assert!(errors.is_empty(), "{errors:?}");
        read.into_iter().map(|source| source.document).collect()
    }

    fn refused(pairs: &[(&str, &str)]) -> String {
        let mut errors = Vec::new();
        assert!(read(&vars(pairs), &Node::config(), &mut errors).len() < pairs.len());
        errors.first().expect("refused").to_string()
    }

    #[test]
    fn a_name_is_a_path_in_any_case() {
        for name in [
            "SIGNAL_FISH__SECURITY__TRANSPORT__TLS__ENABLED",
            "signal_fish__security__Transport__tls__ENABLED",
        ] {
            let found = documents(&[(name, "true")]);
            assert_eq!(
                found,
                [json!({"security": {"transport": {"tls": {"enabled": true}}}})],
                "{name}"
            );
        }
        assert!(
            documents(&[
                ("SIGNAL_FISH_PORT", "tcp://10.0.0.1:80"),
                ("SIGNAL_FISH__ENVIRONMENT", "prod")
            ])
            .is_empty()
        );
    }

    #[test]
    fn a_value_is_json_when_possible_and_text_where_text_is_meant() {
        assert_eq!(documents(&[("SIGNAL_FISH__PORT", "4000")]), [json!({"port": 4000})]);
        assert_eq!(documents(&[("SIGNAL_FISH__PORT", "many")]), [json!({"port": "many"})]);
        assert_eq!(
            documents(&[("SIGNAL_FISH__SECURITY__METRICS_AUTH_TOKEN", "123456")]),
            [json!({"security": {"metrics_auth_token": "123456"}})]
        );
        assert_eq!(
            documents(&[("SIGNAL_FISH__LOGGING__LEVEL", "null")]),
            [json!({"logging": {"level": null}})]
        );
        assert_eq!(documents(&[("SIGNAL_FISH__BIND", "\"::\"")]), [json!({"bind": "::"})]);
    }

    #[test]
    fn some_lists_may_be_separated_by_commas() {
        let symbols = |value| documents(&[("SIGNAL_FISH__PROTOCOL__PLAYER_NAME_VALIDATION__ALLOWED_SYMBOLS", value)]);
        for value in ["-, +", "[\"-\", \"+\"]"] {
            let expected = json!({"protocol": {"player_name_validation": {"allowed_symbols": ["-", "+"]}}});
            assert_eq!(symbols(value), [expected], "{value}");
        }
        assert_eq!(
            documents(&[("SIGNAL_FISH__TURN__URLS", "turn:a,turn:b")]),
            [json!({"turn": {"urls": "turn:a,turn:b"}})]
        );
    }

    #[test]
    fn sections_come_before_their_keys_and_old_names_before_new_ones() {
        assert_eq!(
            documents(&[
                ("SIGNAL_FISH__SERVER__MAX_ROOMS", "7"),
                ("SIGNAL_FISH__SERVER", "{\"max_rooms\": 5}"),
                ("SIGNAL_FISH__SERVER__HEARTBEAT_THROTTLE_SECS", "1"),
                ("SIGNAL_FISH__SERVER__HEARTBEAT_DB_THROTTLE_SECS", "2"),
            ]),
            [
                json!({"server": {"max_rooms": 5}}),
                json!({"server": {"heartbeat_db_throttle_secs": 2}}),
                json!({"server": {"heartbeat_throttle_secs": 1}}),
                json!({"server": {"max_rooms": 7}}),
            ]
        );
    }

    #[test]
    fn names_that_cannot_be_meant_are_refused() {
        assert_eq!(
            refused(&[("SIGNAL_FISH__PORT", "1"), ("SIGNAL_FISH__Port", "2")]),
            "the variables SIGNAL_FISH__PORT and SIGNAL_FISH__Port set the same key: remove one"
        );
        assert!(refused(&[("SIGNAL_FISH__SERVER____PORT", "1")]).contains("empty part"));
        assert!(refused(&[("SIGNAL_FISH__SECURITY__ALLOWED_APPS__0__APP_ID", "a")]).contains("whole list"));
        let deep = format!("SIGNAL_FISH{}", "__A".repeat(17));
        assert!(refused(&[(&deep, "1")]).contains("16 parts"));
        assert!(documents(&[(&deep[..deep.len() - 3], "1")]).len() == 1);
    }

    #[test]
    fn production_has_four_spellings() {
        for pair in [
            ("SIGNAL_FISH__ENVIRONMENT", "Production"),
            ("SIGNAL_FISH__ENVIRONMENT", "prod"),
            ("SIGNAL_FISH_PRODUCTION", ""),
            ("PROD", "0"),
        ] {
            assert!(is_production(&vars(&[pair])), "{pair:?}");
        }
        assert!(!is_production(&vars(&[("SIGNAL_FISH__ENVIRONMENT", "staging")])));
    }
}
