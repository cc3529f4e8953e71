//! Handshakes that are not made: what the client is told, and that nobody else is kept out.

use std::io::{Read, Write};

use signal_fish_relay::config::{ClientAuth, Config};
use signal_fish_relay::shard::refusals::RefusalReason;

use crate::support::server::Server;
use crate::support::tls::{Authority, V1_2, V1_3};
use crate::support::wire::Wire;

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Sockets that one address opens.
const FLOOD: usize = 600;

fn server(authority: &Authority, change: impl FnOnce(&mut Config)) -> Server {
    let identity = authority.server("server");
    Server::with(2, |config| {
        identity.serve(config);
        change(config);
    })
}

/// What a client says first.
fn hello(authority: &Authority) -> Vec<u8> {
    let name = rustls::pki_types::ServerName::try_from(crate::support::tls::NAME).expect("a name");
    let mut tls = rustls::ClientConnection::new(authority.client(), name).expect("a client");
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).expect("a vector takes everything");
    hello
}

#[test]
fn half_handshakes_keep_nobody_out_and_end_in_time() {
    let authority = Authority::new("halves");
    let server = server(&authority, |config| {
        config.security.exempt_loopback = false;
        config.websocket.http_header_read_timeout_secs = 5;
    });
    let hello = hello(&authority);
    let mut flood: Vec<_> = (0..FLOOD)
        .map(|_| {
            let mut wire = Wire::connect_from([127, 0, 0, 3], server.address());
            // It may have made way for a later one already.
            wire.try_send(&hello[..hello.len() / 2]);
            wire
        })
        .collect();
    for source in [[127, 0, 0, 4], [127, 0, 0, 3]] {
        let mut wire = Wire::connect_from(source, server.address()).secure(&authority.client());
        wire.send(HEALTH);
        assert!(wire.head().starts_with("HTTP/1.1 200 "), "{source:?}");
    }
    for wire in &mut flood {
        wire.rest();
    }
}

#[test]
fn a_handshake_in_single_bytes_is_made() {
    let authority = Authority::new("bytes");
    let server = server(&authority, |_| {});
    for versions in [&V1_2, &V1_3] {
        let name = rustls::pki_types::ServerName::try_from(crate::support::tls::NAME).expect("a name");
        let mut tls = rustls::ClientConnection::new(authority.client_of(versions, None), name).expect("a client");
        let (mut stream, _) = Wire::connect(server.address()).into_parts();
        tls.writer().write_all(HEALTH).expect("kept until it can be sealed");
        let mut answer = vec![0; 12];
        let mut known = 0;
        while known < answer.len() {
            let mut words = Vec::new();
            while tls.wants_write() {
                tls.write_tls(&mut words).expect("a vector takes everything");
            }
            for byte in words {
                stream.write_all(&[byte]).expect("the server reads");
            }
            tls.read_tls(&mut stream).expect("the server answers");
            tls.process_new_packets().expect("TLS");
            if let Ok(count) = tls.reader().read(&mut answer[known..]) {
                known += count;
            }
        }
        assert_eq!(answer, b"HTTP/1.1 200");
    }
}

#[test]
fn who_shows_no_good_certificate_is_told_why() {
    let (authority, stranger) = (Authority::new("right"), Authority::new("wrong"));
    let server = server(&authority, |config| {
        config.security.transport.tls.client_auth = ClientAuth::Require;
        config.security.transport.tls.client_ca_cert_path = Some(authority.path());
    });
    let good = authority.sign("good", &["good"], 2_100);
    let expired = authority.sign("expired", &["expired"], 2_001);
    let foreign = stranger.sign("foreign", &["foreign"], 2_100);
    for versions in [&V1_2, &V1_3] {
        let before = server.refused(RefusalReason::TlsHandshake);
        for (identity, alert) in [
            (
                None,
                if versions[0].version == V1_2[0].version {
                    "HandshakeFailure"
                } else {
                    "CertificateRequired"
                },
            ),
            (Some(&expired), "CertificateExpired"),
            (Some(&foreign), "UnknownCA"),
        ] {
            let client = authority.client_of(versions, identity);
            // With TLS 1.3 the client is done before the server has judged.
            let said = match Wire::connect(server.address()).try_secure(&client) {
                Err(error) => error.to_string(),
                Ok(wire) => told_later(wire),
            };
            assert!(said.contains(alert), "{alert} was expected: {said}");
        }
        assert_eq!(server.refused(RefusalReason::TlsHandshake) - before, 3);
        let client = authority.client_of(versions, Some(&good));
        Wire::connect(server.address())
            .secure(&client)
            .upgrade("/v2/ws")
            .expect_served();
    }
}

/// What a server says that was not content with a client that thought itself connected.
fn told_later(mut wire: Wire) -> String {
    let mut stream = wire.stream().try_clone().expect("a descriptor");
    let error = wire.tls().complete_io(&mut stream).err();
    error.map_or_else(|| "nothing".to_owned(), |error| error.to_string())
}
