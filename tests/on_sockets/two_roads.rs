//! A request may come on a fresh socket or on one that the control plane has kept: whatever it is, it is answered alike.

use proptest::prelude::*;

use crate::support::server::Server;
use crate::support::wire::Wire;

/// An answer without what differs from one to the next: its status line, its other fields, its body.
type Answer = (String, Vec<String>, Vec<u8>);

fn answer(wire: &mut Wire, is_head: bool) -> Answer {
    let head = wire.head();
    let mut lines = head.lines();
    let status = lines.next().expect("a status line").to_owned();
    let mut fields: Vec<String> = lines.map(str::to_ascii_lowercase).collect();
    let length = fields.iter().find_map(|field| field.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().expect("a length"));
    fields.retain(|field| !field.starts_with("date: ") && !field.starts_with("x-signal-fish-request-id: "));
    fields.sort_unstable();
    let body = if is_head { Vec::new() } else { wire.take(length) };
    (status, fields, body)
}

/// Requests of every kind: good and bad upgrades, routes of the control plane, none at all, and what is no request.
fn requests() -> impl Strategy<Value = String> {
    let method = prop_oneof![6 => Just("GET"), 1 => Just("HEAD"), 1 => Just("POST"), 1 => Just("OPTIONS"), 1 => Just("get"), 1 => Just("G(T")];
    let target = prop_oneof![
        6 => Just("/v2/ws"), 2 => Just("/v3/ws?x=1"), 1 => Just("/v2/ws/"), 2 => Just("/health"), 1 => Just("/"),
        1 => Just("*"), 1 => Just("HTTP://a/v2/ws"), 1 => Just("wss://a:1/v3/ws?b"), 1 => Just("http://a"), 1 => Just("ftp://a/v2/ws"),
        1 => Just("//v2/ws"), 1 => Just("/v2/%77s"), 1 => Just("a b"), 1 => Just("/v2/ws#x"), 1 => Just("/\u{7f}"),
    ];
    let version =
        prop_oneof![8 => Just("HTTP/1.1"), 1 => Just("HTTP/1.0"), 1 => Just("HTTP/2.0"), 1 => Just("http/1.1")];
    let field = prop_oneof![
        4 => Just("Host: a"), 4 => Just("Upgrade: websocket"), 4 => Just("Connection: keep-alive, Upgrade"),
        4 => Just("Sec-WebSocket-Version: 13"), 4 => Just("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
        1 => Just("Content-Length: 0"), 1 => Just("Content-Length: 4"), 1 => Just("Content-Length: x"),
        1 => Just("Transfer-Encoding: chunked"), 1 => Just("Origin: http://a"), 1 => Just("Origin: https://b.example"),
        1 => Just("Upgrade: h2c"), 1 => Just("Connection: close"), 1 => Just("no colon"), 1 => Just("Name : value"),
        1 => Just(" folded: x"), 1 => Just("Expect: 100-continue"), 1 => Just("Sec-WebSocket-Protocol: signal-fish.v2"),
        1 => Just("X: \u{fc}"),
    ];
    let end = prop_oneof![12 => Just("\r\n"), 1 => Just("\n")];
    let lines = prop::collection::vec((field, end.clone()), 0..8);
    let good = any::<bool>();
    (method, target, version, end.clone(), lines, good, end).prop_map(
        |(method, target, version, first, lines, good, last)| {
            let mut request = format!("{method} {target} {version}{first}");
            if good {
                request
                    .push_str("Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
                request.push_str("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
            }
            for (field, end) in lines {
                request.push_str(field);
                request.push_str(end);
            }
            request + last
        },
    )
}

#[test]
fn both_roads_lead_to_the_same_answer() {
    let server = Server::with(2, |config| config.security.cors_origins = Some("http://a".to_owned()));
    proptest!(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() }, |(request in requests())| {
        let is_head = request.starts_with("HEAD ");
        let mut fresh = Wire::connect(server.address());
        fresh.send(request.as_bytes());
        let mut kept = Wire::connect(server.address());
        kept.send(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
        prop_assert_eq!(answer(&mut kept, false).2, b"OK");
        kept.send(request.as_bytes());
        prop_assert_eq!(answer(&mut fresh, is_head), answer(&mut kept, is_head));
    });
}
