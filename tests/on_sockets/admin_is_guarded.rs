//! Who gets at the operators' page, and who does not.

use signal_fish_relay::config::{Config, ForwardedHeader, Secret};
use signal_fish_relay::shard::refusals::RefusalReason;

use crate::support::admin::{Answer, TOKEN, act, ask, ask_over, bearer, get, host, read, server, sign_in};
use crate::support::server::Server;
use crate::support::tls::{Authority, V1_3};
use crate::support::wire::Wire;

/// What only somebody may see who knows the token.
const SECRET_PATHS: [&str; 5] = [
    "/admin/api/overview",
    "/admin/api/rooms",
    "/admin/api/rooms/5b1e7f0c-6a63-4d0e-9a55-0f7e2d6c9b11",
    "/admin/api/live",
    "/admin/api/live?room=5b1e7f0c-6a63-4d0e-9a55-0f7e2d6c9b11",
];

/// What changes something.
const ACTIONS: [&str; 4] = [
    "/admin/api/drain",
    "/admin/api/undrain",
    "/admin/api/rooms/5b1e7f0c-6a63-4d0e-9a55-0f7e2d6c9b11/close",
    "/admin/api/rooms/5b1e7f0c-6a63-4d0e-9a55-0f7e2d6c9b11/kick",
];

/// The cookie and the other token of somebody who has signed in.
fn signed_in(server: &Server) -> (String, String) {
    let answer = sign_in(server, TOKEN);
    assert_eq!(answer.status, 200, "{answer:?}");
    let cookie = answer
        .field("set-cookie")
        .expect("a cookie")
        .split(';')
        .next()
        .expect("a pair");
    let csrf = answer.json()["csrf"].as_str().expect("a token").to_owned();
    (cookie.to_owned(), csrf)
}

fn post(server: &Server, path: &str, fields: &str) -> Answer {
    let head = format!("POST {path} HTTP/1.1\r\nHost: {}{fields}", host(server));
    ask(server.address(), &head, "")
}

#[test]
fn without_the_token_nothing_is_seen_and_nothing_done() {
    let server = server(1);
    for path in SECRET_PATHS {
        for fields in [
            "",
            "\r\nAuthorization: Basic YTpi",
            "\r\nCookie: signal_fish_admin=",
            "\r\nCookie: a=b",
        ] {
            let answer = get(&server, path, fields);
            assert!([401, 429].contains(&answer.status), "{path} {fields}");
            assert!(!answer.body.contains("shard"), "{answer:?}");
        }
    }
    for path in ACTIONS {
        assert!([401, 429].contains(&post(&server, path, "").status), "{path}");
    }
    assert!(!server.world().is_draining());
}

#[test]
fn a_wrong_token_is_none_however_near_it_is() {
    for wrong in [
        "",
        "a-token-of-operator",
        "a-token-of-operatorsx",
        "A-TOKEN-OF-OPERATORS",
    ] {
        let server = server(1);
        let answer = get(&server, SECRET_PATHS[0], &format!("\r\nAuthorization: Bearer {wrong}"));
        assert_eq!(answer.status, 401, "{wrong}");
        assert_eq!(sign_in(&server, wrong).status, 401, "{wrong}");
        assert_eq!(server.refused(RefusalReason::AdminToken), 2);
    }
    let server = server(1);
    let twice = format!("{}{}", bearer(), bearer());
    assert_eq!(get(&server, SECRET_PATHS[0], &twice).status, 401, "two fields are none");
}

#[test]
fn the_token_of_the_metrics_opens_nothing() {
    let server = Server::with(1, |config| {
        config.control.admin_token = Some(Secret::new(TOKEN));
        config.security.metrics_auth_token = Some(Secret::new("of-the-metrics-alone"));
    });
    let fields = "\r\nAuthorization: Bearer of-the-metrics-alone";
    assert_eq!(get(&server, "/metrics/prom", fields).status, 200);
    assert_eq!(get(&server, SECRET_PATHS[0], fields).status, 401);
}

#[test]
fn of_a_thousand_tries_five_are_listened_to_and_the_right_one_no_more() {
    let server = server(1);
    let mut statuses = Vec::new();
    for number in 0..1_000 {
        let answer = match number % 2 {
            0 => sign_in(&server, &format!("guess-{number}")),
            _ => get(
                &server,
                SECRET_PATHS[0],
                &format!("\r\nAuthorization: Bearer guess-{number}"),
            ),
        };
        statuses.push(answer.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5);
    assert!(statuses[5..].iter().all(|status| *status == 429));
    let late = sign_in(&server, TOKEN);
    assert_eq!(late.status, 429, "or the limit would limit nothing");
    let wait: u64 = late.field("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(server.refused(RefusalReason::AdminToken), 1_001);
    // Whoever is elsewhere is not kept out by that.
    let head = format!("GET {} HTTP/1.1\r\nHost: localhost{}", SECRET_PATHS[0], bearer());
    let elsewhere = ask_over(Wire::connect_from([127, 0, 0, 9], server.address()), &head, "");
    assert_eq!(elsewhere.status, 200);
}

#[test]
fn who_signs_in_has_a_cookie_that_only_the_page_can_use() {
    let server = server(1);
    let answer = sign_in(&server, TOKEN);
    let cookie = answer.field("set-cookie").expect("a cookie");
    for part in ["; HttpOnly", "; SameSite=Strict", "; Path=/admin/", "; Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "there is no TLS: {cookie}");
    let (cookie, csrf) = signed_in(&server);
    let cookie = format!("\r\nCookie: other=1; {cookie}");
    assert_eq!(get(&server, SECRET_PATHS[0], &cookie).status, 200);
    let own = format!("\r\nOrigin: http://{}", host(&server));
    let shown = format!("\r\nX-CSRF-Token: {csrf}");
    for (fields, status, what) in [
        (format!("{cookie}{shown}"), 403, "without an origin"),
        (format!("{cookie}{own}"), 403, "without what only the page knows"),
        (
            format!("{cookie}{own}\r\nX-CSRF-Token: {}", "A".repeat(43)),
            403,
            "with something else",
        ),
        (format!("{cookie}{own}{shown}{shown}"), 403, "with it twice"),
        (format!("{cookie}{own}{own}{shown}"), 403, "of two origins"),
        (format!("{cookie}\r\nOrigin: null{shown}"), 403, "of no origin"),
        (
            format!("{cookie}\r\nOrigin: http://evil.example{shown}"),
            403,
            "of another",
        ),
        (
            format!("{cookie}\r\nOrigin: http://localhost{shown}"),
            403,
            "of another port",
        ),
        (
            format!("{cookie}{own}.evil.example{shown}"),
            403,
            "of one that begins alike",
        ),
        (format!("{own}{shown}"), 401, "without the cookie"),
        (format!("{cookie}{own}{shown}"), 204, "as the page does"),
    ] {
        assert_eq!(post(&server, "/admin/api/drain", &fields).status, status, "{what}");
        assert_eq!(server.world().is_draining(), status == 204, "{what}");
    }
    let fields = format!("{cookie}{own}{shown}");
    assert_eq!(post(&server, "/admin/api/sign-out", &fields).status, 204);
    assert_eq!(get(&server, SECRET_PATHS[0], &cookie).status, 401);
}

#[test]
fn a_page_of_another_origin_cannot_sign_in_nor_read_anything() {
    let server = server(1);
    for origin in ["http://evil.example", "null", "https://localhost"] {
        let head = format!(
            "POST /admin/api/sign-in HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}",
            host(&server)
        );
        let answer = ask(server.address(), &head, &format!(r#"{{"token":"{TOKEN}"}}"#));
        assert!(
            answer.status == 403 && answer.field("set-cookie").is_none(),
            "{origin}: {answer:?}"
        );
    }
    // Every page may connect, and none may read this.
    let fields = format!("{}\r\nOrigin: http://evil.example", bearer());
    for path in [
        SECRET_PATHS[0],
        "/admin/",
        "/admin/page.js",
        "/admin/nothing/here",
        "/admin/api/session",
    ] {
        let answer = get(&server, path, &fields);
        assert!(!answer.head.contains("access-control-"), "{path}: {answer:?}");
        let head = format!(
            "OPTIONS {path} HTTP/1.1\r\nHost: {}\r\nOrigin: http://evil.example\r\nAccess-Control-Request-Method: GET\r\n\
             Access-Control-Request-Headers: authorization",
            host(&server)
        );
        let preflight = ask(server.address(), &head, "");
        assert!(!preflight.head.contains("access-control-"), "{path}: {preflight:?}");
    }
    assert!(
        get(&server, "/health", "\r\nOrigin: http://evil.example")
            .head
            .contains("access-control-")
    );
}

#[test]
fn a_form_is_no_request_of_the_page() {
    let server = server(1);
    let host = host(&server);
    let body = format!(r#"{{"token":"{TOKEN}"}}"#);
    let head = format!(
        "POST /admin/api/sign-in HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nContent-Type: text/plain\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut wire = Wire::connect(server.address());
    wire.send(head.as_bytes());
    assert!(wire.head().starts_with("HTTP/1.1 400 "));
    let long = format!(r#"{{"token":"{}"}}"#, "x".repeat(5_000));
    let head = format!("POST /admin/api/sign-in HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}");
    assert_eq!(ask(server.address(), &head, &long).status, 413);
}

#[test]
fn every_answer_keeps_frames_and_foreign_scripts_out() {
    let server = server(1);
    for path in [
        "/admin/",
        "/admin/page.js",
        "/admin/api/session",
        "/admin/api/overview",
        "/admin/nothing",
    ] {
        assert_guarded(&get(&server, path, ""), path);
    }
}

fn assert_guarded(answer: &Answer, path: &str) {
    let policy = answer.field("content-security-policy").expect("a policy");
    assert!(
        policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(answer.field(name), Some(value), "{path}");
    }
}

#[test]
fn every_error_of_the_api_is_json() {
    let server = server(1);
    let (cookie, csrf) = signed_in(&server);
    let host = host(&server);
    let own = format!("\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {cookie}\r\nX-CSRF-Token: {csrf}");
    let typed = |kind: &str, body: &str| {
        format!(
            "\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let json = |body: &str| typed("application/json", body);
    let long = format!(r#"{{"level":"{}"}}"#, "x".repeat(5_000));
    let chunked = format!(
        "\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
        long.len()
    );
    let (room, empty) = (SECRET_PATHS[2], "\r\n\r\n".to_owned());
    for (asked, body, status) in [
        ("GET /admin/api/rooms/%ff", &empty, 400),
        ("GET /admin/api/rooms/no-id", &empty, 400),
        ("POST /admin/api/rooms/%ff/close", &empty, 400),
        ("POST /admin/api/rooms/no-id/kick", &json("{}"), 400),
        ("GET /admin/api/%ff", &empty, 404),
        ("GET /admin/api/", &empty, 404),
        ("GET /admin/api/nothing/at/all", &empty, 404),
        ("POST /admin/api/nothing", &empty, 404),
        (&format!("GET {room}"), &empty, 404),
        (&format!("GET {room}/%ff"), &empty, 404),
        ("GET /admin/api/rooms?page=-1", &empty, 400),
        ("GET /admin/api/rooms?sort=%ff", &empty, 400),
        ("GET /admin/api/live?room=no-id", &empty, 400),
        ("GET /admin/api/live?per_page=many", &empty, 400),
        ("POST /admin/api/log-level", &json(&long), 413),
        ("POST /admin/api/log-level", &chunked, 413),
        ("POST /admin/api/sign-in", &json(&long), 413),
        (&format!("POST {room}/kick"), &json(&long), 413),
        ("POST /admin/api/log-level", &json("{"), 400),
        ("POST /admin/api/log-level", &json(r#"{"level":"loud"}"#), 400),
        (
            "POST /admin/api/log-level",
            &typed("text/plain", r#"{"level":"info"}"#),
            400,
        ),
        ("POST /admin/api/log-level", &empty, 400),
        ("POST /admin/api/overview", &empty, 405),
        ("GET /admin/api/drain", &empty, 405),
        ("DELETE /admin/api/sign-in", &empty, 405),
        ("OPTIONS /admin/api/live", &empty, 405),
    ] {
        let mut wire = Wire::connect(server.address());
        wire.send(format!("{asked} HTTP/1.1{own}\r\nConnection: close{body}").as_bytes());
        let answer = read(wire);
        assert_eq!(answer.status, status, "{asked}: {answer:?}");
        assert_eq!(
            answer.field("content-type"),
            Some("application/json"),
            "{asked}: {answer:?}"
        );
        let told = answer.json();
        assert!(
            told["error"].is_string() && told.as_object().expect("an object").len() == 1,
            "{asked}: {answer:?}"
        );
        assert_eq!(answer.field("allow").is_some(), status == 405, "{asked}: {answer:?}");
        assert_guarded(&answer, asked);
    }
    let mut wire = Wire::connect(server.address());
    wire.send(format!("HEAD /admin/api/nothing HTTP/1.1{own}\r\nConnection: close\r\n\r\n").as_bytes());
    let head = read(wire);
    assert!(head.status == 404 && head.body.is_empty(), "{head:?}");
    // What no program reads is for people.
    assert_eq!(get(&server, "/admin/nothing", "").body, "nothing is here\n");
}

fn asked(server: &Server, path: &str, host: &str, fields: &str) -> u16 {
    ask(
        server.address(),
        &format!("GET {path} HTTP/1.1\r\nHost: {host}{fields}"),
        "",
    )
    .status
}

#[test]
fn without_a_token_this_machine_may_look_and_nobody_act() {
    let server = Server::start(1);
    for host in ["localhost", "127.0.0.1:8080", "[::1]", "LOCALHOST:1"] {
        assert_eq!(asked(&server, "/admin/api/overview", host, ""), 200, "{host}");
        assert_eq!(asked(&server, "/admin/", host, ""), 200, "{host}");
    }
    for (site, status) in [
        ("same-origin", 200),
        ("none", 200),
        ("cross-site", 403),
        ("same-site", 403),
    ] {
        let field = format!("\r\nSec-Fetch-Site: {site}");
        assert_eq!(
            asked(&server, "/admin/api/overview", "localhost", &field),
            status,
            "{site}"
        );
    }
    for path in ACTIONS {
        assert_eq!(act(&server, path, "").status, 403, "{path}");
    }
    assert_eq!(sign_in(&server, "").status, 403);
    assert_eq!(sign_in(&server, "anything").status, 403);
    assert!(!server.world().is_draining());
}

#[test]
fn without_a_token_a_name_that_leads_here_is_not_this_machine() {
    // Listed, so that the server answers to it; the page does not.
    let server = Server::with(1, |config| {
        config.security.cors_origins = Some("http://evil.example,https://play.example".to_owned());
    });
    for host in ["evil.example", "play.example", "evil.example:80"] {
        assert_eq!(asked(&server, "/health", host, ""), 200);
        for path in [
            "/admin/",
            "/admin/page.js",
            "/admin/api/overview",
            "/admin/api/session",
            "/admin/api/live",
        ] {
            assert_eq!(asked(&server, path, host, ""), 403, "{path} of {host}");
        }
    }
    for host in [
        "localhost\r\nHost: evil.example",
        "localhost\r\nHost: localhost",
        "localhost.evil.example",
    ] {
        assert!(
            [400, 403].contains(&asked(&server, "/admin/api/overview", host, "")),
            "{host}"
        );
    }
    let absolute = "GET http://evil.example/admin/api/overview HTTP/1.1\r\nHost: localhost";
    assert_eq!(ask(server.address(), absolute, "").status, 403);
}

#[test]
fn without_a_token_whoever_comes_through_a_proxy_is_not_this_machine() {
    let server = Server::start(1);
    for field in [
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-For: 192.0.2.1",
        "Forwarded: for=127.0.0.1",
        "X-Real-IP: 127.0.0.1",
        "Via: 1.1 proxy",
        "X-Forwarded-Proto: https",
    ] {
        assert_eq!(
            asked(&server, "/admin/api/overview", "localhost", &format!("\r\n{field}")),
            403,
            "{field}"
        );
    }
    let behind = |change: fn(&mut Config)| {
        Server::with(1, |config| {
            config.security.enforce_app_id_allowlist = Some(false);
            config.security.require_metrics_auth = Some(false);
            change(config);
        })
    };
    let trusting = behind(|config| {
        config.security.trusted_proxies = vec!["127.0.0.1".parse().expect("an address")];
        config.security.forwarded_header = ForwardedHeader::XForwardedFor;
    });
    assert_eq!(
        asked(
            &trusting,
            "/admin/api/overview",
            "localhost",
            "\r\nX-Forwarded-For: 127.0.0.1"
        ),
        403
    );
    assert_eq!(
        asked(&trusting, "/admin/api/overview", "localhost", ""),
        403,
        "who trusts a proxy is public"
    );
    let public = behind(|config| config.bind = [0, 0, 0, 0].into());
    let address = ([127, 0, 0, 1], public.address().port()).into();
    let head = "GET /admin/api/overview HTTP/1.1\r\nHost: localhost";
    assert_eq!(
        ask(address, head, "").status,
        403,
        "who is bound to every address is public"
    );
}

#[test]
fn operators_with_a_door_of_their_own_find_the_page_there_alone() {
    let server = Server::with(1, |config| {
        config.control.port = Some(0);
        config.control.admin_token = Some(Secret::new(TOKEN));
    });
    assert_eq!(get(&server, "/admin/", "").status, 404);
    assert_eq!(get(&server, "/admin/api/overview", &bearer()).status, 404);
    let door = server.control_address().expect("a door");
    let head = format!("GET /admin/api/overview HTTP/1.1\r\nHost: localhost{}", bearer());
    assert_eq!(ask(door, &head, "").status, 200);
}

#[test]
fn under_tls_the_cookie_is_secure_and_pages_in_the_clear_are_foreign() {
    let authority = Authority::new("admin");
    let identity = authority.server("server");
    let server = Server::with(1, |config| {
        identity.serve(config);
        config.control.admin_token = Some(Secret::new(TOKEN));
    });
    let client = authority.client_of(&V1_3, None);
    let signs_in = |origin: &str| {
        let wire = Wire::connect(server.address()).secure(&client);
        let head = format!("POST /admin/api/sign-in HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}");
        ask_over(wire, &head, &format!(r#"{{"token":"{TOKEN}"}}"#))
    };
    let answer = signs_in("https://localhost");
    assert!(answer.status == 200 && answer.head.contains("; Secure"), "{answer:?}");
    assert_eq!(signs_in("http://localhost").status, 403);
}
