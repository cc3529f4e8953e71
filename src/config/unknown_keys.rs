//! Keys that do not exist: found with their full path, and with the nearest one that does.

use serde_json::Value;

use super::schema::{Node, join};

/// A key that does not exist.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnknownKey {
    /// Its full path.
    pub(super) path: String,
    /// The most similar key that exists.
    pub(super) nearest: Option<String>,
}

/// Takes every key out of `document` that `tree` does not know, and names them.
pub(super) fn take_unknown_keys(document: &mut Value, tree: &Node) -> Vec<UnknownKey> {
    let mut paths = Vec::new();
    take(document, tree, "", &mut paths);
    if paths.is_empty() {
        return Vec::new();
    }
    let known = tree.leaf_paths();
    paths
        .into_iter()
        .map(|path| {
            let nearest = nearest(&path, &known);
            UnknownKey { path, nearest }
        })
        .collect()
}

fn take(value: &mut Value, node: &Node, path: &str, unknown: &mut Vec<String>) {
    match (value, node) {
        (Value::Object(members), Node::Section(keys)) => members.retain(|key, value| match keys.get(key) {
            Some(node) => {
                take(value, node, &join(path, key), unknown);
                true
            }
            None => {
                unknown.push(join(path, key));
                false
            }
        }),
        (Value::Object(members), Node::Map(node)) => {
            for (key, value) in members {
                take(value, node, &join(path, key), unknown);
            }
        }
        (Value::Array(members), Node::List(node)) => {
            for (index, value) in members.iter_mut().enumerate() {
                take(value, node, &format!("{path}[{index}]"), unknown);
            }
        }
        // A value of the wrong shape is reported by the check of types.
        _ => {}
    }
}

/// The known path most like `path`: a neighbour that is spelled alike, else the same or a similar name elsewhere.
pub(super) fn nearest(path: &str, known: &[String]) -> Option<String> {
    let path = without_indices(path);
    let (section, name) = split(&path);
    known
        .iter()
        .flat_map(|candidate| {
            // A section is a candidate too: `servr.port` is nearest to `server`.
            let parents = candidate.match_indices('.').map(|(at, _)| &candidate[..at]);
            parents.chain([candidate.as_str()])
        })
        .filter_map(|candidate| {
            let (candidate_section, candidate_name) = split(candidate);
            let elsewhere = section != candidate_section;
            let spelled = strsim::damerau_levenshtein(name, candidate_name);
            // A name in another section must be spelled nearly the same to be meant.
            let tolerated = (name.chars().count() / 3)
                .max(1)
                .min(if elsewhere { 2 } else { usize::MAX });
            let stem = !elsewhere && is_stem(name, candidate_name);
            // A missing or additional ending weighs as much as two wrong letters.
            let distance = if stem { spelled.min(2) } else { spelled };
            let far = match (elsewhere, distance) {
                (false, _) => 0,
                (true, 0) => 1,
                (true, _) => 4,
            };
            (stem || distance <= tolerated).then_some((distance * 2 + far, candidate))
        })
        .min_by(|a, b| a.cmp(b))
        .map(|(_, candidate)| candidate.to_owned())
}

/// Whether one name is the other and an ending, like `idle_timeout` and `idle_timeout_secs`.
fn is_stem(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    long.strip_prefix(short).is_some_and(|ending| ending.starts_with('_'))
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// `a[3].b` as the tree spells it: `a[].b`.
fn without_indices(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|&c| {
            match c {
                '[' => inside = true,
                ']' => inside = false,
                _ => return !inside,
            }
            true
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn unknown(mut document: Value) -> Vec<(String, Option<String>)> {
        take_unknown_keys(&mut document, &Node::config())
            .into_iter()
            .map(|key| (key.path, key.nearest))
            .collect()
    }

    fn pair(path: &str, nearest: &str) -> (String, Option<String>) {
        (path.to_owned(), Some(nearest.to_owned()))
    }

    #[test]
    fn every_unknown_key_is_named_with_its_nearest() {
        let found = unknown(json!({
            "prot": 1,
            "server": {"max_room": 3, "default_max_players": 4},
            "security": {"allowed_apps": [{"app_id": "a", "app_name": "A"}, {"app_idd": "b"}],
                         "transport": {"tls": {"certificat_path": "x"}},
                         "max_game_data_bytes": {"jsn": 1}},
            "max_rooms_per_game": 7,
            "protocol": {"sdk_compatibility": {"notes": {"any key": "is fine"}}},
        }));
        let mut expected = vec![
            pair("prot", "port"),
            pair("server.max_room", "server.max_rooms"),
            pair("security.allowed_apps[1].app_idd", "security.allowed_apps[].app_id"),
            pair(
                "security.transport.tls.certificat_path",
                "security.transport.tls.certificate_path",
            ),
            pair("security.max_game_data_bytes.jsn", "security.max_game_data_bytes.json"),
            pair("max_rooms_per_game", "server.max_rooms_per_game"),
        ];
        expected.sort();
        let mut found = found;
        found.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_missing_unit_is_found() {
        let document = json!({"websocket": {"idle_timeout": 1}, "server": {"ping_timeout_secs": 1}});
        let mut found = unknown(document);
        found.sort();
        assert_eq!(
            found,
            [
                pair("server.ping_timeout_secs", "server.ping_timeout"),
                pair("websocket.idle_timeout", "websocket.idle_timeout_secs")
            ]
        );
    }

    #[test]
    fn a_misspelt_section_is_named_once() {
        assert_eq!(unknown(json!({"servr": {"max_rooms": 3}})), [pair("servr", "server")]);
    }

    #[test]
    fn nothing_alike_suggests_nothing() {
        assert_eq!(unknown(json!({"kubernetes": true})), [("kubernetes".to_owned(), None)]);
    }

    #[test]
    fn unknown_keys_are_taken_out() {
        let mut document = json!({"port": 1, "prot": 2});
        assert_eq!(take_unknown_keys(&mut document, &Node::config()).len(), 1);
        assert_eq!(document, json!({"port": 1}));
    }
}
