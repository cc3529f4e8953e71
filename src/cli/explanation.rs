//! What is told of a key, and of where values are from.

use std::fmt::Write as _;

use super::Exit;
use crate::config::{self, Explanation, Loaded};

/// What a key is for, what it takes and, if the configuration can be loaded, what it is now and why.
pub(super) fn explain(key: &str, loaded: Option<&Loaded>) -> Exit {
    let Explanation {
        path,
        purpose,
        takes,
        default,
        variable,
        keys,
    } = match config::explain(key) {
        Ok(explained) => explained,
        Err(Some(nearest)) => return Exit::invalid(format_args!("there is no such key, did you mean `{nearest}`?")),
        Err(None) => return Exit::invalid("there is no such key; --sample-config prints every key"),
    };
    let mut text = format!("{path}\n  {purpose}\n");
    let mut row = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<10}{value}");
    };
    if keys.is_empty() {
        row("takes", &takes);
    } else {
        row("keys", &keys.join(", "));
    }
    if let Some(default) = &default {
        row("default", default);
    }
    if let Some(variable) = &variable {
        row("variable", variable);
    }
    if let Some(loaded) = loaded.filter(|_| keys.is_empty()) {
        let config = serde_json::to_value(&loaded.config).expect("a config has string keys only");
        if let Some(now) = path.split('.').try_fold(&config, |value, key| value.get(key)) {
            let from = loaded
                .sources
                .get(&path)
                .map_or_else(|| "the default".to_owned(), |origin| format!("from {origin}"));
            row("now", &format!("{now}, {from}"));
        }
    }
    Exit::shown(text)
}

/// Where each value is from, one line for each that is set.
pub(super) fn sources(loaded: &Loaded) -> String {
    let mut text = String::new();
    for (path, origin) in &loaded.sources {
        let _ = writeln!(text, "Source: {path} is from {origin}");
    }
    text.push_str("Source: every other value is the default\n");
    text
}
