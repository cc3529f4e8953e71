//! What a configuration comes to, in words: the summary of a check, and what is said once at start.

use std::fmt::Write as _;

use crate::config::{self, Config, Loaded, Origin, OriginPolicy};

/// What follows from a configuration that is valid, in a few lines.
pub(super) fn summary(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let on = |on: bool| if on { "on" } else { "off" };
    let sources = match loaded.origins.as_slice() {
        [] => "compiled defaults".to_owned(),
        origins => origins.iter().map(Origin::to_string).collect::<Vec<_>>().join(", "),
    };
    let shards = match config.runtime.shards {
        0 => "one per CPU".to_owned(),
        shards => shards.to_string(),
    };
    let rows = [
        ("sources", sources),
        (
            "address",
            std::net::SocketAddr::new(config.bind, config.port).to_string(),
        ),
        ("shards", shards),
        ("storage", "in memory".to_owned()),
        ("TLS", on(config.security.transport.tls.enabled).to_owned()),
        ("metrics authentication", on(config.metrics_auth_required()).to_owned()),
        ("app allow-list", on(config.allowlist_enforced()).to_owned()),
        ("registered apps", config.security.allowed_apps.len().to_string()),
        (
            "connect tokens",
            match (&config.security.connect_token, config.connect_token_required()) {
                (None, _) => "none".to_owned(),
                (Some(_), true) => "required".to_owned(),
                (Some(_), false) => "checked when shown".to_owned(),
            },
        ),
        ("pages that may connect", pages(config)),
        ("reconnection", on(config.server.enable_reconnection).to_owned()),
        (
            "default players per room",
            config.server.default_max_players.to_string(),
        ),
        ("region", config.server.region_id.clone()),
    ];
    let mut text = "The configuration is valid.\n".to_owned();
    for (name, value) in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<26}{value}");
    }
    for line in remarks(loaded) {
        let _ = writeln!(text, "Note: {line}");
    }
    text
}

fn pages(config: &Config) -> String {
    match config.origin_policy() {
        OriginPolicy::Any => "of any origin".to_owned(),
        OriginPolicy::Only(origins) if origins.is_empty() => "none but those of its own host".to_owned(),
        OriginPolicy::Only(origins) => origins.join(", "),
    }
}

/// What is to be said once at start, besides that it started: notices of the sources, and warnings.
#[must_use]
pub fn remarks(loaded: &Loaded) -> Vec<String> {
    let mut remarks = loaded.notices.clone();
    remarks.extend(config::startup_warnings(&loaded.config, loaded.production));
    remarks
}

/// How to go public, for a server that only this machine can reach; said in one line at start.
#[must_use]
pub fn going_public_hint(config: &Config) -> Option<&'static str> {
    config.is_loopback_only().then_some(
        "only this machine can connect; to go public, name your apps in security.allowed_apps, set \
         security.metrics_auth_token and bind 0.0.0.0 (or :: for IPv6 too), or put a proxy in front and name the origin \
         under which it serves in security.cors_origins",
    )
}
