//! Old spellings of keys, still understood in every source.

use serde_json::Value;

use super::error::{LoadError, Origin};

/// (section, old key, new key, full old path, full new path)
const RENAMED: [(&str, &str, &str, &str, &str); 3] = [
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
    (
        "server",
        "heartbeat_db_throttle_secs",
        "heartbeat_throttle_secs",
        "server.heartbeat_db_throttle_secs",
        "server.heartbeat_throttle_secs",
    ),
];

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
