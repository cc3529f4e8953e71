//! A server that is bound to loopback, and whoever reaches it: directly, through a proxy on this machine, or from a page
//! whose name was made to resolve to this machine. What is given protects, whoever comes.

use signal_fish_relay::config::{Config, ConnectTokenConfig, Secret};

use crate::support::server::Server;
use crate::support::wire::{TEXT, UPGRADE, Wire};

const KEY: &str = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";

fn apps(config: &mut Config) {
    let listed = serde_json::json!([{"app_id": "reef", "app_name": "Reef"}]);
    config.security.allowed_apps = serde_json::from_value(listed).expect("an app");
}

fn metrics_token(config: &mut Config) {
    config.security.metrics_auth_token = Some(Secret::new("sixteen characters"));
}

fn token_key(config: &mut Config) {
    config.security.connect_token = Some(ConnectTokenConfig {
        public_key: Some(KEY.to_owned()),
        ..ConnectTokenConfig::default()
    });
}

fn origins(config: &mut Config) {
    config.security.cors_origins = Some("https://relay.example".to_owned());
}

fn all(config: &mut Config) {
    for give in [apps, metrics_token, token_key, origins] {
        give(config);
    }
}

fn all_switched_off(config: &mut Config) {
    all(config);
    config.security.enforce_app_id_allowlist = Some(false);
    config.security.require_metrics_auth = Some(false);
    config.security.connect_token.as_mut().expect("given").required = Some(false);
    config.security.cors_origins = Some("*".to_owned());
}

type Change = fn(&mut Config);

const GIVEN: [(&str, Change); 7] = [
    ("nothing", |_| {}),
    ("apps", apps),
    ("metrics token", metrics_token),
    ("token key", token_key),
    ("origins", origins),
    ("all", all),
    ("all, switched off", all_switched_off),
];

/// Who comes, and with which fields; `PORT` is the server's.
const PEERS: [(&str, &str); 6] = [
    ("direct", "Host: 127.0.0.1:PORT\r\n"),
    (
        "page of its own",
        "Host: localhost:PORT\r\nOrigin: http://localhost:PORT\r\n",
    ),
    (
        "through a proxy",
        "Host: relay.example\r\nX-Forwarded-For: 192.0.2.7\r\nOrigin: https://relay.example\r\n",
    ),
    (
        "other page, proxy",
        "Host: relay.example\r\nX-Forwarded-For: 192.0.2.7\r\nOrigin: https://other.example\r\n",
    ),
    (
        "proxy hides Host",
        "Host: 127.0.0.1:PORT\r\nX-Forwarded-For: 192.0.2.7\r\nOrigin: https://relay.example\r\n",
    ),
    (
        "rebound page",
        "Host: evil.example:PORT\r\nOrigin: http://evil.example:PORT\r\n",
    ),
];

/// What each peer is answered: health, the metrics without a token, an upgrade, and the handshake of an app that nobody
/// knows.
const ANSWERS: &str = "
nothing           | direct            | 200 | 200 | 101 | in
nothing           | page of its own   | 200 | 200 | 101 | in
nothing           | through a proxy   | 200 | 403 | 403 | -
nothing           | other page, proxy | 200 | 403 | 403 | -
nothing           | proxy hides Host  | 200 | 200 | 101 | in
nothing           | rebound page      | 200 | 403 | 403 | -
apps              | direct            | 200 | 200 | 101 | INVALID_APP_ID
apps              | page of its own   | 200 | 200 | 101 | INVALID_APP_ID
apps              | through a proxy   | 200 | 403 | 403 | -
apps              | other page, proxy | 200 | 403 | 403 | -
apps              | proxy hides Host  | 200 | 200 | 101 | INVALID_APP_ID
apps              | rebound page      | 200 | 403 | 403 | -
metrics token     | direct            | 200 | 401 | 101 | in
metrics token     | page of its own   | 200 | 401 | 101 | in
metrics token     | through a proxy   | 200 | 403 | 403 | -
metrics token     | other page, proxy | 200 | 403 | 403 | -
metrics token     | proxy hides Host  | 200 | 401 | 101 | in
metrics token     | rebound page      | 200 | 403 | 403 | -
token key         | direct            | 200 | 200 | 101 | CONNECT_TOKEN_REQUIRED
token key         | page of its own   | 200 | 200 | 101 | CONNECT_TOKEN_REQUIRED
token key         | through a proxy   | 200 | 403 | 403 | -
token key         | other page, proxy | 200 | 403 | 403 | -
token key         | proxy hides Host  | 200 | 200 | 101 | CONNECT_TOKEN_REQUIRED
token key         | rebound page      | 200 | 403 | 403 | -
origins           | direct            | 200 | 200 | 101 | in
origins           | page of its own   | 200 | 200 | 101 | in
origins           | through a proxy   | 200 | 200 | 101 | in
origins           | other page, proxy | 200 | 200 | 403 | -
origins           | proxy hides Host  | 200 | 200 | 101 | in
origins           | rebound page      | 200 | 403 | 403 | -
all               | direct            | 200 | 401 | 101 | INVALID_APP_ID
all               | page of its own   | 200 | 401 | 101 | INVALID_APP_ID
all               | through a proxy   | 200 | 401 | 101 | INVALID_APP_ID
all               | other page, proxy | 200 | 401 | 403 | -
all               | proxy hides Host  | 200 | 401 | 101 | INVALID_APP_ID
all               | rebound page      | 200 | 403 | 403 | -
all, switched off | direct            | 200 | 200 | 101 | in
all, switched off | page of its own   | 200 | 200 | 101 | in
all, switched off | through a proxy   | 200 | 200 | 101 | in
all, switched off | other page, proxy | 200 | 200 | 101 | in
all, switched off | proxy hides Host  | 200 | 200 | 101 | in
all, switched off | rebound page      | 200 | 200 | 101 | in
";

fn status(head: &str) -> &str {
    head.split(' ')
        .nth(1)
        .unwrap_or_else(|| panic!("no status in {head:?}"))
}

fn asked(server: &Server, request: &str) -> (Wire, String) {
    let mut wire = Wire::connect(server.address());
    wire.send(request.as_bytes());
    let head = wire.head();
    (wire, status(&head).to_owned())
}

/// What the server says to an app that nobody has told it of.
fn stranger(mut wire: Wire) -> String {
    wire.send_frame(TEXT, br#"{"type":"Authenticate","data":{"app_id":"stranger"}}"#);
    let answer: serde_json::Value = serde_json::from_str(wire.frame().text()).expect("JSON");
    match answer["type"].as_str() {
        Some("Authenticated") => "in".to_owned(),
        _ => answer["data"]["error_code"].as_str().expect("a code").to_owned(),
    }
}

#[test]
fn what_is_given_protects_whoever_comes() {
    let mut table = "\n".to_owned();
    for (given, change) in GIVEN {
        let server = Server::with(1, change);
        let port = server.address().port().to_string();
        for (peer, fields) in PEERS {
            let fields = fields.replace("PORT", &port);
            let get = |path: &str| asked(&server, &format!("GET {path} HTTP/1.1\r\n{fields}\r\n")).1;
            let (health, metrics) = (get("/health"), get("/metrics/prom"));
            let (wire, upgrade) = asked(&server, &UPGRADE.replace("Host: localhost\r\n", &fields));
            let stranger = if upgrade == "101" {
                stranger(wire)
            } else {
                "-".to_owned()
            };
            table += &format!("{given:17} | {peer:17} | {health} | {metrics} | {upgrade} | {stranger}\n");
        }
    }
    assert_eq!(table, ANSWERS, "{table}");
}

#[test]
fn an_absolute_target_is_judged_by_its_authority() {
    let server = Server::start(1);
    for (target, host, expected) in [
        ("http://evil.example/metrics/prom", "localhost", "403"),
        ("http://evil.example/v2/ws", "localhost", "403"),
        ("HTTP://evil.example", "localhost", "403"),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(asked(&server, &request).1, expected, "{target}");
    }
}

#[test]
fn what_has_no_host_comes_from_no_page() {
    let server = Server::start(1);
    for path in ["/health", "/metrics/prom", "/v2/client-config"] {
        assert_eq!(
            asked(&server, &format!("GET {path} HTTP/1.0\r\n\r\n")).1,
            "200",
            "{path}"
        );
    }
    assert_eq!(asked(&server, "GET /metrics/prom HTTP/1.1\r\nHost: \r\n\r\n").1, "403");
}
