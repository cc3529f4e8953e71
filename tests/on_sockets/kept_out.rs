//! Networks that are kept out, by whichever way they come, and platforms whose players share addresses.

use serde_json::{Value, json};
use signal_fish_relay::config::{Config, ForwardedHeader, ProxyProtocol};
use signal_fish_relay::shard::refusals::RefusalReason;

use crate::support::server::Server;
use crate::support::wire::{TEXT, UPGRADE, Wire};

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

const GOOD: [u8; 4] = [127, 0, 0, 1];
const BLOCKED: [u8; 4] = [127, 0, 9, 9];
/// A proxy that is trusted, and in a network that is kept out.
const PROXY: [u8; 4] = [127, 0, 9, 2];

fn keeping_out(change: impl FnOnce(&mut Config)) -> Server {
    Server::with(2, |config| {
        let security = &mut config.security;
        security.enforce_app_id_allowlist = Some(false);
        security.require_metrics_auth = Some(false);
        security.blocked_networks = ["127.0.9.0/24", "192.0.2.0/24", "2001:db8::/32"]
            .map(|network| network.parse().expect("a network"))
            .into();
        change(config);
    })
}

fn status_of(wire: &mut Wire) -> String {
    wire.head()[9..12].to_owned()
}

#[test]
fn who_comes_from_there_is_closed_without_an_answer() {
    let server = keeping_out(|config| config.control.port = Some(0));
    let doors = [server.address(), server.control_address().expect("a door of its own")];
    for (number, door) in doors.into_iter().enumerate() {
        let mut wire = Wire::connect_from(BLOCKED, door);
        wire.try_send(HEALTH);
        assert_eq!(wire.rest(), b"", "no answer, and an end");
        assert_eq!(server.refused(RefusalReason::Blocked), number as u64 + 1);
        let mut good = Wire::connect_from(GOOD, door);
        good.send(HEALTH);
        assert_eq!(status_of(&mut good), "200");
    }
}

#[test]
fn who_is_named_by_a_header_is_closed_and_its_proxy_is_not_meant() {
    let server = keeping_out(|config| {
        config.security.proxy_protocol = ProxyProtocol::Required;
        config.security.trusted_proxies = vec!["127.0.9.2".parse().expect("an address")];
    });
    for (header, is_served) in [
        (&b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n"[..], false),
        (b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n", false),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", false),
        (b"PROXY TCP4 198.51.100.7 10.0.0.1 1 2\r\n", true),
        (b"PROXY UNKNOWN\r\n", true),
    ] {
        let mut wire = Wire::connect_from(PROXY, server.address());
        wire.try_send(&[header, HEALTH].concat());
        if is_served {
            assert_eq!(status_of(&mut wire), "200", "{header:?}");
        } else {
            assert_eq!(wire.rest(), b"", "{header:?}");
        }
    }
    assert_eq!(server.refused(RefusalReason::Blocked), 3);
}

#[test]
fn who_is_named_by_a_request_is_told_and_nobody_else_of_its_proxy() {
    let server = keeping_out(|config| {
        config.security.forwarded_header = ForwardedHeader::XForwardedFor;
        config.security.trusted_proxies = vec!["127.0.9.2".parse().expect("an address")];
    });
    let named = |request: &str, client: &str| {
        let host = format!("Host: localhost\r\nX-Forwarded-For: {client}\r\n");
        request.replace("Host: localhost\r\n", &host).into_bytes()
    };
    let health = String::from_utf8_lossy(HEALTH);
    for request in [&*health, UPGRADE] {
        let mut fresh = Wire::connect_from(PROXY, server.address());
        fresh.send(&named(request, "192.0.2.7"));
        assert_eq!(status_of(&mut fresh), "403", "{request}");
        let mut kept = Wire::connect_from(PROXY, server.address());
        kept.send(&named(&health, "198.51.100.7"));
        assert_eq!(status_of(&mut kept), "200");
        kept.take(2);
        kept.send(&named(request, "192.0.2.7"));
        assert_eq!(status_of(&mut kept), "403", "{request}");
    }
    assert_eq!(server.refused(RefusalReason::Blocked), 4);
}

fn authenticate(wire: &mut Wire, app: &str) -> Value {
    let request = json!({"type": "Authenticate", "data": {"app_id": app}});
    wire.send_frame(TEXT, request.to_string().as_bytes());
    serde_json::from_str(wire.frame().text()).expect("JSON")
}

#[test]
fn an_app_whose_players_share_addresses_is_limited_by_them_until_the_handshake() {
    let server = Server::with(2, |config| {
        let security = &mut config.security;
        security.max_connections_per_ip = 2;
        security.exempt_loopback = false;
        config.rate_limit.max_failed_joins_per_address = 1;
        let listed = json!([
            {"app_id": "plain", "app_name": "Plain"},
            {"app_id": "hidden", "app_name": "Hidden", "per_address_limits": false, "rate_limit_per_minute": 5},
        ]);
        security.allowed_apps = serde_json::from_value(listed).expect("apps");
    });
    let is_full = || Wire::upgraded(&server).frame().text().contains("TOO_MANY_CONNECTIONS");
    let mut hidden: Vec<_> = (0..5)
        .map(|_| {
            let mut wire = Wire::upgraded(&server);
            assert_eq!(authenticate(&mut wire, "hidden")["type"], "Authenticated");
            wire.frame();
            wire
        })
        .collect();
    // Before the handshake it is a connection like any other.
    let (mut silent, mut other) = (Wire::upgraded(&server), Wire::upgraded(&server));
    assert!(is_full());
    assert_eq!(authenticate(&mut silent, "plain")["type"], "Authenticated");
    assert!(is_full(), "an app like any other");
    assert_eq!(
        authenticate(&mut other, "hidden")["type"],
        "AuthenticationError",
        "five a minute, all of them its own"
    );
    // Nor does one of them lock the others out by looking for rooms that are not there.
    let join =
        json!({"type": "JoinAsSpectator", "data": {"game_name": "g", "room_code": "NOROOM", "spectator_name": "W"}});
    let looks = |wire: &mut Wire| {
        wire.send_frame(TEXT, join.to_string().as_bytes());
        wire.frame().text().to_owned()
    };
    for wire in &mut hidden {
        assert!(looks(wire).contains("ROOM_NOT_FOUND"));
    }
    silent.frame();
    assert!(looks(&mut silent).contains("ROOM_NOT_FOUND") && looks(&mut silent).contains("RATE_LIMIT_EXCEEDED"));
}
