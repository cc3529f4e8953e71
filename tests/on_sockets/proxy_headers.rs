//! Behind a proxy that speaks the PROXY protocol: who is believed, and that clients are told apart by their own addresses.

use std::io::Read;
use std::net::{Shutdown, SocketAddr};

use proxy_header::{ProxiedAddress, ProxyHeader};
use serde_json::json;
use signal_fish_relay::config::{Config, ProxyProtocol};
use signal_fish_relay::shard::refusals::RefusalReason;

use crate::support::DEADLINE;
use crate::support::server::Server;
use crate::support::wire::{TEXT, UPGRADE, Wire};

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
const V2_BEGIN: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Where the proxy is, and where somebody else is.
const PROXY: [u8; 4] = [127, 0, 0, 2];
const STRANGER: [u8; 4] = [127, 0, 0, 3];

fn trusting(protocol: ProxyProtocol) -> impl FnOnce(&mut Config) {
    move |config| {
        let security = &mut config.security;
        security.proxy_protocol = protocol;
        security.trusted_proxies = vec!["127.0.0.2".parse().expect("an address")];
        security.enforce_app_id_allowlist = Some(false);
        security.require_metrics_auth = Some(false);
    }
}

fn behind_a_proxy(change: impl FnOnce(&mut Config)) -> Server {
    Server::with(2, |config| {
        trusting(ProxyProtocol::Required)(config);
        change(config);
    })
}

/// A header of version 2 with its parts as they are.
fn v2(command: u8, family: u8, length: u16, rest: &[u8]) -> Vec<u8> {
    let mut bytes = V2_BEGIN.to_vec();
    bytes.extend([command, family]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(rest);
    bytes
}

/// What a proxy says of a client, in version 1 or 2 by turns.
fn header_of(client: &str) -> Vec<u8> {
    let client = SocketAddr::new(client.parse().expect("an address"), 4_711);
    let server = if client.is_ipv4() {
        "10.0.0.1:443"
    } else {
        "[2001:db8::1]:443"
    };
    let header = ProxyHeader::with_address(ProxiedAddress::stream(client, server.parse().expect("an address")));
    let mut bytes = Vec::new();
    if client.ip().to_string().len().is_multiple_of(2) {
        header.encode_v1(&mut bytes).expect("it fits");
    } else {
        header.encode_v2(&mut bytes).expect("it fits");
    }
    bytes
}

/// A connection on which the proxy has named a client.
fn client(server: &Server, address: &str) -> Wire {
    let mut wire = Wire::connect_from(PROXY, server.address());
    wire.send(&header_of(address));
    wire
}

/// Whether a client that upgrades has a place.
fn is_admitted(wire: &mut Wire) -> bool {
    wire.send(UPGRADE.as_bytes());
    wire.expect_place()
}

/// How many connections ended at their first bytes.
fn refused(server: &Server) -> u64 {
    use RefusalReason::{ProxyHeaderMalformed, ProxyHeaderMissing, ProxyUntrusted};
    let reasons = [ProxyUntrusted, ProxyHeaderMissing, ProxyHeaderMalformed];
    reasons.map(|reason| server.refused(reason)).iter().sum()
}

/// What is said before the request, and its name in the table.
fn beginnings() -> Vec<(&'static str, Vec<u8>)> {
    let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0, 80, 1, 187];
    vec![
        ("v1", b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n".to_vec()),
        ("v1 UNKNOWN", b"PROXY UNKNOWN\r\n".to_vec()),
        ("v2", v2(0x21, 0x11, 12, &v4)),
        ("v2 LOCAL", v2(0x20, 0x00, 0, &[])),
        ("v2 AF_UNIX", v2(0x21, 0x31, 216, &[0; 216])),
        ("v2 unspecified", v2(0x21, 0x00, 0, &[])),
        (
            "v2 with 4 KB of TLVs",
            v2(0x21, 0x11, 4_080, &[&v4[..], &[0x04, 0x0f, 0xe1], &[0; 4_065]].concat()),
        ),
        ("nothing", Vec::new()),
        ("v1 with another family", b"PROXY TCP4 2001:db8::7 ::1 1 2\r\n".to_vec()),
        ("v1 without an end", [&b"PROXY UNKNOWN "[..], &[b'x'; 100]].concat()),
        ("v2 length too short", v2(0x21, 0x11, 11, &v4)),
        ("v2 length 65535", v2(0x21, 0x11, u16::MAX, &v4)),
        ("v2 of a version 3", v2(0x31, 0x11, 12, &v4)),
    ]
}

/// What the request is answered: of a trusted proxy, and of somebody else.
const ANSWERS: &str = "
off      | v1                     | 400    | 400
off      | v1 UNKNOWN             | 400    | 400
off      | v2                     | 400    | 400
off      | v2 LOCAL               | 400    | 400
off      | v2 AF_UNIX             | 400    | 400
off      | v2 unspecified         | 400    | 400
off      | v2 with 4 KB of TLVs   | 400    | 400
off      | nothing                | 200    | 200
off      | v1 with another family | 400    | 400
off      | v1 without an end      | 400    | 400
off      | v2 length too short    | 400    | 400
off      | v2 length 65535        | 400    | 400
off      | v2 of a version 3      | 400    | 400
optional | v1                     | 200    | closed
optional | v1 UNKNOWN             | 200    | closed
optional | v2                     | 200    | closed
optional | v2 LOCAL               | 200    | closed
optional | v2 AF_UNIX             | 200    | closed
optional | v2 unspecified         | 200    | closed
optional | v2 with 4 KB of TLVs   | 200    | closed
optional | nothing                | 200    | 200
optional | v1 with another family | closed | closed
optional | v1 without an end      | closed | closed
optional | v2 length too short    | closed | closed
optional | v2 length 65535        | closed | closed
optional | v2 of a version 3      | closed | closed
required | v1                     | 200    | closed
required | v1 UNKNOWN             | 200    | closed
required | v2                     | 200    | closed
required | v2 LOCAL               | 200    | closed
required | v2 AF_UNIX             | 200    | closed
required | v2 unspecified         | 200    | closed
required | v2 with 4 KB of TLVs   | 200    | closed
required | nothing                | closed | closed
required | v1 with another family | closed | closed
required | v1 without an end      | closed | closed
required | v2 length too short    | closed | closed
required | v2 length 65535        | closed | closed
required | v2 of a version 3      | closed | closed
";

fn answer_from(source: [u8; 4], server: &Server, beginning: &[u8]) -> String {
    let mut wire = Wire::connect_from(source, server.address());
    // It may be closed by then, and then part of this is answered with a reset.
    wire.try_send(&[beginning, HEALTH].concat());
    let _ = wire.stream().shutdown(Shutdown::Write);
    let answer = String::from_utf8(wire.rest()).expect("text");
    match answer.split(' ').nth(1) {
        Some(status) => status.to_owned(),
        None => "closed".to_owned(),
    }
}

#[test]
fn who_is_believed_is_as_tabled() {
    let mut found = String::from("\n");
    for protocol in ["off", "optional", "required"] {
        let mode = serde_json::from_value(json!(protocol)).expect("a mode");
        let server = Server::with(1, |config| {
            trusting(mode)(config);
            if mode == ProxyProtocol::Off {
                config.security.trusted_proxies.clear();
            }
        });
        let mut closed = 0;
        for (name, beginning) in beginnings() {
            let answers = [PROXY, STRANGER].map(|source| answer_from(source, &server, &beginning));
            closed += answers.iter().filter(|answer| *answer == "closed").count() as u64;
            found += &format!("{protocol:8} | {name:22} | {:6} | {}\n", answers[0], answers[1]);
        }
        assert_eq!(refused(&server), closed, "each is counted");
    }
    assert_eq!(found, ANSWERS, "{found}");
}

#[test]
fn a_header_may_come_byte_by_byte_and_the_request_with_its_last() {
    let server = behind_a_proxy(|_| {});
    for (name, beginning) in beginnings().into_iter().take(4) {
        let mut wire = Wire::connect_from(PROXY, server.address());
        let (last, first) = beginning.split_last().expect("a header");
        for byte in first {
            wire.send(&[*byte]);
        }
        wire.send(&[&[*last], UPGRADE.as_bytes()].concat());
        assert!(wire.head().starts_with("HTTP/1.1 101 "), "{name}");
        wire.expect_served();
    }
}

#[test]
fn a_header_that_does_not_end_is_closed_when_a_request_would_be() {
    let server = behind_a_proxy(|config| config.websocket.http_header_read_timeout_secs = 1);
    let mut halves: Vec<_> = [&b""[..], b"P", b"PROXY TCP4 192.0.2.7", V2_BEGIN]
        .into_iter()
        .map(|half| {
            let mut wire = Wire::connect_from(PROXY, server.address());
            wire.send(half);
            wire
        })
        .collect();
    for half in &mut halves {
        assert_eq!(half.rest(), b"", "no answer, and an end");
    }
    assert_eq!(refused(&server), 0);
}

#[test]
fn clients_have_their_own_share_of_connections_however_they_are_named() {
    let server = behind_a_proxy(|config| config.security.max_connections_per_ip = 2);
    for mine in ["192.0.2.7", "2001:db8:1:2::1"] {
        let (other, next) = match mine {
            "192.0.2.7" => ("::ffff:192.0.2.7", "192.0.2.8"),
            _ => ("2001:db8:1:2:ffff::2", "2001:db8:1:3::1"),
        };
        let (mut one, mut two, mut three) = (client(&server, mine), client(&server, other), client(&server, mine));
        assert!(is_admitted(&mut one) && is_admitted(&mut two), "{mine}");
        assert!(!is_admitted(&mut three), "{mine} has its share");
        assert!(is_admitted(&mut client(&server, next)), "{next} is somebody else");
    }
}

#[test]
fn whoever_is_not_named_is_not_limited_by_the_proxys_address() {
    let server = behind_a_proxy(|config| {
        config.security.max_connections_per_ip = 1;
        config.security.exempt_loopback = false;
    });
    let unnamed: Vec<_> = beginnings()
        .into_iter()
        .filter(|(name, _)| ["v1 UNKNOWN", "v2 LOCAL", "v2 AF_UNIX", "v2 unspecified"].contains(name))
        .collect();
    let mut wires = Vec::new();
    for (name, beginning) in unnamed.iter().chain(&unnamed) {
        let mut wire = Wire::connect_from(PROXY, server.address());
        wire.send(beginning);
        assert!(is_admitted(&mut wire), "{name}");
        wires.push(wire);
    }
}

#[test]
fn what_loopback_is_spared_is_for_clients_on_loopback_not_for_the_proxy() {
    let server = behind_a_proxy(|config| config.security.max_connections_per_ip = 1);
    let mut near: Vec<_> = (0..3).map(|_| client(&server, "127.0.0.1")).collect();
    assert!(near.iter_mut().all(is_admitted), "a client of this machine");
    let mut far: Vec<_> = (0..2).map(|_| client(&server, "192.0.2.7")).collect();
    let admitted: Vec<_> = far.iter_mut().map(is_admitted).collect();
    assert_eq!(admitted, [true, false]);
}

#[test]
fn handshakes_and_failed_joins_are_the_clients_own() {
    let server = behind_a_proxy(|config| {
        config.security.enforce_app_id_allowlist = None;
        let listed = json!([{"app_id": "reef", "app_name": "Reef", "rate_limit_per_minute": 4}]);
        config.security.allowed_apps = serde_json::from_value(listed).expect("an app");
        config.rate_limit.max_failed_joins_per_address = 1;
    });
    let authenticated = |address| {
        let mut wire = client(&server, address).upgrade("/v2/ws");
        wire.send_frame(TEXT, br#"{"type":"Authenticate","data":{"app_id":"reef"}}"#);
        let answer = wire.frame();
        answer.text().contains(r#""Authenticated""#).then(|| {
            wire.frame();
            wire
        })
    };
    let watches = |wire: &mut Wire| {
        let join = json!({"type": "JoinAsSpectator",
            "data": {"game_name": "reef", "room_code": "NOROOM", "spectator_name": "Watcher"}});
        wire.send_frame(TEXT, join.to_string().as_bytes());
        wire.frame().text().contains("RATE_LIMIT_EXCEEDED")
    };
    let (mut one, mut two) = (
        authenticated("192.0.2.7").expect("first"),
        authenticated("192.0.2.7").expect("second"),
    );
    assert!(
        authenticated("192.0.2.7").is_none(),
        "half of the app's rate is used up"
    );
    let mut other = authenticated("192.0.2.8").expect("somebody else");
    assert!(!watches(&mut one) && watches(&mut two), "its one miss");
    assert!(!watches(&mut other), "it has missed nothing");
}

#[test]
fn the_control_plane_knows_a_connections_client_and_hands_it_back_with_it() {
    let server = behind_a_proxy(|config| config.security.max_connections_per_ip = 1);
    let served = |address| {
        let mut wire = client(&server, address);
        wire.send(HEALTH);
        assert!(wire.head().starts_with("HTTP/1.1 200 "));
        assert_eq!(wire.take(2), b"OK");
        wire
    };
    // One more than it serves at a time of one source: the first makes way.
    let mut other = served("192.0.2.8");
    let mut mine: Vec<_> = (0..17).map(|_| served("192.0.2.7")).collect();
    assert_eq!(mine[0].rest(), b"", "its place was needed");
    other.send(HEALTH);
    assert!(other.head().starts_with("HTTP/1.1 200 "), "nobody else's was");
    other.take(2);
    assert!(is_admitted(&mut other) && is_admitted(&mut mine[16]));
    assert!(!is_admitted(&mut mine[15]), "it is still the same client");
}

#[test]
fn the_operators_door_takes_no_header() {
    let server = behind_a_proxy(|config| config.control.port = Some(0));
    let door = server.control_address().expect("a door of its own");
    let mut wire = Wire::connect_from(STRANGER, door);
    wire.send(HEALTH);
    assert!(wire.head().starts_with("HTTP/1.1 200 "));
    let mut stream = Wire::connect_from(PROXY, door).into_parts().0;
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout above zero");
    std::io::Write::write_all(&mut stream, &header_of("192.0.2.7")).expect("it reads");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 400");
}
