//! Whether a configuration makes sense: every range, and every rule between two keys.
//!
//! Promises to find all faults, not only the first, and to say of each what is allowed and what to do. Changes nothing.
//! Looks at the file system only to see whether files that were named exist.

mod access_check;
mod check;
mod security;
#[cfg(test)]
mod tests;
mod webhooks;

use std::collections::BTreeSet;

use semver::Version;

use super::Config;
pub use check::Violations;
use check::{Check, is_label};

/// The shortest frame that joins a room by code, without the code.
const SHORTEST_JOIN: &str = r#"{"type":"JoinRoom","data":{"game_name":"g","room_code":"","player_name":"p"}}"#;

impl Config {
    /// Checks every value and every rule between values.
    ///
    /// # Errors
    ///
    /// All faults.
    pub fn validate(&self) -> Result<(), Violations> {
        let mut check = Check::new();
        check.numbers(self);
        server(self, &mut check);
        protocol(self, &mut check);
        logging(self, &mut check);
        security::check(self, &mut check);
        relay_types(self, &mut check);
        session(self, &mut check);
        turn(self, &mut check);
        websocket(self, &mut check);
        metrics(self, &mut check);
        runtime(self, &mut check);
        control(self, &mut check);
        access_check::check(self, &mut check);
        webhooks::check(self, &mut check);
        check.finish()
    }

    /// The keys whose numbers are beyond what they may ever be, whatever other keys say.
    pub(super) fn beyond_bounds(&self) -> BTreeSet<String> {
        let mut check = Check::new();
        check.numbers(self);
        check.out_of_bounds()
    }
}

fn server(config: &Config, check: &mut Check) {
    let server = &config.server;
    let players_limit = u64::from(config.protocol.max_players_limit);
    check.range(
        "server.default_max_players",
        u64::from(server.default_max_players),
        1..=players_limit.max(1),
    );

    let slow_ms = config.websocket.slow_consumer_timeout_ms;
    check.rule(
        "server.ping_timeout",
        server.ping_timeout,
        server.ping_timeout == 0 || slow_ms < server.ping_timeout.saturating_mul(1000),
        "must be 0 (off) or longer than websocket.slow_consumer_timeout_ms",
        &format!(
            "set it to {} or more, or lower websocket.slow_consumer_timeout_ms",
            slow_ms / 1000 + 1
        ),
    );
    if let Some(prefix) = &server.room_code_prefix {
        check.rule(
            "server.room_code_prefix",
            format_args!("{prefix:?}"),
            prefix.bytes().all(|b| b.is_ascii_alphanumeric()) && prefix.len() < config.protocol.room_code_length,
            "must be ASCII letters and digits, fewer than protocol.room_code_length",
            "shorten it, or make room codes longer",
        );
    }
}

fn control(config: &Config, check: &mut Check) {
    let control = &config.control;
    if let Some(bind) = control.bind {
        check.rule(
            "control.bind",
            bind,
            control.port.is_some(),
            "needs control.port",
            "set control.port, or leave control.bind out",
        );
    }
    let (bind, port) = (control.bind.unwrap_or(config.bind), control.port.unwrap_or(0));
    check.rule(
        "control.port",
        port,
        port == 0 || port != config.port || (bind != config.bind && !config.bind.is_unspecified()),
        "is the port that players connect to",
        "choose another",
    );
    security::admin_token(config, check);
}

fn protocol(config: &Config, check: &mut Check) {
    let protocol = &config.protocol;
    let oldest = u64::from(protocol.min_protocol_version).clamp(2, 3);
    check.range(
        "protocol.max_protocol_version",
        protocol.max_protocol_version,
        oldest..=3,
    );

    let frame = protocol.room_code_length.saturating_add(SHORTEST_JOIN.len());
    let room = config
        .security
        .max_message_size
        .min(config.security.max_outbound_message_size);
    check.rule(
        "protocol.room_code_length",
        protocol.room_code_length,
        frame <= room,
        "must leave a message that joins by code within security.max_message_size",
        &format!("allow messages of {frame} bytes or more, or shorten the code"),
    );
    let sdk = &protocol.sdk_compatibility;
    let tables: [(&str, Vec<&String>); 4] = [
        ("minimum_versions", sdk.minimum_versions.keys().collect()),
        ("recommended_versions", sdk.recommended_versions.keys().collect()),
        ("capabilities", sdk.capabilities.keys().collect()),
        ("notes", sdk.notes.keys().collect()),
    ];
    for (name, platforms) in tables {
        let mut seen = BTreeSet::new();
        for platform in platforms {
            check.rule(
                &format!("protocol.sdk_compatibility.{name}"),
                format_args!("with {platform:?}"),
                seen.insert(platform.to_lowercase()),
                "names that platform twice: case does not matter",
                "keep one of the spellings",
            );
        }
    }
    for (name, versions) in [
        ("minimum_versions", &sdk.minimum_versions),
        ("recommended_versions", &sdk.recommended_versions),
    ] {
        for (platform, version) in versions {
            check.rule(
                &format!("protocol.sdk_compatibility.{name}.{platform}"),
                format_args!("{version:?}"),
                Version::parse(version).is_ok(),
                "must be a semantic version",
                "write it like 1.12.0",
            );
        }
    }
}

fn logging(config: &Config, check: &mut Check) {
    let logging = &config.logging;
    if !logging.enable_file_logging {
        return;
    }
    check.rule(
        "logging.dir",
        format_args!("{:?}", logging.dir),
        !logging.dir.trim().is_empty(),
        "must name a directory",
        "name one, or set logging.enable_file_logging to false",
    );
    check.rule(
        "logging.filename",
        format_args!("{:?}", logging.filename),
        !logging.filename.trim().is_empty() && !logging.filename.contains('/'),
        "must be a file name without a directory",
        "name a file; its directory is logging.dir",
    );
}

fn relay_types(config: &Config, check: &mut Check) {
    let relay_types = &config.relay_types;
    label("relay_types.default_relay_type", &relay_types.default_relay_type, check);
    for (game, relay_type) in &relay_types.game_relay_mappings {
        label(&format!("relay_types.game_relay_mappings.{game}"), relay_type, check);
        label("relay_types.game_relay_mappings (a game name)", game, check);
    }
}

fn label(path: &str, text: &str, check: &mut Check) {
    check.rule(
        path,
        format_args!("{text:?}"),
        is_label(text),
        "must not be blank, longer than 256 bytes or hold control characters",
        "choose a short printable text",
    );
}

fn session(config: &Config, check: &mut Check) {
    for (index, server) in config.session.ice_servers.iter().enumerate() {
        let path = format!("session.ice_servers[{index}].urls");
        check.rule(
            &path,
            "[]",
            !server.urls.is_empty(),
            "must hold at least one address",
            "add one, or remove the entry",
        );
        ice_urls(&path, &server.urls, &["stun:", "stuns:", "turn:", "turns:"], check);
        if let Some(credential) = &server.credential {
            check.not_redacted(&format!("session.ice_servers[{index}].credential"), credential);
        }
    }
}

fn turn(config: &Config, check: &mut Check) {
    let turn = &config.turn;
    check.not_redacted("turn.static_auth_secret", &turn.static_auth_secret);
    ice_urls("turn.urls", &turn.urls, &["turn:", "turns:"], check);
    ice_urls("turn.stun_urls", &turn.stun_urls, &["stun:", "stuns:"], check);
    if !turn.enabled {
        return;
    }
    check.range("turn.credential_ttl_secs", turn.credential_ttl_secs, 1..=86_400);
    check.rule(
        "turn.static_auth_secret",
        "empty",
        !turn.static_auth_secret.expose().trim().is_empty(),
        "must be set while turn.enabled is true",
        "give the secret of your TURN server, or set turn.enabled to false",
    );
    check.rule(
        "turn.urls",
        "[]",
        !turn.urls.is_empty(),
        "must hold at least one address while turn.enabled is true",
        "add one, or set turn.enabled to false",
    );
}

fn ice_urls(path: &str, urls: &[String], schemes: &[&str], check: &mut Check) {
    for (index, url) in urls.iter().enumerate() {
        let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
        check.rule(
            &format!("{path}[{index}]"),
            "something else (not shown)",
            rest.is_some_and(|rest| !rest.is_empty()) && !url.contains(char::is_whitespace),
            &format!("must start with one of {} and hold no spaces", schemes.join(" ")),
            "write it like turn:turn.example:3478",
        );
    }
}

fn websocket(config: &Config, check: &mut Check) {
    let websocket = &config.websocket;
    if websocket.enable_batching {
        check.range("websocket.batch_interval_ms", websocket.batch_interval_ms, 1..=60_000);
        check.rule(
            "websocket.max_sojourn_ms",
            websocket.max_sojourn_ms,
            websocket.max_sojourn_ms > websocket.batch_interval_ms,
            "must be more than websocket.batch_interval_ms, or every batch comes too late",
            "raise it, or shorten the batches",
        );
    }
}

fn metrics(config: &Config, check: &mut Check) {
    let metrics = &config.metrics;
    check.rule(
        "metrics.dashboard_cache_ttl_secs",
        metrics.dashboard_cache_ttl_secs,
        metrics.dashboard_cache_ttl_secs >= metrics.dashboard_cache_refresh_interval_secs.max(1),
        "must be at least metrics.dashboard_cache_refresh_interval_secs, or every snapshot is stale",
        "raise it, or refresh more often",
    );
}

fn runtime(config: &Config, check: &mut Check) {
    let runtime = &config.runtime;
    check.rule(
        "runtime.cpu_slice_us",
        runtime.cpu_slice_us,
        runtime.cpu_slice_us == 0 || (100..=100_000).contains(&runtime.cpu_slice_us),
        "must be 0 (as the system does it) or between 100 and 100000",
        "500 does well; set 0 to leave it to the system",
    );
    if let Some(bytes) = runtime.outbox_max_bytes {
        let least = config.largest_relayed_frame_bytes();
        check.rule(
            "runtime.outbox_max_bytes",
            bytes,
            bytes >= least,
            "must hold one message of security.max_message_size and its envelope",
            &format!("set it to {least} or more, or leave it out"),
        );
    }
}
