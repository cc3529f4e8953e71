//! One address that opens thousands of sockets and never upgrades them keeps nobody out: neither others nor itself, whether
//! its sockets are silent, send a part of a request, or were answered and stay open.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use signal_fish_relay::config::Config;
use socket2::{Domain, Socket, Type};

use crate::support::player::Player;
use crate::support::server::Server;
use crate::support::wire::Wire;
use crate::support::{DEADLINE, descriptors};

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
const ONE_HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// How many sockets one address opens.
const FLOOD: usize = 5_000;

/// How long a newcomer waits at most.
const SOON: Duration = Duration::from_secs(1);

fn patient(config: &mut Config) {
    // So long that nobody gets in because somebody's time is over.
    config.websocket.http_header_read_timeout_secs = 60;
    config.security.max_connections = 100;
}

/// Connects from an address of this machine.
fn connect_from(source: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let source = SocketAddr::from((Ipv4Addr::from(source), 0));
    socket.bind(&source.into()).expect("an address of this machine");
    socket.connect(&to.into()).expect("the server's backlog has room");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout above zero");
    socket.into()
}

/// How long a health check takes from the first packet to the last byte.
fn time_of_health_check(source: [u8; 4], to: SocketAddr) -> Duration {
    let before = Instant::now();
    let mut stream = connect_from(source, to);
    stream.write_all(ONE_HEALTH).expect("the server reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the server answers");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    before.elapsed()
}

/// Opens thousands of sockets from one address that say this and stay, and has newcomers from there and from elsewhere.
fn nobody_is_kept_out_by(said: &[&[u8]]) {
    // Two floods at once, and the server's ends of some of them.
    descriptors::allow(3 * FLOOD as u64);
    let server = Server::with(2, patient);
    let mut player = Player::authenticated(&server);
    let flood: Vec<_> = said
        .iter()
        .cycle()
        .take(FLOOD)
        .map(|said| {
            let mut stream = connect_from([127, 0, 0, 1], server.address());
            // It may have made way for a later one already.
            let _ = stream.write_all(said);
            stream
        })
        .collect();
    for source in [[127, 0, 0, 2], [127, 0, 0, 1]] {
        let times: Vec<_> = (0..9).map(|_| time_of_health_check(source, server.address())).collect();
        assert!(times.iter().all(|time| *time < SOON), "{source:?} waits {times:?}");
    }
    assert!(player.is_served());
    assert!(server.count(|counters| &counters.greetings_displaced) > 0);
    drop(flood);
}

#[test]
fn silent_sockets_and_parts_of_requests_keep_nobody_out() {
    nobody_is_kept_out_by(&[b"", b"GET /health HT"]);
}

#[test]
fn answered_sockets_that_stay_open_keep_nobody_out() {
    nobody_is_kept_out_by(&[HEALTH]);
}

#[test]
fn who_is_refused_and_does_not_leave_is_refused_before_the_upgrade_one_day() {
    let server = Server::with(1, |config| {
        patient(config);
        config.security.max_connections = 1;
        config.security.max_connections_per_ip = 1;
    });
    let mut player = Player::authenticated(&server);
    let refused: Vec<_> = (0..100)
        .map(|_| {
            let mut wire = Wire::connect(server.address());
            wire.send(crate::support::wire::UPGRADE.as_bytes());
            let head = wire.head();
            (wire, head)
        })
        .collect();
    let upgraded = |(_, head): &&(Wire, String)| head.starts_with("HTTP/1.1 101 ");
    let told = refused.iter().take_while(upgraded).count();
    assert_eq!(told, 64, "so many may linger");
    for (_, head) in &refused[told..] {
        assert!(
            head.starts_with("HTTP/1.1 503 ") && head.contains("rejected_capacity"),
            "{head}"
        );
    }
    assert!(player.is_served());
}
