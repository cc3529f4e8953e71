//! The rules of section `security`.

use std::collections::BTreeSet;
use std::path::Path;

use super::check::{Check, Number, is_label};
use crate::config::{
    AdminTokenError, ClientAuth, Config, ForwardedHeader, OriginPolicy, PLAIN_SUBPROTOCOLS, ProxyProtocol,
    SecurityConfig, TokenBindingConfig, TokenBindingScheme, TokenKeyError,
};

/// Largest `max_outbound_message_size`, in bytes.
const MAX_OUTBOUND_BYTES: usize = 64 << 20;

/// Subprotocols that start like this are kept for built-in schemes.
const RESERVED_SUBPROTOCOLS: &str = "signalfish.tokenbinding.";

pub(super) fn check(config: &Config, check: &mut Check) {
    sizes(config, check);
    origins(config, check);
    apps(config, check);
    metrics_auth(config, check);
    connect_token(config, check);
    tls(config, check);
    token_binding(config, check);
    proxies(config, check);
}

fn sizes(config: &Config, check: &mut Check) {
    let security = &config.security;
    let message = security.max_message_size.max(1);
    let outbound = security.max_outbound_message_size;
    let most = outbound
        .min(MAX_OUTBOUND_BYTES)
        .saturating_sub(SecurityConfig::ENVELOPE_BYTES);
    check.rule(
        "security.max_message_size",
        security.max_message_size,
        (1..=most).contains(&security.max_message_size),
        &format!("must be from 1 to {most}, which is security.max_outbound_message_size less 256"),
        "lower it, or raise security.max_outbound_message_size",
    );
    check.range(
        "security.max_signal_bytes",
        security.max_signal_bytes,
        1..=message.wide(),
    );
    check.range(
        "security.max_connection_info_bytes",
        security.max_connection_info_bytes,
        1..=message.wide(),
    );
    let players = usize::from(config.protocol.max_players_limit);
    check.rule(
        "security.max_connection_info_bytes",
        security.max_connection_info_bytes,
        security.max_connection_info_bytes.saturating_mul(players) <= outbound,
        "times protocol.max_players_limit must fit security.max_outbound_message_size",
        "lower it or protocol.max_players_limit, or raise security.max_outbound_message_size",
    );
    let connections = security.max_connections.max(1);
    check.range(
        "security.max_connections_per_ip",
        security.max_connections_per_ip,
        1..=connections.wide(),
    );

    if let Some(limits) = &security.max_game_data_bytes {
        let members = [
            ("json", limits.json),
            ("message_pack", limits.message_pack),
            ("rkyv", limits.rkyv),
            ("protobuf", limits.protobuf),
        ];
        check.rule(
            "security.max_game_data_bytes",
            "{}",
            members.iter().any(|(_, bytes)| bytes.is_some()),
            "must name at least one of json, message_pack, rkyv, protobuf",
            "name one, or set it to null",
        );
        for (name, bytes) in members {
            if let Some(bytes) = bytes {
                check.range(
                    &format!("security.max_game_data_bytes.{name}"),
                    bytes,
                    1..=message.wide(),
                );
            }
        }
    }
}

fn origins(config: &Config, check: &mut Check) {
    if let Some(origins) = &config.security.cors_origins
        && let Err(entry) = OriginPolicy::parse(origins)
    {
        check.rule(
            "security.cors_origins",
            format_args!("{origins:?}"),
            false,
            &format!("must be `*` or a comma list of origins as browsers send them, and {entry:?} is none"),
            "write each like https://play.example, http://localhost:3000 or capacitor://localhost: where the page comes from, \
             in lower case, without a path or a default port",
        );
    }
}

fn apps(config: &Config, check: &mut Check) {
    let apps = &config.security.allowed_apps;
    check.rule(
        "security.allowed_apps",
        "[]",
        !(config.allowlist_enforced() && apps.is_empty()),
        &format!(
            "must name an app while only listed apps may connect (which is so on the address {}, behind \
             security.trusted_proxies, or with security.app_auth_path)",
            config.bind
        ),
        "add {\"app_id\": \"my-game\", \"app_name\": \"My Game\"} to it, or set security.enforce_app_id_allowlist to \
         false and let any app connect",
    );
    let mut seen = BTreeSet::new();
    for (index, app) in apps.iter().enumerate() {
        let path = |key: &str| format!("security.allowed_apps[{index}].{key}");
        let id = format!("{:?}", app.app_id);
        check.rule(
            &path("app_id"),
            &id,
            is_label(&app.app_id),
            "must not be blank, longer than 256 bytes or hold control characters",
            "choose a short printable id",
        );
        check.rule(
            &path("app_id"),
            &id,
            seen.insert(&app.app_id),
            "is in the list twice (security.app_auth_path is part of the list)",
            "remove one of the entries",
        );
        check.rule(
            &path("require_connect_token"),
            true,
            app.require_connect_token != Some(true) || config.security.connect_token.is_some(),
            "needs a key in security.connect_token",
            "give security.connect_token.public_key, or leave it out",
        );
    }
}

fn metrics_auth(config: &Config, check: &mut Check) {
    let Some(token) = &config.security.metrics_auth_token else {
        check.rule(
            "security.metrics_auth_token",
            "null",
            !config.metrics_auth_required(),
            &format!(
                "must be set while metrics ask for a token (which is so on the address {}, or behind \
                 security.trusted_proxies)",
                config.bind
            ),
            "set it (16 characters or more), or set security.require_metrics_auth to false and let anyone read metrics",
        );
        return;
    };
    check.rule(
        "security.metrics_auth_token",
        "set (not shown)",
        !token.expose().is_empty() && token.expose().trim() == token.expose(),
        "must not be blank and must not begin or end with white space",
        "choose 16 random characters or more",
    );
    check.not_redacted("security.metrics_auth_token", token);
}

pub(super) fn admin_token(config: &Config, check: &mut Check) {
    let control = &config.control;
    let (key, value) = match (&control.admin_token, &control.admin_token_path) {
        (None, None) => return,
        (Some(token), None) => {
            check.not_redacted("control.admin_token", token);
            ("control.admin_token", "set (not shown)".to_owned())
        }
        (None, Some(path)) => {
            existing_file("control.admin_token_path", path, check);
            ("control.admin_token_path", format!("{path:?}"))
        }
        (Some(_), Some(_)) => {
            check.rule(
                "control.admin_token_path",
                "set beside control.admin_token",
                false,
                "takes the place of control.admin_token",
                "give one of them",
            );
            return;
        }
    };
    if let Err(AdminTokenError::Unfit(rule)) = config.admin_token() {
        check.rule(key, value, false, rule, "choose 16 random characters or more");
    }
}

fn connect_token(config: &Config, check: &mut Check) {
    let Some(token) = &config.security.connect_token else {
        return;
    };
    check.rule(
        "security.connect_token",
        match (&token.public_key, &token.public_key_path) {
            (None, None) => "without a key",
            _ => "with two keys",
        },
        token.public_key.is_some() != token.public_key_path.is_some(),
        "must have exactly one of public_key and public_key_path",
        "give one of them, or set security.connect_token to null",
    );
    if let Some(path) = &token.public_key_path {
        existing_file("security.connect_token.public_key_path", path, check);
    }
    if let Err(TokenKeyError::Fault(fault)) = token.key() {
        let (key, value) = match (&token.public_key, &token.public_key_path) {
            (Some(_), _) => ("security.connect_token.public_key", "set (not shown)".to_owned()),
            (None, Some(path)) => ("security.connect_token.public_key_path", format!("the file {path:?}")),
            (None, None) => return,
        };
        check.rule(
            key,
            value,
            false,
            &fault.to_string(),
            "copy the key again, or make a new pair of keys",
        );
    }
}

fn tls(config: &Config, check: &mut Check) {
    let tls = &config.security.transport.tls;
    if !tls.enabled {
        return;
    }
    let has_own = tls.certificate_path.is_some() || tls.private_key_path.is_some() || tls.certificates.is_empty();
    for (index, pair) in tls.certificates.iter().enumerate() {
        let key = |name| format!("security.transport.tls.certificates[{index}].{name}");
        existing_file(&key("certificate_path"), &pair.certificate_path, check);
        existing_file(&key("private_key_path"), &pair.private_key_path, check);
    }
    let files = [
        (
            "security.transport.tls.certificate_path",
            &tls.certificate_path,
            has_own,
        ),
        (
            "security.transport.tls.private_key_path",
            &tls.private_key_path,
            has_own,
        ),
        (
            "security.transport.tls.client_ca_cert_path",
            &tls.client_ca_cert_path,
            tls.client_auth != ClientAuth::None,
        ),
    ];
    for (key, path, needed) in files {
        match path {
            Some(path) => existing_file(key, path, check),
            None => check.rule(
                key,
                "null",
                !needed,
                "must name a PEM file",
                "name it, or turn off what needs it",
            ),
        }
    }
    check.rule(
        "security.transport.tls.client_ca_cert_path",
        "set",
        tls.client_ca_cert_path.is_none() || tls.client_auth != ClientAuth::None,
        "has no effect while security.transport.tls.client_auth is none",
        "set client_auth to optional or require, or leave the path out",
    );
}

fn proxies(config: &Config, check: &mut Check) {
    let security = &config.security;
    let has_proxies = !security.trusted_proxies.is_empty();
    let reads_headers =
        security.proxy_protocol != ProxyProtocol::Off || security.forwarded_header != ForwardedHeader::None;
    check.rule(
        "security.trusted_proxies",
        "[]",
        has_proxies || !reads_headers,
        "must name those who are believed while security.proxy_protocol or security.forwarded_header is set",
        "add your proxy's address or network, like 10.0.0.0/8, or leave both out",
    );
    check.rule(
        "security.trusted_proxies",
        "set",
        !has_proxies || reads_headers,
        "has no effect while neither security.proxy_protocol nor security.forwarded_header is set",
        "say what your proxies send, or leave it out",
    );
}

pub(super) fn existing_file(key: &str, path: &Path, check: &mut Check) {
    let name = path.to_string_lossy();
    check.rule(
        key,
        format_args!("{name:?}"),
        !name.is_empty() && name.trim() == name && path.is_file(),
        "must name an existing file, without white space around the name",
        "correct the path, or let this user read its directory",
    );
}

fn token_binding(config: &Config, check: &mut Check) {
    let (tls, binding) = (&config.security.transport.tls, &config.security.transport.token_binding);
    check.rule(
        "security.transport.token_binding.required",
        true,
        !binding.required || (binding.enabled && tls.enabled),
        "needs security.transport.token_binding.enabled and security.transport.tls.enabled",
        "set both, or set it to false: with token_binding.enabled alone, clients that offer a binding get one",
    );
    check.rule(
        "security.transport.token_binding.require_client_fingerprint",
        true,
        !binding.require_client_fingerprint || (binding.required && tls.enabled && tls.client_auth != ClientAuth::None),
        "needs security.transport.token_binding.required and clients that show certificates",
        "set required, and security.transport.tls.client_auth to require, or set it to false",
    );
    let name = &binding.subprotocol;
    check.rule(
        "security.transport.token_binding.subprotocol",
        format_args!("{name:?}"),
        is_http_token(name)
            && (!name.starts_with(RESERVED_SUBPROTOCOLS) || name == TokenBindingConfig::SUBPROTOCOL)
            && !PLAIN_SUBPROTOCOLS.contains(&name.as_str()),
        "must be an HTTP token; below signalfish.tokenbinding. only v2 exists, and signal-fish.v2 and .v3 bind nothing",
        "leave it out for the default",
    );
    check.rule(
        "security.transport.token_binding.scheme",
        "sec_websocket_key_sha256",
        !binding.enabled || binding.scheme != TokenBindingScheme::SecWebsocketKeySha256,
        "is no longer secure and cannot be enabled",
        "leave it out for server_nonce_hkdf_sha256",
    );
}

fn is_http_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
