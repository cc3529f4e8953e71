//! Old spellings of keys, still understood in every source, and keys that have no counterpart here.

use serde_json::Value;

use super::error::{LoadError, Origin};

/// (section, old key, new key, full old path, full new path)
const RENAMED: [(&str, &str, &str, &str, &str); 2] = [
    (
        "security",
        "require_websocket_auth",
        "enforce_app_id_allowlist",
        "security.require_websocket_auth",
        "security.enforce_app_id_allowlist",
    ),
    (
        "security",
        "authorized_apps",
        "allowed_apps",
        "security.authorized_apps",
        "security.allowed_apps",
    ),
];

/// A key of the protocol's that asks for what is not needed here.
struct Retired {
    section: &'static str,
    key: &'static str,
    path: &'static str,
    /// The values with which nothing else is asked for than what happens anyway.
    harmless: &'static [u64],
    /// What does the same, or why nothing has to.
    instead: &'static str,
}

const RETIRED: [Retired; 5] = [
    Retired {
        section: "server",
        key: "heartbeat_throttle_secs",
        path: "server.heartbeat_throttle_secs",
        harmless: &[0, 30],
        instead: HEARTBEATS,
    },
    Retired {
        section: "server",
        key: "heartbeat_db_throttle_secs",
        path: "server.heartbeat_db_throttle_secs",
        harmless: &[0, 30],
        instead: HEARTBEATS,
    },
    Retired {
        section: "websocket",
        key: "batch_size",
        path: "websocket.batch_size",
        harmless: &[10],
        instead: "a turn sends all that has gathered; for how long it gathers say websocket.batch_interval_ms and \
                  runtime.turn_window_us",
    },
    Retired {
        section: "websocket",
        key: "control_queue_capacity",
        path: "websocket.control_queue_capacity",
        harmless: &[128],
        instead: "control messages share the outbox, which is bounded by its bytes: set runtime.outbox_max_bytes",
    },
    Retired {
        section: "coordination",
        key: "membership_snapshot_interval_secs",
        path: "coordination.membership_snapshot_interval_secs",
        harmless: &[30],
        instead: "one process serves all rooms, and there is nobody to coordinate with: leave it out",
    },
];

const HEARTBEATS: &str = "activity is noted with every message, which costs nothing here; how long it counts say \
                          server.ping_timeout and server.inactive_room_timeout";

/// Whether `path` (lower case) is an old spelling.
pub(super) fn is_old(path: &[String]) -> bool {
    RENAMED
        .iter()
        .any(|(section, old, ..)| matches!(path, [a, b, ..] if a == section && b == old))
}

/// Moves values from old keys to the new ones. Says so in `notices`.
pub(super) fn rename(document: &mut Value, origin: &Origin, notices: &mut Vec<String>, errors: &mut Vec<LoadError>) {
    for (section, old, new, old_path, new_path) in RENAMED {
        let Some(keys) = document.get_mut(section).and_then(Value::as_object_mut) else {
            continue;
        };
        let Some(value) = keys.remove(old) else { continue };
        if keys.contains_key(new) {
            errors.push(LoadError::BothSpellings {
                origin: origin.clone(),
                old: old_path,
                new: new_path,
            });
            continue;
        }
        notices.push(format!("{origin}: `{old_path}` is now called `{new_path}`"));
        keys.insert(new.to_owned(), value);
    }
    if let Some(apps) = document.pointer_mut("/security/allowed_apps") {
        drop_app_secrets(apps, origin, notices);
    }
    drop_retired(document, origin, notices, errors);
}

/// Takes out the keys that ask for nothing, or refuses what they ask for.
fn drop_retired(document: &mut Value, origin: &Origin, notices: &mut Vec<String>, errors: &mut Vec<LoadError>) {
    let mut dropped = Vec::new();
    for retired in &RETIRED {
        let Some(keys) = document.get_mut(retired.section).and_then(Value::as_object_mut) else {
            continue;
        };
        let Some(value) = keys.remove(retired.key) else {
            continue;
        };
        if value.as_u64().is_some_and(|value| retired.harmless.contains(&value)) {
            dropped.push(retired.path);
        } else {
            errors.push(LoadError::Retired {
                origin: origin.clone(),
                path: retired.path,
                instead: retired.instead,
            });
        }
    }
    if let Some(sections) = document.as_object_mut()
        && sections
            .get("coordination")
            .and_then(Value::as_object)
            .is_some_and(serde_json::Map::is_empty)
    {
        sections.remove("coordination");
    }
    if !dropped.is_empty() {
        notices.push(format!(
            "{origin}: what these keys ask for happens here anyway, so remove them: {}",
            dropped.join(", ")
        ));
    }
}

/// Takes the member `app_secret` out of app entries: app ids are public names and have no secret.
pub(super) fn drop_app_secrets(apps: &mut Value, origin: &Origin, notices: &mut Vec<String>) {
    let Some(entries) = apps.as_array_mut() else { return };
    let dropped = entries
        .iter_mut()
        .filter_map(Value::as_object_mut)
        .filter_map(|entry| entry.remove("app_secret"))
        .count();
    if dropped > 0 {
        notices.push(format!(
            "{origin}: `app_secret` of {dropped} app(s) is not used, because app ids are public: remove it"
        ));
    }
}
