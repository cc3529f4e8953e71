//! What a socket gets before it is a WebSocket: health checks of every kind, refusals that say why, an end to silence,
//! and no byte lost that was sent too early.

use std::time::Instant;

use signal_fish_relay::config::Config;
use socket2::SockRef;

use crate::support::player::Player;
use crate::support::server::Server;
use crate::support::wire::{CLOSE, TEXT, UPGRADE, Wire, frame};

/// Sends a request and returns everything that comes back until the server closes.
fn answer(server: &Server, request: &str) -> String {
    let mut wire = Wire::connect(server.address());
    wire.send(request.as_bytes());
    String::from_utf8(wire.rest()).expect("answers are text")
}

/// Sends a request with the fields that every client sends.
fn ask(server: &Server, method: &str, path: &str) -> String {
    answer(
        server,
        &format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    )
}

fn status(answer: &str) -> &str {
    answer
        .split(' ')
        .nth(1)
        .unwrap_or_else(|| panic!("no status in {answer:?}"))
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a whole head").1
}

#[test]
fn a_head_request_gets_the_head_alone() {
    let server = Server::start(1);
    let answer = ask(&server, "HEAD", "/v2/health");
    assert_eq!((status(&answer), body(&answer)), ("200", ""), "{answer}");
    assert!(answer.contains("content-length: 2\r\n"), "{answer}");
}

#[test]
fn a_health_check_of_http_1_0_is_answered() {
    let server = Server::start(1);
    let answer = answer(&server, "GET /health HTTP/1.0\r\n\r\n");
    assert_eq!((status(&answer), body(&answer)), ("200", "OK"), "{answer}");
}

#[test]
fn a_request_in_pieces_is_answered_once_it_is_whole() {
    let server = Server::start(1);
    let mut wire = Wire::connect(server.address());
    for byte in b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" {
        wire.send(&[*byte]);
    }
    let answer = String::from_utf8(wire.rest()).expect("answers are text");
    assert_eq!((status(&answer), body(&answer)), ("200", "OK"), "{answer}");
}

#[test]
fn what_does_not_exist_is_not_found() {
    let server = Server::start(1);
    for path in ["/ws", "/v2/ws/", "/v2", "/../health"] {
        let answer = ask(&server, "GET", path);
        assert_eq!(status(&answer), "404", "{path}: {answer}");
        assert!(body(&answer).contains("/v2/ws"), "it says where to go: {answer}");
    }
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    let server = Server::start(1);
    for (method, path, allowed) in [
        ("POST", "/v2/ws", "GET"),
        ("HEAD", "/v2/ws", "GET"),
        ("PUT", "/v3/ws", "GET"),
        ("POST", "/health", "GET,HEAD"),
        ("DELETE", "/readyz", "GET,HEAD"),
    ] {
        let answer = ask(&server, method, path);
        assert_eq!(status(&answer), "405", "{method} {path}: {answer}");
        assert!(answer.contains(&format!("allow: {allowed}\r\n")), "{answer}");
    }
}

#[test]
fn a_head_without_measure_is_refused() {
    let server = Server::start(1);
    let endless = format!("GET /health HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(status(&answer(&server, &endless)), "431");
    let crowded = format!("GET /health HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: x\r\n".repeat(200));
    assert_eq!(status(&answer(&server, &crowded)), "431");
}

#[test]
fn what_is_not_http_is_refused() {
    let server = Server::start(1);
    for garbage in [
        "hello\r\n\r\n",
        "GET  /health HTTP/1.1\r\n\r\n",
        "GET /health HTTP/2.0\r\n\r\n",
        "GET /health HTTP/1.1\r\nno colon\r\n\r\n",
    ] {
        let answer = answer(&server, garbage);
        assert_eq!(status(&answer), "400", "{garbage:?}: {answer}");
    }
}

#[test]
fn an_upgrade_that_breaks_the_standard_is_refused() {
    let server = Server::start(1);
    for (wrong, instead) in [
        ("HTTP/1.1", "HTTP/1.0"),
        ("Host: localhost\r\n", ""),
        ("Connection: Upgrade", "Connection: keep-alive"),
        ("Upgrade: websocket", "Upgrade: h2c"),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"),
        ("Sec-WebSocket-Version: 13\r\n", ""),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
        ("dGhlIHNhbXBsZSBub25jZQ==", "too short"),
    ] {
        assert!(UPGRADE.contains(wrong));
        let answer = answer(&server, &UPGRADE.replace(wrong, instead));
        assert_eq!(status(&answer), "400", "{wrong:?} → {instead:?}: {answer}");
        assert!(!body(&answer).is_empty(), "it says why");
    }
    let old = answer(&server, &UPGRADE.replace("Version: 13", "Version: 8"));
    assert!(old.contains("Sec-WebSocket-Version: 13\r\n"), "{old}");
}

#[test]
fn an_accepted_upgrade_tells_its_outcome_and_limits() {
    let server = Server::start(1);
    for path in ["/v2/ws", "/v3/ws", "/v2/ws?token=1"] {
        let mut wire = Wire::connect(server.address());
        let offers = "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
        let request = UPGRADE
            .replace("/v2/ws", path)
            .replace("\r\n\r\n", &format!("\r\n{offers}"));
        wire.send(request.as_bytes());
        let head = wire.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(
            head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
            "{head}"
        );
        assert!(head.contains("x-signal-fish-request-id: "), "{head}");
        assert!(head.contains("x-signal-fish-upgrade-outcome: accepted\r\n"), "{head}");
        assert!(
            head.contains("x-signal-fish-max-outbound-message-size: 8388608\r\n"),
            "{head}"
        );
        assert!(
            !head.contains("Sec-WebSocket-Protocol") && !head.contains("Extensions"),
            "{head}"
        );
        wire.expect_served();
    }
}

#[test]
fn pages_of_other_origins_are_refused() {
    let server = Server::with(1, |config| {
        config.security.cors_origins = Some("https://game.example".to_owned());
    });
    let from = |origin: &str| UPGRADE.replace("\r\n\r\n", &format!("\r\nOrigin: {origin}\r\n\r\n"));
    for origin in [
        "https://evil.example",
        "http://game.example",
        "null",
        "https://game.example.evil.example",
    ] {
        let answer = answer(&server, &from(origin));
        assert_eq!(status(&answer), "403", "{origin}: {answer}");
        assert!(
            answer.contains("x-signal-fish-upgrade-outcome: rejected_origin\r\n"),
            "{answer}"
        );
    }
    let own = |origin: &str| from(origin).replace("Host: localhost", "Host: localhost:3536");
    let own = own("http://localhost:3536");
    for request in [from("https://game.example"), UPGRADE.to_owned(), own] {
        let mut wire = Wire::connect(server.address());
        wire.send(request.as_bytes());
        assert!(wire.head().starts_with("HTTP/1.1 101 "), "{request}");
        wire.expect_served();
    }
}

#[test]
fn silence_and_half_a_request_are_ended() {
    let server = Server::with(1, |config| config.websocket.http_header_read_timeout_secs = 1);
    let started = Instant::now();
    let mut silent = Wire::connect(server.address());
    let mut half = Wire::connect(server.address());
    half.send(&UPGRADE.as_bytes()[..60]);
    assert_eq!(silent.rest(), b"");
    assert_eq!(half.rest(), b"");
    assert!(started.elapsed().as_millis() >= 900, "not before their time was over");
    let answer = ask(&server, "GET", "/health");
    assert_eq!(status(&answer), "200", "and others are served: {answer}");
}

#[test]
fn bytes_right_behind_the_upgrade_are_served() {
    let server = Server::start(2);
    let mut wire = Wire::connect(server.address());
    let mut bytes = UPGRADE.as_bytes().to_vec();
    for number in 0..100 {
        let join = format!(r#"{{"type":"PlayerReady","data":{{}},"number":{number}}}"#);
        bytes.extend(frame(TEXT, join.as_bytes()));
    }
    bytes.extend(frame(TEXT, br#"{"type":"Ping"}"#));
    bytes.extend(frame(CLOSE, &1000_u16.to_be_bytes()));
    wire.send(&bytes);
    assert!(wire.head().starts_with("HTTP/1.1 101 "));
    for _ in 0..100 {
        assert!(wire.frame().text().contains("INVALID_INPUT"), "one answer each");
    }
    assert_eq!(wire.frame().text(), r#"{"type":"Pong"}"#);
    assert_eq!(wire.frame().close_code(), Some(1000));
    assert_eq!(wire.rest(), b"");
}

/// Fills a server of two places and tries a third.
fn a_third_is_refused(change: impl FnOnce(&mut Config)) {
    let server = Server::with(2, change);
    let mut first = Player::authenticated(&server);
    let second = Player::authenticated(&server);
    let mut third = Wire::upgraded(&server);
    let error = third.frame();
    assert!(error.text().contains("TOO_MANY_CONNECTIONS"), "{error:?}");
    let close = third.frame();
    assert_eq!(close.close_code(), None, "{close:?}");
    third.send_frame(CLOSE, b"");
    assert_eq!(third.rest(), b"");
    assert!(first.is_served());

    // A place that is given back can be taken. The server may not have seen the end yet, so this is tried again.
    drop(second);
    let deadline = Instant::now() + crate::support::DEADLINE;
    loop {
        let mut next = Wire::upgraded(&server);
        next.send_frame(TEXT, br#"{"type":"Ping"}"#);
        if next.frame().text() == r#"{"type":"Pong"}"# {
            break;
        }
        assert!(Instant::now() < deadline, "the place is never given back");
    }
}

#[test]
fn a_full_server_refuses_the_next() {
    a_third_is_refused(|config| {
        config.security.max_connections = 2;
        config.security.max_connections_per_ip = 2;
    });
}

#[test]
fn a_full_address_is_refused_unless_loopback_is_exempt() {
    a_third_is_refused(|config| {
        config.security.max_connections_per_ip = 2;
        config.security.exempt_loopback = false;
    });
    let exempt = Server::with(1, |config| config.security.max_connections_per_ip = 1);
    let (mut one, mut other) = (Player::authenticated(&exempt), Player::authenticated(&exempt));
    assert!(one.is_served() && other.is_served());
}

#[test]
fn who_goes_on_sending_after_its_answer_is_cut_off() {
    // A minute to upgrade: only the flood can be what ends it at once.
    let server = Server::with(1, |config| config.websocket.http_header_read_timeout_secs = 60);
    let mut wire = Wire::connect(server.address());
    // So much lies in the kernel that one turn finds more than it reads away.
    SockRef::from(wire.stream())
        .set_send_buffer_size(4 << 20)
        .expect("an option of every socket");
    let mut flood = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    flood.resize(1 << 20, b'x');
    let was_cut_off = (0..256).any(|_| !wire.try_send(&flood));
    assert!(was_cut_off, "256 MiB were read away after the answer");
    assert_eq!(status(&ask(&server, "GET", "/health")), "200", "the others are served");
}
