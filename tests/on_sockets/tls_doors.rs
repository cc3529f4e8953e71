//! Who stands before which door: with TLS or without, behind a proxy, at the operators' own.

use std::io::Write;
use std::sync::Arc;

use rustls::ClientConfig;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use signal_fish_relay::config::{ClientAuth, Config, ProxyProtocol};
use signal_fish_relay::shard::refusals::RefusalReason;

use crate::proofs::Proofs;
use crate::support::server::Server;
use crate::support::tls::{Authority, V1_2, V1_3};
use crate::support::wire::{TEXT, UPGRADE, Wire};

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const METRICS: &[u8] = b"GET /metrics/prom HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const OFFER: &str = "Sec-WebSocket-Protocol: signalfish.tokenbinding.v2\r\n";

fn server(authority: &Authority, change: impl FnOnce(&mut Config)) -> Server {
    let identity = authority.server("server");
    Server::with(2, |config| {
        identity.serve(config);
        change(config);
    })
}

#[test]
fn http_in_the_clear_is_told_where_it_came_to() {
    let authority = Authority::new("clear");
    let server = server(&authority, |config| config.control.port = Some(0));
    for request in [HEALTH, UPGRADE.as_bytes()] {
        let mut wire = Wire::connect(server.address());
        wire.send(request);
        let answer = String::from_utf8(wire.rest()).expect("text");
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answer.contains("wss://"),
            "{answer}"
        );
    }
    let mut wire = Wire::connect(server.control_address().expect("a door"));
    wire.send(HEALTH);
    let answer = String::from_utf8(wire.rest()).expect("text");
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"),
        "{answer}"
    );
    assert_eq!(server.refused(RefusalReason::TlsHandshake), 3, "at both doors");
}

#[test]
fn tls_on_a_port_without_is_told_by_an_alert() {
    let authority = Authority::new("nowhere");
    let server = Server::with(1, |config| config.control.port = Some(0));
    for versions in [&V1_2, &V1_3] {
        let client = authority.client_of(versions, None);
        let refused = Wire::connect(server.address()).try_secure(&client);
        let said = refused.err().expect("there is no TLS").to_string();
        assert!(said.contains("HandshakeFailure"), "{said}");
    }
}

#[test]
fn operators_have_tls_at_their_own_door() {
    let authority = Authority::new("operators");
    let server = server(&authority, |config| config.control.port = Some(0));
    let door = server.control_address().expect("a door");
    for (address, request, status) in [
        (door, HEALTH, "200"),
        (door, METRICS, "200"),
        (server.address(), HEALTH, "200"),
        (server.address(), METRICS, "404"),
    ] {
        let mut wire = Wire::connect(address).secure(&authority.client());
        wire.send(request);
        let answer = String::from_utf8(wire.rest()).expect("text, and an end in order");
        assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
    }
    let mut wire = Wire::connect(door).secure(&authority.client());
    wire.send(METRICS);
    let page = String::from_utf8(wire.rest()).expect("text");
    assert!(
        page.contains("signal_fish_tls_certificate_expiry_timestamp_seconds 41"),
        "the year 2100: {page}"
    );
}

#[test]
fn a_proxy_names_the_client_before_tls() {
    let authority = Authority::new("proxied");
    let server = server(&authority, |config| {
        let security = &mut config.security;
        security.proxy_protocol = ProxyProtocol::Required;
        security.trusted_proxies = vec!["127.0.0.2".parse().expect("an address")];
        security.enforce_app_id_allowlist = Some(false);
        security.require_metrics_auth = Some(false);
        security.max_connections_per_ip = 1;
    });
    let header = |client: &str| format!("PROXY TCP4 {client} 10.0.0.1 4711 443\r\n");
    let client = |address: &str, is_split: bool| {
        let mut wire = Wire::connect_from([127, 0, 0, 2], server.address());
        let header = header(address);
        let (first, rest) = header.split_at(if is_split { 9 } else { 0 });
        wire.send(first.as_bytes());
        wire.send(rest.as_bytes());
        let mut wire = wire.secure(&authority.client());
        wire.send(UPGRADE.as_bytes());
        let is_admitted = wire.expect_place();
        (wire, is_admitted)
    };
    let (_first, is_first) = client("192.0.2.7", false);
    let (_second, is_second) = client("192.0.2.7", true);
    let (_other, is_other) = client("192.0.2.8", true);
    assert_eq!([is_first, is_second, is_other], [true, false, true]);
}

/// A connection over TLS that was answered once and is kept.
fn kept(server: &Server, client: &Arc<ClientConfig>) -> Wire {
    let mut wire = Wire::connect(server.address()).secure(client);
    wire.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(wire.head().starts_with("HTTP/1.1 200 "));
    assert_eq!(wire.take(2), b"OK");
    wire
}

#[test]
fn whoever_has_to_go_is_told_by_tls_as_well() {
    const PLACES: usize = 16;
    let authority = Authority::new("told");
    let server = server(&authority, |config| config.control.max_connections = PLACES);
    let client = authority.client();
    let mut visitors: Vec<_> = (0..=PLACES).map(|_| kept(&server, &client)).collect();
    assert_eq!(visitors[0].rest(), b"", "an end in order for who makes way");
    server.stop();
    for visitor in &mut visitors[1..] {
        assert_eq!(visitor.rest(), b"", "and when the server stops");
    }
}

#[test]
fn a_record_that_is_not_authentic_is_answered_by_an_alert_at_every_door() {
    let authority = Authority::new("forged");
    let server = server(&authority, |config| config.control.port = Some(0));
    let door = server.control_address().expect("a door");
    for client in [&V1_2, &V1_3].map(|versions| authority.client_of(versions, None)) {
        for mut wire in [
            Wire::connect(server.address()).secure(&client),
            Wire::connect(door).secure(&client),
            kept(&server, &client),
        ] {
            let forged = [[23, 3, 3, 0, 32].as_slice(), &[7; 32]].concat();
            wire.stream().write_all(&forged).expect("the server reads");
            let alert = wire.alert();
            assert!(alert.contains("BadRecordMac"), "{alert}");
        }
    }
}

/// A connection whose messages prove where they come from.
fn bound(wire: Wire, certificate: Option<&[u8]>) -> (Wire, Proofs) {
    let mut wire = wire;
    wire.send(UPGRADE.replace("\r\n\r\n", &format!("\r\n{OFFER}\r\n")).as_bytes());
    let head = wire.head();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains(OFFER), "{head}");
    let challenge: Value = serde_json::from_str(wire.frame().text()).expect("JSON");
    let mut proofs = Proofs::new(&challenge);
    proofs.fingerprint = certificate.map(|der| data_encoding::HEXLOWER.encode(&Sha256::digest(der)));
    (wire, proofs)
}

#[test]
fn a_binding_may_be_demanded() {
    let authority = Authority::new("bound");
    let server = server(&authority, |config| {
        config.security.transport.token_binding.enabled = true;
        config.security.transport.token_binding.required = true;
    });
    let secured = || Wire::connect(server.address()).secure(&authority.client());
    let mut unbound = secured();
    unbound.send(UPGRADE.as_bytes());
    let head = unbound.head();
    assert!(head.starts_with("HTTP/1.1 4"), "{head}");
    let (mut wire, mut proofs) = bound(secured(), None);
    wire.send_frame(TEXT, proofs.next(&json!({"type": "Ping"})).to_string().as_bytes());
    assert_eq!(wire.frame().text(), r#"{"type":"Pong"}"#);
}

#[test]
fn every_frame_names_the_certificate_that_was_shown() {
    let authority = Authority::new("fingerprints");
    let (mine, other) = (
        authority.sign("mine", &["mine"], 2_100),
        authority.sign("other", &["other"], 2_100),
    );
    let server = server(&authority, |config| {
        let transport = &mut config.security.transport;
        transport.tls.client_auth = ClientAuth::Require;
        transport.tls.client_ca_cert_path = Some(authority.path());
        transport.token_binding.enabled = true;
        transport.token_binding.required = true;
        transport.token_binding.require_client_fingerprint = true;
    });
    for versions in [&V1_2, &V1_3] {
        let client = authority.client_of(versions, Some(&mine));
        // The second connection resumes the first, and has shown the certificate all the same.
        for resumed in [false, true] {
            let before = server.count(|counters| &counters.tls_resumptions);
            let (mut wire, mut proofs) = bound(Wire::connect(server.address()).secure(&client), Some(&mine.der));
            for _ in 0..3 {
                wire.send_frame(TEXT, proofs.next(&json!({"type": "Ping"})).to_string().as_bytes());
                assert_eq!(wire.frame().text(), r#"{"type":"Pong"}"#);
            }
            let resumptions = server.count(|counters| &counters.tls_resumptions) - before;
            assert_eq!(resumptions, u64::from(resumed));
        }
        for named in [None, Some(&other.der[..])] {
            let (mut wire, mut proofs) = bound(Wire::connect(server.address()).secure(&client), named);
            wire.send_frame(TEXT, proofs.next(&json!({"type": "Ping"})).to_string().as_bytes());
            let answer = wire.frame();
            assert!(answer.text().contains("fingerprint"), "{}", answer.text());
            wire.expect_close(1000);
        }
    }
}
