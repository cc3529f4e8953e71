//! One connection, many requests: kept alive by the control plane, given back to a shard for an upgrade, and ended in time.

use std::net::TcpStream;

use socket2::{Domain, Socket, Type};

use crate::support::server::Server;
use crate::support::wire::{TEXT, UPGRADE, Wire, frame};

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Reads one answer, whose body is as long as its head says.
fn answer(wire: &mut Wire) -> (String, String) {
    let head = wire.head();
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")
                .map(str::to_owned)
        })
        .map_or(0, |length| length.parse().expect("a length"));
    let body = String::from_utf8(wire.take(length)).expect("text");
    (head, body)
}

#[test]
fn a_hundred_requests_and_then_a_game_on_one_connection() {
    let server = Server::start(2);
    let mut wire = Wire::connect(server.address());
    for _ in 0..100 {
        wire.send(HEALTH);
        let (head, body) = answer(&mut wire);
        assert!(head.starts_with("HTTP/1.1 200 ") && body == "OK", "{head}{body}");
        assert!(head.contains("\r\ndate: "), "{head}");
    }
    wire.upgrade("/v3/ws").expect_served();
}

#[test]
fn requests_in_one_packet_are_answered_in_order_and_an_upgrade_behind_them_is_served() {
    let server = Server::start(2);
    let mut wire = Wire::connect(server.address());
    let mut bytes = HEALTH.repeat(3);
    bytes.extend(UPGRADE.as_bytes());
    bytes.extend(frame(TEXT, br#"{"type":"Ping"}"#));
    wire.send(&bytes);
    for _ in 0..3 {
        assert_eq!(answer(&mut wire).1, "OK");
    }
    let head = wire.head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(
        wire.frame().text(),
        r#"{"type":"Pong"}"#,
        "what came behind it was not lost"
    );
}

#[test]
fn an_upgrade_in_pieces_on_a_kept_connection_is_served() {
    let server = Server::start(2);
    let mut wire = Wire::connect(server.address());
    wire.send(HEALTH);
    answer(&mut wire);
    for piece in UPGRADE.as_bytes().chunks(7) {
        wire.send(piece);
    }
    assert!(wire.head().starts_with("HTTP/1.1 101 "));
    wire.expect_served();
}

#[test]
fn a_bad_upgrade_on_a_kept_connection_is_refused_as_on_a_fresh_one() {
    let server = Server::start(1);
    for (wrong, instead) in [
        ("Host: localhost\r\n", ""),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"),
        ("Upgrade: websocket\r\n", "Upgrade: websocket\n"),
    ] {
        let request = UPGRADE.replace(wrong, instead);
        let mut fresh = Wire::connect(server.address());
        fresh.send(request.as_bytes());
        let mut kept = Wire::connect(server.address());
        kept.send(HEALTH);
        answer(&mut kept);
        kept.send(request.as_bytes());
        let (fresh, kept) = (answer(&mut fresh), answer(&mut kept));
        assert!(fresh.0.starts_with("HTTP/1.1 400 "), "{fresh:?}");
        assert_eq!(fresh.1, kept.1);
    }
}

#[test]
fn nothing_is_served_behind_a_body() {
    let server = Server::start(1);
    for body in [
        "Content-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "Content-Length: 0\r\n\r\n",
    ] {
        let mut wire = Wire::connect(server.address());
        wire.send(format!("POST /health HTTP/1.1\r\nHost: localhost\r\n{body}").as_bytes());
        wire.try_send(UPGRADE.as_bytes());
        let all = String::from_utf8(wire.rest()).expect("text");
        assert!(
            all.starts_with("HTTP/1.1 405 ") && all.contains("connection: close"),
            "{all}"
        );
        assert!(!all.contains("101"), "{all}");
    }
}

#[test]
fn a_target_may_be_absolute_or_a_star() {
    let server = Server::start(1);
    let mut wire = Wire::connect(server.address());
    for scheme in ["http", "HTTP", "https"] {
        wire.send(format!("GET {scheme}://localhost/health HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        assert_eq!(answer(&mut wire).1, "OK", "{scheme}");
    }
    wire.send(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(answer(&mut wire).0.starts_with("HTTP/1.1 200 "));
    let absolute = UPGRADE.replace("GET /v2/ws", "GET Http://localhost/v2/ws");
    wire.send(absolute.as_bytes());
    assert!(wire.head().starts_with("HTTP/1.1 101 "));
    wire.expect_served();
}

/// Connects with a window as small as the kernel grants.
fn connect_with_little_room(server: &Server, bytes: usize) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(bytes).expect("an option of every socket");
    socket.connect(&server.address().into()).expect("the server accepts");
    socket.into()
}

#[test]
fn a_page_is_whole_whatever_the_buffers_hold() {
    for send_buffer in [4_096, 16_384, 65_536, 0] {
        let server = Server::with(2, |config| config.websocket.socket_send_buffer_bytes = send_buffer);
        let mut wire = Wire::over(connect_with_little_room(&server, 2_048));
        wire.send(b"GET /metrics/prom HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let (head, body) = answer(&mut wire);
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(body.len() > 10_000 && body.ends_with('\n'), "{} bytes", body.len());
    }
}

#[test]
fn a_request_on_its_way_when_the_stop_comes_is_told_so() {
    let server = Server::with(1, |config| config.server.drain_grace_secs = 30);
    let mut fresh = Wire::connect(server.address());
    let mut kept = Wire::connect(server.address());
    kept.send(HEALTH);
    answer(&mut kept);
    let mut half = Wire::connect(server.address());
    half.send(&UPGRADE.as_bytes()[..40]);
    let player = crate::support::player::Player::authenticated(&server);
    server.begin_stop();
    fresh.send(UPGRADE.as_bytes());
    half.send(&UPGRADE.as_bytes()[40..]);
    kept.send(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for wire in [&mut fresh, &mut half] {
        let (head, _) = answer(wire);
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert!(head.contains("rejected_draining"), "{head}");
    }
    assert!(answer(&mut kept).0.starts_with("HTTP/1.1 503 "));
    drop(player);
    server.stop();
}

#[test]
fn an_upgrade_for_which_its_shard_has_no_room_is_told_so() {
    let server = Server::with(1, |config| config.runtime.inbox_capacity = 16);
    let mut wires: Vec<Wire> = (0..300).map(|_| Wire::connect(server.address())).collect();
    for wire in &mut wires {
        wire.send(HEALTH);
        answer(wire);
    }
    for wire in &mut wires {
        wire.send(UPGRADE.as_bytes());
    }
    for wire in &mut wires {
        let head = wire.head();
        assert!(
            head.starts_with("HTTP/1.1 101 ") || head.starts_with("HTTP/1.1 503 "),
            "{head}"
        );
    }
}

#[test]
fn requests_without_end_keep_nobody_out() {
    const PLACES: usize = 256;
    let server = Server::with(1, |config| config.control.max_connections = PLACES);
    let mut pipelines: Vec<Wire> = (0..PLACES)
        .map(|_| {
            let mut wire = Wire::connect(server.address());
            wire.stream().set_nonblocking(true).expect("an option of every socket");
            while wire.try_send(&HEALTH.repeat(500)) {}
            wire
        })
        .collect();
    // The line to the control plane is no longer than there are places: whoever comes while they stand in it is told so.
    for wire in &mut pipelines {
        wire.stream().set_nonblocking(false).expect("an option of every socket");
        wire.take(1);
    }
    for _ in 0..20 {
        let mut other = Wire::connect(server.address());
        other.send(HEALTH);
        assert_eq!(answer(&mut other).1, "OK");
    }
    drop(pipelines);
}

#[test]
fn a_connection_field_may_have_many_options() {
    let server = Server::start(1);
    let mut wire = Wire::connect(server.address());
    for options in [", keep-alive".repeat(200), ",".repeat(15_000)] {
        wire.send(format!("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: {options}\r\n\r\n").as_bytes());
        let (head, body) = answer(&mut wire);
        assert_eq!(body, "OK", "{head}");
    }
}

#[test]
fn who_was_refused_and_stays_is_counted() {
    const PLACES: usize = 16;
    let server = Server::with(1, |config| config.control.max_connections = PLACES);
    let mut refused: Vec<Wire> = (0..10 * PLACES)
        .map(|_| {
            let mut wire = Wire::connect(server.address());
            wire.send(HEALTH);
            answer(&mut wire);
            wire.send(b"no request\r\n\r\n");
            assert!(wire.head().starts_with("HTTP/1.1 400 "));
            wire
        })
        .collect();
    // What is sent to a closed socket comes back as a reset, and fails the next send.
    let held = |wire: &mut Wire| (0..50).all(|_| wire.try_send(b"x") && wire.has_no_error());
    let held = refused.iter_mut().map(held).filter(|is_held| *is_held).count();
    assert!(held <= PLACES, "{held} of {} are held", 10 * PLACES);
}

#[test]
fn an_upgrade_behind_more_than_a_read_is_served_whole() {
    let server = Server::start(1);
    let mut wire = Wire::connect(server.address());
    // A part of a head that a shard keeps, and behind it more than it reads at once.
    let padding = format!("GET /health HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(12_000));
    wire.send(padding.as_bytes());
    let mut rest = b"\r\n\r\n".to_vec();
    rest.extend(UPGRADE.as_bytes());
    let pings = 2_000;
    let ping = format!(r#"{{"type":"Ping","padding":"{}"}}"#, "x".repeat(40));
    for _ in 0..pings {
        rest.extend(frame(TEXT, ping.as_bytes()));
    }
    // Whoever comes later is answered, so the part was read.
    let mut other = Wire::connect(server.address());
    other.send(HEALTH);
    answer(&mut other);
    wire.send(&rest);
    assert_eq!(answer(&mut wire).1, "OK");
    assert!(wire.head().starts_with("HTTP/1.1 101 "));
    for number in 0..pings {
        assert_eq!(wire.frame().text(), r#"{"type":"Pong"}"#, "{number}");
    }
}

#[test]
fn operators_may_have_a_door_of_their_own() {
    let server = Server::with(1, |config| config.control.port = Some(0));
    let door = server.control_address().expect("a door");
    let status = |address, path: &str| {
        let mut wire = Wire::connect(address);
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes());
        let (head, _) = answer(&mut wire);
        head.split(' ').nth(1).map(str::to_owned).expect("a status")
    };
    for (path, players, operators) in [
        ("/health", "200", "200"),
        ("/readyz", "200", "200"),
        ("/metrics/prom", "404", "200"),
        ("/v2/client-config", "200", "404"),
        ("/v2/ws", "400", "404"),
    ] {
        assert_eq!(status(server.address(), path), players, "{path} for players");
        assert_eq!(status(door, path), operators, "{path} for operators");
    }
}

#[test]
fn a_page_that_asks_for_text_of_html_gets_a_page_and_others_a_line() {
    let server = Server::start(1);
    let mut wire = Wire::connect(server.address());
    wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html,*/*\r\n\r\n");
    let (head, body) = answer(&mut wire);
    assert!(
        head.contains("content-type: text/html") && body.starts_with("<!doctype html>"),
        "{head}"
    );
    wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (_, body) = answer(&mut wire);
    assert!(body.contains("/v2/ws") && body.lines().count() == 1, "{body}");
}

#[test]
fn many_that_come_back_at_once_are_all_served_and_hold_up_nobody() {
    let server = Server::start(1);
    let mut player = crate::support::player::Player::authenticated(&server);
    let mut wires: Vec<Wire> = (0..300).map(|_| Wire::connect(server.address())).collect();
    for wire in &mut wires {
        wire.send(HEALTH);
        answer(wire);
    }
    for wire in &mut wires {
        wire.send(UPGRADE.as_bytes());
    }
    assert!(player.is_served());
    for wire in wires {
        let mut wire = wire;
        assert!(wire.head().starts_with("HTTP/1.1 101 "));
        wire.expect_served();
    }
}
