//! Every rule has a value that breaks it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::config::Violation;
use crate::config::merge::merge;
use crate::config::schema::Node;
use crate::config::{BOUNDS, Bound};

fn with(over: Value) -> Config {
    let mut value = serde_json::to_value(Config::default()).expect("a config serialises");
    merge(&mut value, over);
    Config::deserialize(value).expect("the test gives values of the right type")
}

/// `{"a": {"b": value}}` for `a.b`.
fn at(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |value, key| json!({ key: value }))
}

fn broken(config: &Config) -> Vec<Violation> {
    config.validate().err().map_or(Vec::new(), |violations| violations.0)
}

#[test]
fn the_defaults_are_valid() {
    assert_eq!(Config::default().validate(), Ok(()));
}

/// A document that gives one number; a list gets one member with what it cannot be without.
fn giving(path: &str, value: u64) -> Value {
    let Some((list, key)) = path.split_once("[].") else {
        return at(path, json!(value));
    };
    let mut member = json!({"app_id": "g", "app_name": "G"});
    merge(&mut member, at(key, json!(value)));
    at(list, json!([member]))
}

/// No list by hand: the rows are those of the tree of keys, which cannot be built while one is missing.
#[test]
fn every_number_is_tried_at_its_ends_and_beyond() {
    for Bound { path, least, most } in BOUNDS.iter().copied() {
        assert!(least <= most && most < u64::MAX, "{path}");
        let own_path = path.replace("[]", "[0]");
        for value in [
            0,
            1,
            least.saturating_sub(1),
            least,
            most,
            most + 1,
            1 << 32,
            1 << 63,
            u64::MAX,
        ] {
            let is_within = (least..=most).contains(&value);
            let mut document = serde_json::to_value(Config::default()).expect("a config serialises");
            merge(&mut document, giving(path, value));
            let Ok(config) = Config::deserialize(document) else {
                assert!(!is_within, "{path} = {value} has no place in its type");
                continue;
            };
            let found = broken(&config);
            let bounds = format!("must be from {least} to {most}");
            let is_refused = found.iter().any(|v| v.path == own_path && v.allowed == bounds);
            assert_eq!(is_refused, !is_within, "{path} = {value}: {found:#?}");
            if is_refused {
                let of_this_key = found.iter().filter(|v| v.path == own_path).count();
                assert_eq!(of_this_key, 1, "{path} = {value} is told once: {found:#?}");
            }
        }
    }
}

#[test]
fn no_bound_is_left_without_its_number() {
    let known = Node::config().leaf_paths();
    for (index, bound) in BOUNDS.iter().enumerate() {
        assert!(known.iter().any(|path| path == bound.path), "{}", bound.path);
        assert!(
            BOUNDS[..index].iter().all(|other| other.path != bound.path),
            "{} twice",
            bound.path
        );
    }
}

#[test]
fn every_rule_between_two_numbers_has_its_ends() {
    let ranges: [(&str, Option<u64>, Option<u64>); 12] = [
        ("server.default_max_players", Some(0), Some(101)),
        ("server.ping_timeout", Some(5), None),
        ("protocol.room_code_length", None, Some(65_536)),
        ("protocol.max_protocol_version", Some(1), Some(4)),
        ("security.max_message_size", Some(0), Some((8 << 20) - 255)),
        (
            "security.max_outbound_message_size",
            Some(65_536 + 255),
            Some((64 << 20) + 1),
        ),
        ("security.max_signal_bytes", Some(0), Some(65_537)),
        ("security.max_connection_info_bytes", Some(0), Some(65_537)),
        ("security.max_connections_per_ip", Some(0), Some(10_001)),
        ("metrics.dashboard_cache_ttl_secs", Some(4), None),
        ("runtime.cpu_slice_us", Some(99), Some(100_001)),
        ("runtime.outbox_max_bytes", Some(65_536 + 255), None),
    ];
    for (path, below, above) in ranges {
        for value in below.into_iter().chain(above) {
            let found = broken(&with(at(path, json!(value))));
            // A limit that others hang on may break those too.
            let named = found
                .iter()
                .any(|v| v.path == path || v.path == "security.max_message_size");
            assert!(named, "{path} = {value}: {found:#?}");
        }
    }
}

#[test]
fn the_ends_of_a_range_are_inside() {
    for (path, value) in [
        ("server.inactive_room_timeout", 31),
        ("server.ping_timeout", 6),
        ("server.ping_timeout", 0),
        ("server.event_buffer_size", 0),
        ("security.max_message_size", (8 << 20) - 256),
        ("security.max_outbound_message_size", 64 << 20),
        ("websocket.auth_timeout_secs", 5),
        ("websocket.auth_timeout_secs", 60),
        ("websocket.server_ping_interval_secs", 0),
        ("runtime.outbox_max_bytes", 65_536 + 256),
        ("runtime.tick_ms", 1),
        ("protocol.max_protocol_version", 2),
    ] {
        let found = broken(&with(at(path, json!(value))));
        assert!(found.is_empty(), "{path} = {value}: {found:#?}");
    }
}

#[test]
fn all_faults_are_found_and_each_says_what_to_do() {
    let config = with(json!({
        "server": {"default_max_players": 0, "max_rooms": 0},
        "rate_limit": {"time_window": 0},
        "relay_types": {"default_relay_type": " ", "game_relay_mappings": {"chess": "a\u{7}"}},
    }));
    let paths: Vec<_> = broken(&config).into_iter().map(|v| v.path).collect();
    assert_eq!(
        paths,
        [
            "rate_limit.time_window",
            "server.max_rooms",
            "server.default_max_players",
            "relay_types.default_relay_type",
            "relay_types.game_relay_mappings.chess"
        ]
    );
    let text = config.validate().expect_err("it is broken").to_string();
    assert_eq!(
        text.lines().nth(2),
        Some(
            "`server.default_max_players` is 0: it must be from 1 to 100. To do: correct it, or leave it out for the \
             default, 8"
        )
    );
}

#[test]
fn headers_of_proxies_need_proxies_that_are_believed_and_the_other_way_round() {
    let decided = json!({"security": {"enforce_app_id_allowlist": false, "require_metrics_auth": false}});
    let faults = |proxies: Value| {
        let mut over = decided.clone();
        merge(&mut over, json!({ "security": proxies }));
        broken(&with(over)).into_iter().map(|v| v.path).collect::<Vec<_>>()
    };
    for mode in ["optional", "required"] {
        assert_eq!(faults(json!({"proxy_protocol": mode})), ["security.trusted_proxies"]);
        let named = json!({"proxy_protocol": mode, "trusted_proxies": ["10.0.0.0/8", "::1"]});
        assert!(faults(named).is_empty(), "{mode}");
    }
    for field in ["forwarded", "x-forwarded-for"] {
        assert_eq!(faults(json!({"forwarded_header": field})), ["security.trusted_proxies"]);
        let named = json!({"forwarded_header": field, "trusted_proxies": ["::1"]});
        assert!(faults(named).is_empty(), "{field}");
    }
    assert_eq!(
        faults(json!({"trusted_proxies": ["10.0.0.0/8"]})),
        ["security.trusted_proxies"]
    );
}

#[test]
fn whoever_names_a_proxy_has_a_public_server_wherever_it_is_bound() {
    let near = with(json!({"security": {"proxy_protocol": "required", "trusted_proxies": ["127.0.0.1"]}}));
    assert!(near.allowlist_enforced() && near.metrics_auth_required() && near.undecided_doors().is_empty());
    let paths: Vec<_> = broken(&near).into_iter().map(|v| v.path).collect();
    assert_eq!(paths, ["security.allowed_apps", "security.metrics_auth_token"]);
}

#[test]
fn a_public_address_needs_apps_and_a_token_or_a_clear_no() {
    let public = with(json!({"bind": "0.0.0.0"}));
    let text = public.validate().expect_err("nobody could connect").to_string();
    for cure in [
        "app_id",
        "security.enforce_app_id_allowlist to false",
        "security.metrics_auth_token",
        "security.require_metrics_auth to false",
    ] {
        assert!(text.contains(cure), "{cure} is not in {text}");
    }
    let app = json!([{"app_id": "g", "app_name": "G"}]);
    for cured in [
        json!({"allowed_apps": app, "metrics_auth_token": "0123456789abcdef"}),
        json!({"enforce_app_id_allowlist": false, "require_metrics_auth": false}),
    ] {
        assert_eq!(with(json!({"bind": "::", "security": cured})).validate(), Ok(()));
    }
}

#[test]
fn rules_of_other_shapes() {
    let long = "x".repeat(257);
    for (path, value) in [
        ("server.room_code_prefix", json!("EU-")),
        ("server.room_code_prefix", json!("ABCDEF")),
        ("security.cors_origins", json!("https://play.example/")),
        ("security.metrics_auth_token", json!(" padded ")),
        ("security.metrics_auth_token", json!("")),
        ("security.metrics_auth_token", json!("<redacted>")),
        ("security.max_game_data_bytes", json!({})),
        ("security.connect_token", json!({})),
        (
            "security.connect_token",
            json!({"public_key": "k", "public_key_path": "p"}),
        ),
        ("security.transport.token_binding.required", json!(true)),
        (
            "security.transport.token_binding.require_client_fingerprint",
            json!(true),
        ),
        ("security.transport.token_binding.subprotocol", json!("with space")),
        ("security.transport.token_binding.subprotocol", json!("signal-fish.v3")),
        (
            "security.transport.token_binding.subprotocol",
            json!("signalfish.tokenbinding.v9"),
        ),
        ("relay_types.default_relay_type", json!(long)),
    ] {
        let found = broken(&with(at(path, value.clone())));
        assert!(found.iter().any(|v| v.path == path), "{path} = {value}: {found:#?}");
    }
    for (path, value, named) in [
        (
            "security.max_game_data_bytes",
            json!({"json": 65_537}),
            "security.max_game_data_bytes.json",
        ),
        (
            "security.connect_token",
            json!({"public_key": "short"}),
            "security.connect_token.public_key",
        ),
        (
            "security.connect_token",
            json!({"public_key": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}),
            "security.connect_token.public_key",
        ),
        (
            "security.connect_token",
            json!({"public_key_path": "/none"}),
            "security.connect_token.public_key_path",
        ),
        (
            "protocol.sdk_compatibility.minimum_versions",
            json!({"unity": "1.x"}),
            "protocol.sdk_compatibility.minimum_versions.unity",
        ),
        (
            "session.ice_servers",
            json!([{"urls": []}]),
            "session.ice_servers[0].urls",
        ),
        (
            "session.ice_servers",
            json!([{"urls": ["http://a"]}]),
            "session.ice_servers[0].urls[0]",
        ),
        ("turn.stun_urls", json!(["turn:a"]), "turn.stun_urls[0]"),
        ("turn.urls", json!(["turn: a"]), "turn.urls[0]"),
        (
            "turn",
            json!({"enabled": true, "urls": ["turn:a"]}),
            "turn.static_auth_secret",
        ),
        ("turn", json!({"enabled": true, "static_auth_secret": "s"}), "turn.urls"),
        (
            "logging",
            json!({"enable_file_logging": true, "filename": "a/b"}),
            "logging.filename",
        ),
        (
            "turn.static_auth_secret",
            json!(" <redacted>\n"),
            "turn.static_auth_secret",
        ),
        (
            "session.ice_servers",
            json!([{"urls": ["turn:a"], "credential": "<redacted>"}]),
            "session.ice_servers[0].credential",
        ),
        (
            "protocol.sdk_compatibility.notes",
            json!({"Unity": "a", "unity": "b"}),
            "protocol.sdk_compatibility.notes",
        ),
        (
            "websocket",
            json!({"enable_batching": true, "max_sojourn_ms": 16}),
            "websocket.max_sojourn_ms",
        ),
        (
            "security.transport.tls",
            json!({"enabled": true}),
            "security.transport.tls.certificate_path",
        ),
        (
            "security.transport.tls",
            json!({"enabled": true, "client_ca_cert_path": "/none"}),
            "security.transport.tls.client_ca_cert_path",
        ),
        (
            "security.transport.token_binding",
            json!({"enabled": true, "scheme": "sec_websocket_key_sha256"}),
            "security.transport.token_binding.scheme",
        ),
    ] {
        let found = broken(&with(at(path, value.clone())));
        assert!(
            found.iter().any(|v| v.path == named),
            "{named} with {path} = {value}: {found:#?}"
        );
    }
}

#[test]
fn what_token_binding_demands_has_to_be_there() {
    const REQUIRED: &str = "security.transport.token_binding.required";
    const FINGERPRINT: &str = "security.transport.token_binding.require_client_fingerprint";
    let tls = |client_auth: &str| json!({"enabled": true, "client_auth": client_auth});
    let no_tls = json!({"enabled": false, "client_auth": "require"});
    let enabled = json!({"enabled": true});
    let required = json!({"enabled": true, "required": true});
    let all = json!({"enabled": true, "required": true, "require_client_fingerprint": true});
    for (tls, binding, faults) in [
        (&tls("none"), &enabled, &[][..]),
        (&tls("none"), &required, &[]),
        (&tls("none"), &json!({"required": true}), &[REQUIRED]),
        (&no_tls, &enabled, &[]),
        (&no_tls, &required, &[REQUIRED]),
        (&tls("optional"), &all, &[]),
        (&tls("require"), &all, &[]),
        (&tls("none"), &all, &[FINGERPRINT]),
        (&no_tls, &all, &[FINGERPRINT, REQUIRED]),
        (
            &tls("require"),
            &json!({"enabled": true, "require_client_fingerprint": true}),
            &[FINGERPRINT],
        ),
    ] {
        let found = broken(&with(at(
            "security.transport",
            json!({"tls": tls, "token_binding": binding}),
        )));
        let mut named: Vec<&str> = found.iter().map(|violation| violation.path.as_str()).collect();
        named.retain(|path| path.starts_with("security.transport.token_binding."));
        named.sort_unstable();
        assert_eq!(named, faults, "{tls} {binding}");
    }
}

#[test]
fn app_entries_are_checked_one_by_one() {
    let config = with(json!({"security": {"allowed_apps": [
        {"app_id": "a", "app_name": "A", "max_rooms": 0, "max_relay_bytes": 0},
        {"app_id": "a", "app_name": "A"},
        {"app_id": " ", "app_name": "A", "require_connect_token": true},
    ]}}));
    let paths: Vec<_> = broken(&config).into_iter().map(|v| v.path).collect();
    assert_eq!(
        paths,
        [
            "security.allowed_apps[0].max_relay_bytes",
            "security.allowed_apps[0].max_rooms",
            "security.allowed_apps[1].app_id",
            "security.allowed_apps[2].app_id",
            "security.allowed_apps[2].require_connect_token",
        ]
    );
}

#[test]
fn a_secret_is_not_part_of_a_fault() {
    let config = with(json!({"security": {"metrics_auth_token": " hunter2 "}}));
    let text = config.validate().expect_err("it is padded").to_string();
    assert!(!text.contains("hunter2"), "{text}");
}
