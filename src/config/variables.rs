//! `SIGNAL_FISH__…` variables: one per key, path segments joined by two underscores.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde_json::{Map, Value};

use super::error::{LoadError, Origin};
use super::json::{self, Document};
use super::old_names;
use super::schema::{Node, join};

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
        let mut refuse = |reason: String| {
            errors.push(LoadError::BadVariable {
                name: name.clone().into_owned(),
                path: path.join("."),
                reason,
            })
        };
        let Some(value) = value.to_str() else {
            refuse("is not UTF-8: correct its value".to_owned());
            continue;
        };
        if path.iter().any(String::is_empty) {
            refuse("has an empty part: write SIGNAL_FISH__SECTION__KEY".to_owned());
            continue;
        }
        if path.len() > MAX_SEGMENTS {
            refuse("has more than 16 parts: no key is that deep".to_owned());
            continue;
        }
        if (1..path.len()).any(|depth| matches!(tree.at(&path[..depth]), Some(Node::List(_)))) {
            refuse("names a member of a list: set the whole list, as JSON".to_owned());
            continue;
        }
        let value = match parse(value, tree.at(&path), &path) {
            Ok(Document { value, repeated }) => {
                let origin = Origin::Variable(name.clone().into_owned());
                errors.extend(repeated.into_iter().map(|below| LoadError::Repeated {
                    origin: origin.clone(),
                    path: join(&path.join("."), &below),
                }));
                value
            }
            Err(reason) => {
                refuse(reason);
                continue;
            }
        };
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

/// Sections in which no variable may say null.
const PROTECTING: [&str; 2] = ["security", "access_check"];

/// JSON when possible, else a string. A key that takes text also takes text that looks like a number or a switch. The reason
/// for which a value is refused never shows it: it may be a secret.
fn parse(text: &str, node: Option<&Node>, path: &[String]) -> Result<Document, String> {
    let read = |value| {
        Ok(Document {
            value,
            repeated: Vec::new(),
        })
    };
    let protects = path
        .first()
        .is_some_and(|section| PROTECTING.contains(&section.as_str()));
    if text.trim() == "null" && protects {
        return match path {
            // The origin of pages that have none.
            [_, key] if key == "cors_origins" => read(Value::String("null".to_owned())),
            _ => Err(
                "says null, and no variable switches off what protects: remove it, or set the key in a file".to_owned(),
            ),
        };
    }
    let json = json::parse(text);
    if protects && json.as_ref().is_ok_and(|document| has_null(&document.value)) {
        return Err("says null of a key in it, and no variable switches off what protects: leave the key out, or set it in a file".to_owned());
    }
    match (node, json) {
        (Some(Node::Text), Ok(document)) if matches!(document.value, Value::String(_) | Value::Null) => Ok(document),
        (Some(Node::Text), _) => read(Value::String(text.to_owned())),
        (Some(Node::List(_)), Ok(document)) if matches!(document.value, Value::Array(_) | Value::Null) => Ok(document),
        (Some(Node::List(_)), _) if is_comma_list(path) => read(Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| item.to_owned().into())
                .collect(),
        )),
        (_, Ok(document)) => Ok(document),
        (Some(node @ (Node::List(_) | Node::Map(_) | Node::Section(_))), Err(fault)) => {
            Err(format!("must be JSON, {}: {fault}", node.expected()))
        }
        (_, Err(_)) => read(Value::String(text.to_owned())),
    }
}

/// Whether a section says null of one of its keys, over what a file says. A list takes the place of another as a whole: there it
/// is the same as nothing.
fn has_null(value: &Value) -> bool {
    let mut members = value.as_object().into_iter().flat_map(Map::values);
    members.any(|member| member.is_null() || has_null(member))
}

fn is_comma_list(path: &[String]) -> bool {
    COMMA_LISTS.iter().any(|list| path == *list)
}

/// Variables that begin like ours without being one for a key.
const SINGLE: [&str; 4] = [
    "SIGNAL_FISH_CONFIG_PATH",
    "SIGNAL_FISH_CONFIG_STDIN",
    "SIGNAL_FISH_CONFIG_JSON",
    "SIGNAL_FISH_PRODUCTION",
];

/// What every variable of this server begins with.
const OURS: &str = "SIGNAL_FISH_";

/// Notes the variables that begin like ours and are none.
pub(super) fn note_unknown(variables: &[(OsString, OsString)], tree: &Node, errors: &mut Vec<LoadError>) {
    let for_keys = || {
        let paths = tree.leaf_paths().into_iter().filter(|path| !path.contains("[]"));
        paths.map(|path| format!("{PREFIX}{}", path.replace('.', "__").to_uppercase()))
    };
    for (name, value) in variables {
        let name = name.to_string_lossy();
        let starts_with = |start: &str| name.get(..start.len()).is_some_and(|s| s.eq_ignore_ascii_case(start));
        let is_known = SINGLE.contains(&&*name) || is_service_link(&name, &value.to_string_lossy());
        if !starts_with(OURS) || starts_with(PREFIX) || is_known {
            continue;
        }
        let known = SINGLE.into_iter().map(str::to_owned).chain(for_keys());
        errors.push(LoadError::UnknownVariable {
            nearest: nearest(&name, known),
            name: name.into_owned(),
        });
    }
}

/// The variable most like a name, whatever the underscores.
fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let bare = |name: &str| name.replace('_', "").to_uppercase();
    let asked = bare(name);
    known
        .map(|known| (strsim::damerau_levenshtein(&asked, &bare(&known)), known))
        .filter(|(distance, _)| *distance <= asked.len() / 6)
        .min()
        .map(|(_, known)| known)
}

/// Whether Kubernetes has made the variable: it tells every container of the services beside it, and one of them may be called
/// like us.
fn is_service_link(name: &str, value: &str) -> bool {
    let Some(rest) = name.strip_prefix(OURS) else {
        return false;
    };
    let rest = format!("_{rest}");
    let is_url = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    let is_of_a_port = ["_TCP", "_UDP", "_SCTP"].iter().any(|protocol| {
        let Some((before, after)) = rest.split_once(protocol) else {
            return false;
        };
        let port = before.rsplit_once("_PORT_").map(|(_, port)| port);
        let is_port = port.is_some_and(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
        is_port && matches!(after, "" | "_PROTO" | "_PORT" | "_ADDR")
    });
    rest.contains("_SERVICE_HOST")
        || rest.contains("_SERVICE_PORT")
        || (rest.ends_with("_PORT") && is_url)
        || is_of_a_port
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
            refused(&[("SIGNAL_FISH__TURN__URLS", "turn:a,turn:b")]),
            "the variable SIGNAL_FISH__TURN__URLS must be JSON, a list: expected ident at line 1 column 2"
        );
    }

    #[test]
    fn sections_come_before_their_keys_and_old_names_before_new_ones() {
        assert_eq!(
            documents(&[
                ("SIGNAL_FISH__SERVER__MAX_ROOMS", "7"),
                ("SIGNAL_FISH__SERVER", "{\"max_rooms\": 5}"),
                ("SIGNAL_FISH__SECURITY__ENFORCE_APP_ID_ALLOWLIST", "true"),
                ("SIGNAL_FISH__SECURITY__REQUIRE_WEBSOCKET_AUTH", "false"),
            ]),
            [
                json!({"server": {"max_rooms": 5}}),
                json!({"security": {"require_websocket_auth": false}}),
                json!({"security": {"enforce_app_id_allowlist": true}}),
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
    fn the_word_null_switches_no_protection_off() {
        assert_eq!(
            documents(&[("SIGNAL_FISH__SECURITY__CORS_ORIGINS", "null")]),
            [json!({"security": {"cors_origins": "null"}})]
        );
        for key in [
            "METRICS_AUTH_TOKEN",
            "CONNECT_TOKEN",
            "ALLOWED_APPS",
            "ENFORCE_APP_ID_ALLOWLIST",
        ] {
            let text = refused(&[(&format!("SIGNAL_FISH__SECURITY__{key}"), " null ")]);
            assert!(text.contains("no variable switches off what protects"), "{text}");
        }
        for (section, value) in [
            ("SECURITY", r#"{"require_metrics_auth": null}"#),
            ("SECURITY", r#"{"transport": {"tls": {"client_ca_cert_path": null}}}"#),
            ("ACCESS_CHECK", r#"{"url": null}"#),
            ("ACCESS_CHECK__URL", "null"),
            ("SECURITY__TRANSPORT__TLS", r#"{"client_ca_cert_path": null}"#),
        ] {
            let text = refused(&[(&format!("SIGNAL_FISH__{section}"), value)]);
            assert!(text.contains("no variable switches off what protects"), "{text}");
        }
        let apps = r#"[{"app_id": "a", "app_name": "A", "max_rooms": null}]"#;
        assert_eq!(documents(&[("SIGNAL_FISH__SECURITY__ALLOWED_APPS", apps)]).len(), 1);
    }

    fn unknown(name: &str, value: &str) -> Option<String> {
        let mut errors = Vec::new();
        note_unknown(&vars(&[(name, value)]), &Node::config(), &mut errors);
        errors.first().map(ToString::to_string)
    }

    #[test]
    fn variables_that_begin_like_ours_are_ours() {
        for (name, nearest) in [
            ("SIGNAL_FISH_PORT", "SIGNAL_FISH__PORT"),
            ("SIGNAL_FISH_SERVER_MAX_ROOMS", "SIGNAL_FISH__SERVER__MAX_ROOMS"),
            ("signal_fish_config_path", "SIGNAL_FISH_CONFIG_PATH"),
            ("SIGNAL_FISH_CONFIG_PAHT", "SIGNAL_FISH_CONFIG_PATH"),
            ("SIGNAL_FISH_METRICS_AUTH_TOKEN", ""),
        ] {
            let text = unknown(name, "MARKED").expect("unknown");
            assert!(!text.contains("MARKED") && text.contains(nearest), "{name}: {text}");
        }
        for (name, value) in [
            ("SIGNAL_FISH_PRODUCTION", "1"),
            ("SIGNAL_FISHER", "1"),
            ("PATH", "/bin"),
            ("SIGNAL_FISH__ANYTHING", "is for others to judge"),
        ] {
            assert_eq!(unknown(name, value), None, "{name}");
        }
    }

    #[test]
    fn links_of_kubernetes_are_not_ours() {
        for (name, value) in [
            ("SIGNAL_FISH_PORT", "tcp://10.0.0.1:3536"),
            ("SIGNAL_FISH_SERVICE_HOST", "10.0.0.1"),
            ("SIGNAL_FISH_SERVICE_PORT", "3536"),
            ("SIGNAL_FISH_SERVICE_PORT_HTTP", "3536"),
            ("SIGNAL_FISH_PORT_3536_TCP", "tcp://10.0.0.1:3536"),
            ("SIGNAL_FISH_PORT_3536_TCP_PROTO", "tcp"),
            ("SIGNAL_FISH_PORT_3536_TCP_PORT", "3536"),
            ("SIGNAL_FISH_PORT_3536_TCP_ADDR", "10.0.0.1"),
            ("SIGNAL_FISH_RELAY_PORT", "udp://10.0.0.1:1"),
            ("SIGNAL_FISH_RELAY_PORT_1_UDP_ADDR", "10.0.0.1"),
        ] {
            assert_eq!(unknown(name, value), None, "{name}");
        }
        assert!(unknown("SIGNAL_FISH_PORT", "3536").is_some());
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
