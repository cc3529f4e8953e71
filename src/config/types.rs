//! Values of the wrong type: all of them found, each with its path.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::merge::merge;
use super::schema::{Node, Step, join};

/// A value of the wrong type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrongType {
    /// Its path.
    pub(super) path: String,
    /// What was found and what is expected.
    pub(super) reason: String,
}

/// Takes every value out of `document` that cannot be read as its key in `T`, with `defaults` beneath the document.
///
/// Deserialising stops at the first fault, so each one found is taken out and the rest is tried again.
pub(super) fn take_wrong_types<T: DeserializeOwned>(
    document: &mut Value,
    tree: &Node,
    defaults: &Value,
) -> Vec<WrongType> {
    let mut found = Vec::new();
    take_wrong_shapes(document, tree, "", &mut found);
    loop {
        let mut merged = defaults.clone();
        merge(&mut merged, document.clone());
        let Err(error) = serde_path_to_error::deserialize::<_, T>(merged) else {
            return found;
        };
        let path = error.path();
        // A list loses its place when a member is at fault: the paths of later members must stay as given.
        let keys: Vec<&str> = path
            .iter()
            .map_while(|segment| match segment {
                Segment::Map { key } => Some(key.as_str()),
                Segment::Seq { .. } | Segment::Enum { .. } | Segment::Unknown => None,
            })
            .collect();
        let steps = path.iter().filter_map(|segment| match segment {
            Segment::Map { key } => Some(Step::Key(key)),
            Segment::Seq { .. } => Some(Step::Index),
            Segment::Enum { .. } | Segment::Unknown => None,
        });
        found.push(WrongType {
            path: path.to_string(),
            reason: in_plain_words(&error.inner().to_string(), tree.at_place(steps)),
        });
        if !remove(document, &keys) {
            // The fault is the document itself, so nothing of it is left to try.
            *document = Value::Object(serde_json::Map::new());
            return found;
        }
    }
}

/// Takes out what deserialising would accept and nobody means: a list for a section (its members in the order of the
/// struct) and an object for a name. Returns whether `value` may stay.
fn take_wrong_shapes(value: &mut Value, node: &Node, path: &str, found: &mut Vec<WrongType>) -> bool {
    let is = match (value, node) {
        (Value::Array(_), Node::Section(_) | Node::Text | Node::Switch | Node::Number(_)) => "a list",
        (Value::Object(_), Node::Text | Node::Switch | Node::Number(_)) => "an object with keys",
        (Value::Object(members), node @ (Node::Section(_) | Node::Map(_))) => {
            members.retain(|key, value| match node.at(std::slice::from_ref(key)) {
                Some(node) => take_wrong_shapes(value, node, &join(path, key), found),
                None => true,
            });
            return true;
        }
        (Value::Array(members), Node::List(node)) => {
            let mut good = true;
            for (index, member) in members.iter_mut().enumerate() {
                good &= take_wrong_shapes(member, node, &format!("{path}[{index}]"), found);
            }
            return good;
        }
        _ => return true,
    };
    found.push(WrongType {
        path: path.to_owned(),
        reason: format!("must be {}, not {is}", node.expected()),
    });
    false
}

/// Removes what is at `keys`, or the nearest thing above it that the document has.
fn remove(document: &mut Value, keys: &[&str]) -> bool {
    let Some((last, above)) = keys.split_last() else {
        return false;
    };
    let mut place = &mut *document;
    for (depth, key) in above.iter().enumerate() {
        match place.get(key) {
            Some(Value::Object(_)) => place = place.get_mut(key).expect("it was just seen"),
            _ => return remove(document, &keys[..=depth]),
        }
    }
    place
        .as_object_mut()
        .is_some_and(|members| members.remove(*last).is_some())
}

/// What must stand there. Nothing of what does: it may be a secret in the wrong place.
fn in_plain_words(message: &str, node: Option<&Node>) -> String {
    if let Some(missing) = message.strip_prefix("missing field ") {
        return format!("lacks {missing}");
    }
    if message.contains("IP address") {
        return "must be an IP address, like 127.0.0.1 or ::1".to_owned();
    }
    let choices = message.rsplit_once(", expected ").map(|(_, expected)| expected);
    match choices.filter(|expected| expected.starts_with('`') || expected.starts_with("one of `")) {
        Some(one) if one.starts_with("one of") => format!("must be {one}"),
        Some(both) => format!("must be one of {both}"),
        None if choices == Some("a character") => "must be one character".to_owned(),
        None => format!(
            "must be {}",
            node.map_or_else(|| "something else".to_owned(), Node::expected)
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    fn wrong(document: &mut Value) -> Vec<(String, String)> {
        let defaults = serde_json::to_value(Config::default()).expect("a config serialises");
        take_wrong_types::<Config>(document, &Node::config(), &defaults)
            .into_iter()
            .map(|w| (w.path, w.reason))
            .collect()
    }

    #[test]
    fn every_wrong_value_is_named() {
        let mut document = json!({
            "port": 70000,
            "bind": "nowhere",
            "server": {"default_max_players": "eight", "max_rooms": -1, "region_id": "eu"},
            "logging": "loud",
            "security": {"allowed_apps": [{"app_id": "a", "app_name": "A"}, {"app_id": "b"}]},
            "session": {"game_topology_mappings": {"chess": "star"}},
        });
        let found = wrong(&mut document);
        let reason = |path: &str| {
            let reason = found.iter().find(|(p, _)| p == path).map(|(_, reason)| reason.as_str());
            reason.unwrap_or_else(|| panic!("{path} is not in {found:#?}"))
        };
        assert_eq!(reason("port"), "must be a whole number from 0 to 65535");
        assert!(reason("bind").contains("IP address"));
        assert_eq!(
            reason("server.default_max_players"),
            "must be a whole number from 0 to 255"
        );
        assert_eq!(
            reason("server.max_rooms"),
            "must be a whole number from 1 to 4294967295"
        );
        assert_eq!(reason("logging"), "must be an object with keys");
        assert_eq!(reason("security.allowed_apps[1]"), "lacks `app_name`");
        assert_eq!(
            reason("session.game_topology_mappings.chess"),
            "must be one of `mesh`, `host`, `relay`"
        );
        assert_eq!(found.len(), 7, "{found:#?}");
        assert_eq!(document["server"], json!({"region_id": "eu"}), "what is right stays");
    }

    #[test]
    fn shapes_that_nobody_means_are_refused() {
        let found = wrong(&mut json!({
            "turn": [true],
            "logging": {"format": {"json": null}},
            "security": {"allowed_apps": [["a", "A"]]},
            "port": [1],
        }));
        let mut paths: Vec<_> = found.into_iter().map(|(path, _)| path).collect();
        paths.sort();
        assert_eq!(paths, ["logging.format", "port", "security.allowed_apps[0]", "turn"]);
    }

    #[test]
    fn null_is_no_value_for_a_key_that_needs_one() {
        assert_eq!(wrong(&mut json!({"port": null})).len(), 1);
        assert_eq!(
            wrong(&mut json!({"logging": {"level": null}, "runtime": {"outbox_max_bytes": null}})),
            []
        );
    }
}
