//! Behind a proxy that speaks HTTP: every request says for itself whom it comes from, and only a trusted proxy is believed.

use signal_fish_relay::config::{Config, ForwardedHeader};

use crate::support::server::Server;
use crate::support::wire::{UPGRADE, Wire};

/// Where the proxy is, and where somebody else is.
const PROXY: [u8; 4] = [127, 0, 0, 2];
const STRANGER: [u8; 4] = [127, 0, 0, 3];

fn behind_a_proxy(field: ForwardedHeader, change: impl FnOnce(&mut Config)) -> Server {
    Server::with(2, |config| {
        let security = &mut config.security;
        security.forwarded_header = field;
        security.trusted_proxies = vec![
            "127.0.0.2".parse().expect("an address"),
            "10.0.0.0/8".parse().expect("a network"),
        ];
        security.enforce_app_id_allowlist = Some(false);
        security.require_metrics_auth = Some(false);
        security.max_connections_per_ip = 1;
        security.exempt_loopback = false;
        change(config);
    })
}

/// An upgrade with these fields.
fn upgrade(fields: &str) -> Vec<u8> {
    UPGRADE
        .replace("Host: localhost", &format!("Host: relay.example\r\n{fields}"))
        .into_bytes()
}

/// Upgrades from there with these fields, and says whether there is a place.
fn comes(server: &Server, source: [u8; 4], fields: &str) -> (Wire, bool) {
    let mut wire = Wire::connect_from(source, server.address());
    wire.send(&upgrade(fields));
    let has_place = wire.expect_place();
    (wire, has_place)
}

/// Has a health check answered on a connection that is kept.
fn is_healthy(wire: &mut Wire, fields: &str) {
    wire.send(format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n\r\n").as_bytes());
    assert!(wire.head().starts_with("HTTP/1.1 200 "));
    assert_eq!(wire.take(2), b"OK");
}

#[test]
fn players_have_their_own_share_of_connections() {
    let server = behind_a_proxy(ForwardedHeader::XForwardedFor, |_| {});
    let mut held = Vec::new();
    for (fields, has_place) in [
        ("X-Forwarded-For: 192.0.2.7", true),
        ("X-Forwarded-For: 192.0.2.7", false),
        ("X-Forwarded-For: 192.0.2.7:4711", false),
        ("x-forwarded-for: ::ffff:192.0.2.7", false),
        // Made up to the left of where a proxy has written; several proxies; several lines.
        ("X-Forwarded-For: 198.51.100.1, 192.0.2.7", false),
        ("X-Forwarded-For: 192.0.2.7, 10.0.0.9", false),
        (
            "X-Forwarded-For: 198.51.100.1, 192.0.2.7\r\nX-Forwarded-For: 10.0.0.9",
            false,
        ),
        ("X-Forwarded-For: 192.0.2.8", true),
        ("X-Forwarded-For: 2001:db8:1:2::1", true),
        ("X-Forwarded-For: 2001:db8:1:2::2", false),
        // Not the field that counts.
        ("Forwarded: for=192.0.2.7", true),
        // Nobody is named, or nobody that can be understood: any number of clients may be meant.
        ("X-Forwarded-For: unknown", true),
        ("X-Forwarded-For: 192.0.2.7, unknown", true),
        ("X-Forwarded-For:", true),
        ("X-Other: 1", true),
    ] {
        let (wire, found) = comes(&server, PROXY, fields);
        assert_eq!(found, has_place, "{fields}");
        held.push(wire);
    }
    let (_one, first) = comes(&server, STRANGER, "X-Forwarded-For: 192.0.2.99");
    let (_other, second) = comes(&server, STRANGER, "X-Forwarded-For: 192.0.2.100");
    assert!(first && !second, "nobody else is believed");
}

#[test]
fn the_standards_field_is_read_as_it_says() {
    let server = behind_a_proxy(ForwardedHeader::Forwarded, |_| {});
    let mut held = Vec::new();
    for (fields, has_place) in [
        ("Forwarded: for=192.0.2.7;proto=https", true),
        ("forwarded: proto=https;For=\"192.0.2.7:4711\"", false),
        (
            "Forwarded: for=198.51.100.1, for=192.0.2.7;host=\"a,for=198.51.100.2\"",
            false,
        ),
        ("Forwarded: for=\"[2001:db8::7]:1\", for=10.0.0.1", true),
        ("Forwarded: for=\"[2001:db8::8]\"", false),
        // A quote that the client has left open hides nothing of what the proxy has added.
        ("Forwarded: for=\", for=192.0.2.7", false),
        ("Forwarded: for=_hidden", true),
        ("X-Forwarded-For: 192.0.2.7", true),
    ] {
        let (wire, found) = comes(&server, PROXY, fields);
        assert_eq!(found, has_place, "{fields}");
        held.push(wire);
    }
}

#[test]
fn each_request_on_a_kept_connection_is_of_whom_it_names() {
    let server = behind_a_proxy(ForwardedHeader::XForwardedFor, |_| {});
    let (_one, has_place) = comes(&server, PROXY, "X-Forwarded-For: 192.0.2.7");
    assert!(has_place);
    for (named, has_place) in [("192.0.2.7", false), ("192.0.2.8", true)] {
        let mut kept = Wire::connect_from(PROXY, server.address());
        is_healthy(&mut kept, "X-Forwarded-For: 192.0.2.7");
        is_healthy(&mut kept, "X-Forwarded-For: 192.0.2.8");
        kept.send(&upgrade(&format!("X-Forwarded-For: {named}")));
        assert_eq!(kept.expect_place(), has_place, "{named}");
    }
}

#[test]
fn what_a_proxy_keeps_open_is_closed_for_no_single_client() {
    let server = behind_a_proxy(ForwardedHeader::XForwardedFor, |_| {});
    let mut kept: Vec<_> = (0..40).map(|_| Wire::connect_from(PROXY, server.address())).collect();
    for _ in 0..2 {
        for wire in &mut kept {
            is_healthy(wire, "X-Forwarded-For: 192.0.2.7");
        }
    }
}
