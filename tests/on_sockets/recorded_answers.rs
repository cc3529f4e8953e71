//! What the published server answered to each request, as it was recorded, beside what this one answers. Where the two
//! differ the reason stands beside it; a difference that is not listed fails, and so does one that is none.

use crate::support::server::Server;
use crate::support::wire::Wire;

const TOKEN: &str = "metrics-token-for-the-lab-0123456789";

/// A request and the answer that was recorded: its status, and fields that it has. A body is compared where it is fixed.
struct Recorded {
    request: (&'static str, &'static str, &'static [&'static str]),
    status: u16,
    fields: &'static [&'static str],
    body: Option<&'static str>,
    /// Why this server answers with another status, or without some of the fields, and what then.
    but: Option<(u16, &'static str)>,
}

const fn recorded(method: &'static str, path: &'static str, status: u16) -> Recorded {
    Recorded {
        request: (method, path, &[]),
        status,
        fields: &["vary: origin"],
        body: None,
        but: None,
    }
}

const NOT_FOUND: &str = "a typing error is seen at once";
const UPGRADE: &[&str] = &[
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
];
const FOREIGN_UPGRADE: &[&str] = &[
    UPGRADE[0],
    UPGRADE[1],
    UPGRADE[2],
    UPGRADE[3],
    "Origin: https://evil.example",
];
const LOCAL_UPGRADE: &[&str] = &[
    UPGRADE[0],
    UPGRADE[1],
    UPGRADE[2],
    UPGRADE[3],
    "Origin: http://localhost:3000",
];
const OLD_UPGRADE: &[&str] = &[UPGRADE[0], UPGRADE[1], "Sec-WebSocket-Version: 8", UPGRADE[3]];
const ACCEPTED: &[&str] = &[
    "vary: origin",
    "upgrade: websocket",
    "sec-websocket-accept: icx+yqv66kxgm0fcwalwlflwtai=",
    "x-signal-fish-upgrade-outcome: accepted",
    "x-signal-fish-max-outbound-message-size: 8388608",
];
const TEXT: &[&str] = &["vary: origin", "content-type: text/plain; charset=utf-8"];

/// Without authentication of metrics.
fn open() -> Vec<Recorded> {
    let config = |path| Recorded {
        fields: &[
            "vary: origin",
            "content-type: application/json",
            "cache-control: no-store",
        ],
        body: Some(r#"{"max_outbound_message_size":8388608}"#),
        ..recorded("GET", path, 200)
    };
    let health = |method, path| Recorded {
        fields: TEXT,
        body: Some(if method == "HEAD" { "" } else { "OK" }),
        ..recorded(method, path, 200)
    };
    let shared = |path, origin, fields| Recorded {
        request: ("GET", path, origin),
        fields,
        ..recorded("GET", path, 200)
    };
    let missing = |method, path| Recorded {
        but: Some((404, NOT_FOUND)),
        ..recorded(method, path, 200)
    };
    let json = |path| Recorded {
        fields: &["vary: origin", "content-type: application/json"],
        ..recorded("GET", path, 200)
    };
    let malformed = |path| Recorded {
        fields: TEXT,
        ..recorded("GET", path, 400)
    };
    let prometheus = |path| Recorded {
        fields: &["vary: origin", "content-type: text/plain; version=0.0.4; charset=utf-8"],
        ..recorded("GET", path, 200)
    };
    let wrong_method = |path| Recorded {
        fields: &["vary: origin", "allow: get,head", "content-length: 0"],
        ..recorded("POST", path, 405)
    };
    let preflight = |fields, expected| Recorded {
        request: ("OPTIONS", "/metrics/prom", fields),
        fields: expected,
        ..recorded("OPTIONS", "/metrics/prom", 200)
    };
    let upgrade = |path, fields, status, expected| Recorded {
        request: ("GET", path, fields),
        fields: expected,
        ..recorded("GET", path, status)
    };
    let ready = |path| Recorded {
        fields: &["vary: origin", "cache-control: no-store", "content-length: 0"],
        ..recorded("GET", path, 200)
    };
    vec![
        config("/v2/client-config"),
        config("/v3/client-config"),
        missing("GET", "/client-config"),
        health("GET", "/health"),
        health("GET", "/v2/health"),
        health("HEAD", "/health"),
        wrong_method("/health"),
        ready("/readyz"),
        ready("/v2/readyz"),
        shared(
            "/health",
            &["Origin: http://localhost:3000"],
            &["vary: origin", "access-control-allow-origin: http://localhost:3000"],
        ),
        shared("/health", &["Origin: https://evil.example"], &["vary: origin"]),
        shared(
            "/health",
            &["Origin: https://play.example"],
            &["vary: origin", "access-control-allow-origin: https://play.example"],
        ),
        preflight(
            &["Origin: http://localhost:3000", "Access-Control-Request-Method: GET"],
            &[
                "vary: origin",
                "access-control-allow-methods: *",
                "access-control-allow-origin: http://localhost:3000",
                // There: a star alone, which stands for everything but this field.
                "access-control-allow-headers: *,authorization",
            ],
        ),
        preflight(
            &["Origin: https://evil.example", "Access-Control-Request-Method: GET"],
            &["vary: origin", "access-control-allow-methods: *"],
        ),
        Recorded {
            fields: TEXT,
            ..recorded("GET", "/", 200)
        },
        Recorded {
            but: Some((308, "the live page is at /admin/")),
            ..missing("GET", "/admin")
        },
        missing("GET", "/dashboard"),
        missing("GET", "/v3/health"),
        missing("GET", "/v3/metrics"),
        missing("POST", "/nope"),
        missing("DELETE", "/v2/nope"),
        prometheus("/metrics/prom"),
        prometheus("/v1/metrics/prom"),
        prometheus("/v2/metrics/prom"),
        wrong_method("/metrics/prom"),
        json("/metrics"),
        json("/v1/metrics"),
        json("/v2/metrics"),
        json("/metrics/sessions"),
        malformed("/metrics/sessions?since=abc"),
        malformed("/metrics/rooms/lookup"),
        upgrade("/v2/ws", UPGRADE, 101, ACCEPTED),
        upgrade("/v3/ws", UPGRADE, 101, ACCEPTED),
        upgrade("/v3/ws?anything=1&protocol=2", UPGRADE, 101, ACCEPTED),
        upgrade(
            "/v3/ws",
            LOCAL_UPGRADE,
            101,
            &["vary: origin", "access-control-allow-origin: http://localhost:3000"],
        ),
        upgrade(
            "/v3/ws",
            FOREIGN_UPGRADE,
            403,
            &[
                "vary: origin",
                "content-type: text/plain; charset=utf-8",
                "x-signal-fish-upgrade-outcome: rejected_origin",
            ],
        ),
        upgrade("/v3/ws", &[], 400, TEXT),
        upgrade("/v3/ws", OLD_UPGRADE, 400, TEXT),
        Recorded {
            request: ("POST", "/v3/ws", UPGRADE),
            // There: HEAD and CONNECT too, which upgrade nothing over HTTP/1.1.
            fields: &["vary: origin", "allow: get", "content-length: 0"],
            ..recorded("POST", "/v3/ws", 405)
        },
        Recorded {
            request: ("GET", "/ws", UPGRADE),
            but: Some((404, NOT_FOUND)),
            ..recorded("GET", "/ws", 200)
        },
    ]
}

/// With authentication of metrics.
fn guarded() -> Vec<Recorded> {
    const RIGHT: &[&str] = &["Authorization: Bearer metrics-token-for-the-lab-0123456789"];
    const LOWER: &[&str] = &["Authorization: bearer metrics-token-for-the-lab-0123456789"];
    const BARE: &[&str] = &["Authorization: metrics-token-for-the-lab-0123456789"];
    const WRONG: &[&str] = &["Authorization: Bearer wrong"];
    // There: no `WWW-Authenticate`, which RFC 9110 wants beside this status.
    let refused = |fields| Recorded {
        request: ("GET", "/metrics/prom", fields),
        fields: &[
            "vary: origin",
            "content-length: 0",
            r#"www-authenticate: bearer realm="metrics""#,
        ],
        ..recorded("GET", "/metrics/prom", 401)
    };
    let open = |path| recorded("GET", path, 200);
    vec![
        refused(&[]),
        refused(WRONG),
        refused(BARE),
        Recorded {
            request: ("GET", "/metrics/prom", LOWER),
            but: Some((200, "a scheme may be spelled in any case")),
            ..recorded("GET", "/metrics/prom", 401)
        },
        Recorded {
            request: ("GET", "/metrics/prom", RIGHT),
            ..open("/metrics/prom")
        },
        open("/health"),
        open("/v3/client-config"),
    ]
}

fn compare(server: &Server, recorded: &Recorded) {
    let (method, path, fields) = recorded.request;
    let mut wire = Wire::connect(server.address());
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    for field in fields {
        request.push_str(field);
        request.push_str("\r\n");
    }
    wire.send((request + "\r\n").as_bytes());
    let head = wire.head();
    let shown = format!("{method} {path} {fields:?}: {head}");
    let status: u16 = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .expect("a status");
    if let Some((ours, why)) = recorded.but {
        assert_eq!(status, ours, "{why}: {shown}");
        assert_ne!(ours, recorded.status, "this is no difference: {shown}");
        return;
    }
    assert_eq!(status, recorded.status, "{shown}");
    let lines: Vec<String> = head.lines().map(str::to_ascii_lowercase).collect();
    for field in recorded.fields {
        assert!(lines.iter().any(|line| line == field), "{field} is missing: {shown}");
    }
    let allows = recorded
        .fields
        .iter()
        .any(|field| field.starts_with("access-control-allow-origin"));
    let allowed = lines.iter().any(|line| line.starts_with("access-control-allow-origin"));
    assert_eq!(allowed, allows, "{shown}");
    if let Some(body) = recorded.body {
        assert_eq!(wire.take(body.len()), body.as_bytes(), "{shown}");
    }
}

#[test]
fn what_was_recorded_is_answered_but_for_what_is_listed() {
    let origins = "http://localhost:3000,http://localhost:5173,https://play.example";
    let server = Server::with(2, |config| config.security.cors_origins = Some(origins.to_owned()));
    open().iter().for_each(|recorded| compare(&server, recorded));
    let server = Server::with(1, |config| {
        config.security.metrics_auth_token = serde_json::from_value(TOKEN.into()).expect("a token");
        config.security.require_metrics_auth = Some(true);
    });
    guarded().iter().for_each(|recorded| compare(&server, recorded));
}
