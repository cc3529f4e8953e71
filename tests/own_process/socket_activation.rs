//! A socket that outlives the server: who connects while none runs is served by the next.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use crate::support::DEADLINE;
use crate::support::process::Program;
use crate::support::wire::Wire;

fn listening() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

fn on(listener: &TcpListener, arguments: &[&str]) -> Program {
    let socket = OwnedFd::from(listener.try_clone().expect("a descriptor"));
    Program::on_socket(socket, arguments).variable("SIGNAL_FISH__SERVER__DRAIN_GRACE_SECS", "0")
}

#[test]
fn nobody_is_refused_while_no_server_runs() {
    let (listener, address) = listening();
    let port = address.port().to_string();
    for _ in 0..2 {
        let early = Wire::connect(address);
        let server = on(&listener, &["--port", &port, "--shards", "2"]).serve();
        assert_eq!(server.address(), address);
        let mut early = early.upgrade("/v2/ws");
        early.expect_served();
        // More than one shard could hold by chance: each comes to one of two that watch one socket.
        let mut others: Vec<_> = (0..8).map(|_| Wire::upgraded_to(address)).collect();
        others.iter_mut().for_each(Wire::expect_served);
        server.signal(libc::SIGTERM);
        assert_eq!(server.wait(DEADLINE), Some(0));
    }
}

#[test]
fn a_socket_elsewhere_than_configured_is_refused() {
    let (listener, address) = listening();
    let output = on(&listener, &["--port", "1", "--shards", "1"]).output();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.contains(&format!("a socket was passed that listens at {address}")),
        "{told}"
    );
}
