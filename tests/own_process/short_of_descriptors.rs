//! A process that has no descriptor left: players do not notice, newcomers take the places of sockets that only wait, and
//! when descriptors come back accepting goes on by itself.
//!
//! Played in a child: the limit is the whole process's.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::child;
use crate::support::DEADLINE;
use crate::support::player::Player;
use crate::support::server::Server;
use signal_fish_relay::shard::{Counter, CounterSet};
use socket2::{Domain, Socket, Type};

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// All descriptors that the process may still open. Dropping it gives them back.
struct Shortage(#[allow(dead_code, reason = "held, not read")] Vec<File>);

impl Shortage {
    fn begin() -> Self {
        let open = std::fs::read_dir("/proc/self/fd").expect("this process").count() as u64;
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: the pointer is to this frame, and the kernel fills the whole structure.
        assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
        limit.rlim_cur = open + 64;
        // SAFETY: the pointer is to this frame and only read.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
        Self(std::iter::from_fn(|| File::open("/dev/null").ok()).collect())
    }
}

/// A socket that has its descriptor and is not connected.
fn prepared() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout above zero");
    socket
}

fn connect(socket: Socket, to: SocketAddr) -> TcpStream {
    socket.connect(&to.into()).expect("the kernel's queue has room");
    socket.into()
}

fn is_answered(mut stream: TcpStream) {
    stream.write_all(HEALTH).expect("the kernel takes it");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the server answers");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn players_do_not_notice_and_accepting_goes_on_by_itself() {
    child::play(
        "short_of_descriptors::players_do_not_notice_and_accepting_goes_on_by_itself",
        a_shortage_comes_and_goes,
    );
}

fn a_shortage_comes_and_goes() {
    let server = Server::with(1, |config| {
        config.websocket.http_header_read_timeout_secs = 60;
        config.security.max_connections = 100;
    });
    let mut player = Player::authenticated(&server);
    let [waiting, newcomer] = [prepared(), prepared()];
    let count = |counter: fn(&CounterSet) -> &Counter| server.count(counter);

    // Nobody can make way.
    let shortage = Shortage::begin();
    let waiting = connect(waiting, server.address());
    while count(|counters| &counters.accept_pauses) < 3 {
        assert!(player.is_served());
    }
    drop(shortage);
    is_answered(waiting);

    // Those that only wait make way.
    let silent: Vec<_> = (0..8).map(|_| connect(prepared(), server.address())).collect();
    // Who comes after them is answered, so all of them were accepted.
    is_answered(connect(prepared(), server.address()));
    assert_eq!(count(|counters| &counters.greetings_displaced), 0);
    let _shortage = Shortage::begin();
    is_answered(connect(newcomer, server.address()));
    let ended = (&silent[0]).read(&mut [0]).expect("an end in order");
    assert_eq!(ended, 0, "the oldest was closed");
    assert!(player.is_served());
}
