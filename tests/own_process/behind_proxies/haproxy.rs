//! HAProxy with `deploy/haproxy.cfg` and `deploy/haproxy-tls.cfg`.

use std::io::{Read as _, Write as _};

use super::certificate::Certificate;
use super::proxy::{Proxy, deployed};
use super::{
    BY_PROXY_HEADER, ONE, SILENCE, a_quiet_player_stays, connect, program, relay, relay_that_pings,
    two_play_by_their_own_addresses,
};
use crate::support::DEADLINE;
use crate::support::process::{Program, ServerProcess};
use crate::support::wire::Wire;

/// As many connections as every machine has descriptors for.
pub const FEWER: (&str, &str) = ("maxconn 20000", "maxconn 200");

/// HAProxy without TLS in front of this relay.
fn in_front_of(relay: &ServerProcess) -> Proxy {
    let address = relay.address().to_string();
    let changes = [
        FEWER,
        SILENCE,
        ("bind :3536", "bind fd@0"),
        ("127.0.0.1:3537", &address),
    ];
    Proxy::haproxy(&deployed("haproxy.cfg", &changes))
}

#[test]
#[ignore = "needs haproxy: .ci/run installs it and includes this test"]
fn two_play_through_a_balancer_that_sees_bytes() {
    let relay = relay(BY_PROXY_HEADER);
    let proxy = in_front_of(&relay);
    two_play_by_their_own_addresses(|from| connect(from, proxy.address()));
}

#[test]
#[ignore = "needs haproxy: .ci/run installs it and includes this test"]
fn who_is_quiet_behind_it_stays() {
    let relay = relay_that_pings(BY_PROXY_HEADER);
    let proxy = in_front_of(&relay);
    a_quiet_player_stays(connect(ONE, proxy.address()));
}

#[test]
#[ignore = "needs haproxy and openssl: .ci/run installs them and includes this test"]
fn two_play_through_bytes_that_are_encrypted() {
    let certificate = Certificate::new();
    let tls = |name: &str| format!("SIGNAL_FISH__SECURITY__TRANSPORT__TLS__{name}");
    let relay = program(BY_PROXY_HEADER)
        .variable(&tls("ENABLED"), "true")
        .variable(
            &tls("CERTIFICATE_PATH"),
            certificate.certificate().to_str().expect("text"),
        )
        .variable(&tls("PRIVATE_KEY_PATH"), certificate.key().to_str().expect("text"))
        .serve();
    let address = relay.address().to_string();
    let changes = [
        FEWER,
        ("bind :3536", "bind fd@0"),
        ("127.0.0.1:3537", &address),
        // Often, so that one that the relay does not pass is found while they play.
        (
            "check check-send-proxy inter 2s",
            "check check-ssl verify none check-send-proxy inter 50ms",
        ),
    ];
    let proxy = Proxy::haproxy(&deployed("haproxy.cfg", &changes));
    two_play_by_their_own_addresses(|from| certificate.connect(from, proxy.address()));
    let url = format!("https://{}", proxy.address());
    assert_eq!(Program::new(&["--health", &url]).output().status.code(), Some(0));
}

#[test]
#[ignore = "needs haproxy and openssl: .ci/run installs them and includes this test"]
fn two_play_through_one_that_speaks_tls_with_them() {
    let relay = relay(BY_PROXY_HEADER);
    let certificate = Certificate::new();
    let pem = certificate.with_key();
    let changes = [
        FEWER,
        ("bind :443 ", "bind fd@0 "),
        ("/etc/haproxy/relay.pem", pem.to_str().expect("text")),
        ("127.0.0.1:3537", &relay.address().to_string()),
    ];
    let proxy = Proxy::haproxy(&deployed("haproxy-tls.cfg", &changes));
    two_play_by_their_own_addresses(|from| certificate.connect(from, proxy.address()));
    // Whose certificate it is does not matter to a probe.
    let url = format!("https://{}", proxy.address());
    assert_eq!(Program::new(&["--health", &url]).output().status.code(), Some(0));
    let url = format!("https://{}", relay.address());
    assert_eq!(Program::new(&["--health", &url]).output().status.code(), Some(1));
}

#[test]
#[ignore = "needs haproxy: .ci/run installs it and includes this test"]
fn nobody_new_comes_to_a_relay_that_stops_and_who_is_there_stays() {
    let relay = relay(BY_PROXY_HEADER);
    let proxy = in_front_of(&relay);
    let mut player = Wire::over(connect(ONE, proxy.address())).upgrade("/v2/ws");
    relay.signal(libc::SIGTERM);
    relay.wait_for_log("stopping");
    // Once the listeners are closed the relay refuses, and then HAProxy, which has found that out.
    let is_turned_away = || {
        let mut stream = connect(ONE, proxy.address());
        stream.set_read_timeout(Some(DEADLINE)).expect("above zero");
        let asked = stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        asked.is_err() || !matches!(stream.read(&mut [0; 16]), Ok(1..))
    };
    while !is_turned_away() {}
    player.expect_served();
}
