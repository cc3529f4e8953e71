//! Patterns for JSON: a message written down, with placeholders for what differs from run to run.
//!
//! `"$uuid"`, `"$time"`, `"$text"`, `"$code"` and `"$any"` stand for a value of that kind; `["$unordered", …]` for an array
//! in any order. Everything else must be equal, and an object must have exactly the keys of the pattern.

use serde_json::Value;

/// What in `actual` is not as `pattern` says; `None` when all is.
pub fn mismatch(pattern: &Value, actual: &Value) -> Option<String> {
    mismatch_at("message", pattern, actual)
}

fn mismatch_at(path: &str, pattern: &Value, actual: &Value) -> Option<String> {
    match (pattern, actual) {
        (Value::String(kind), actual) if kind.starts_with('$') => {
            (!is_of_kind(kind, actual)).then(|| format!("{path}: expected {kind}, got {actual}"))
        }
        (Value::Object(wanted), Value::Object(found)) => {
            let missing = wanted.keys().find(|key| !found.contains_key(*key));
            let extra = found.keys().find(|key| !wanted.contains_key(*key));
            missing
                .map(|key| format!("{path}: {key} is missing"))
                .or_else(|| extra.map(|key| format!("{path}: {key} is not expected")))
                .or_else(|| {
                    wanted
                        .iter()
                        .find_map(|(key, value)| mismatch_at(&format!("{path}.{key}"), value, &found[key]))
                })
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.first().is_some_and(|first| first == "$unordered") => {
            mismatch_unordered(path, &wanted[1..], found)
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => wanted
            .iter()
            .zip(found)
            .enumerate()
            .find_map(|(index, (wanted, found))| mismatch_at(&format!("{path}[{index}]"), wanted, found)),
        (wanted, found) => (wanted != found).then(|| format!("{path}: expected {wanted}, got {found}")),
    }
}

fn mismatch_unordered(path: &str, wanted: &[Value], found: &[Value]) -> Option<String> {
    let mut left: Vec<_> = found.iter().collect();
    for wanted in wanted {
        match left.iter().position(|found| mismatch_at(path, wanted, found).is_none()) {
            Some(index) => drop(left.remove(index)),
            None => return Some(format!("{path}: no element is {wanted}, left are {left:?}")),
        }
    }
    (!left.is_empty()).then(|| format!("{path}: not expected are {left:?}"))
}

fn is_of_kind(kind: &str, actual: &Value) -> bool {
    let text = actual.as_str();
    match kind {
        "$any" => true,
        "$text" => text.is_some_and(|text| !text.is_empty()),
        "$uuid" => text.is_some_and(|text| {
            uuid::Uuid::parse_str(text).is_ok_and(|id| id.hyphenated().to_string() == text && id.get_version_num() == 4)
        }),
        "$time" => text.is_some_and(|text| text.ends_with('Z') && text.len() >= 20 && text.as_bytes()[10] == b'T'),
        "$code" => text.is_some_and(|text| {
            text.len() == 6
                && text
                    .bytes()
                    .all(|byte| b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ".contains(&byte))
        }),
        unknown => panic!("no placeholder is called {unknown}"),
    }
}
