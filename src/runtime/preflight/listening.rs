//! Can the server listen where it was told to, and will it be alone there?

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use socket2::{Domain, Socket, Type};

use super::ring;
use super::warning::Warning;

/// An address to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenAddress {
    /// Port 0 means any free port and is not checked.
    pub address: SocketAddr,
    /// For an IPv6 address: leave IPv4 to others.
    pub v6_only: bool,
}

/// Why the server could not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenRefusal {
    /// Somebody does already.
    #[error("{address} is served already: stop the other server (`ss -ltnp` names it) or choose another port")]
    Served {
        /// Where.
        address: SocketAddr,
    },
    /// The port is kept for privileged processes.
    #[error(
        "this process may not listen on {address}: choose a port from 1024 on, or grant the right (systemd \
         AmbientCapabilities=CAP_NET_BIND_SERVICE, Docker `--cap-add NET_BIND_SERVICE`)"
    )]
    Forbidden {
        /// Where.
        address: SocketAddr,
    },
    /// The machine does not have the address.
    #[error("this machine has no address {}: bind to one of `ip address`, or to 0.0.0.0 for all", .address.ip())]
    NotOurs {
        /// Where.
        address: SocketAddr,
    },
    /// The machine does not speak IPv6.
    #[error("IPv6 is switched off here, so {address} cannot be served: bind to an IPv4 address such as 0.0.0.0")]
    NoFamily {
        /// Where.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("{address} cannot be served ({source}): choose another address or port")]
    Other {
        /// Where.
        address: SocketAddr,
        /// What the kernel answered.
        source: io::Error,
    },
}

/// Binds for a moment *without* SO_REUSEPORT: with it, as the shards' listeners have it, a second server of the same
/// user would take half of the first one's connections in silence. SO_REUSEADDR only looks past connections of an
/// earlier server that linger in TIME_WAIT.
pub(super) fn check_free(listen: ListenAddress) -> Result<(), ListenRefusal> {
    if listen.address.port() == 0 {
        return Ok(());
    }
    bind_alone(listen)
        .map(drop)
        .map_err(|error| explain(listen.address, error))
}

fn bind_alone(listen: ListenAddress) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(listen.address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if listen.address.is_ipv6() {
        socket.set_only_v6(listen.v6_only)?;
    }
    socket.bind(&listen.address.into())?;
    Ok(socket)
}

fn explain(address: SocketAddr, error: io::Error) -> ListenRefusal {
    match error.raw_os_error() {
        Some(libc::EADDRINUSE) => ListenRefusal::Served { address },
        Some(libc::EACCES | libc::EPERM) => ListenRefusal::Forbidden { address },
        Some(libc::EADDRNOTAVAIL) => ListenRefusal::NotOurs { address },
        Some(libc::EAFNOSUPPORT) => ListenRefusal::NoFamily { address },
        _ => ListenRefusal::Other { address, source: error },
    }
}

/// The kernel cuts a backlog in silence.
pub(super) fn backlog_warning(wanted: u32, sysctl: &Path) -> Option<Warning> {
    let most = ring::read(sysctl, "net/core/somaxconn")?.parse().ok()?;
    (wanted > most).then_some(Warning::BacklogCut { wanted, most })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn at(address: SocketAddr) -> ListenAddress {
        ListenAddress {
            address,
            v6_only: false,
        }
    }

    fn shared_listener() -> (Socket, SocketAddr) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("an option");
        socket.set_reuse_port(true).expect("an option");
        socket
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .expect("bound");
        socket.listen(8).expect("listening");
        let address = socket.local_addr().expect("bound").as_socket().expect("IPv4");
        (socket, address)
    }

    #[test]
    fn a_server_that_shares_its_port_is_seen() {
        let (_server, address) = shared_listener();
        let refusal = check_free(at(address)).expect_err("it is served");
        let expected =
            format!("{address} is served already: stop the other server (`ss -ltnp` names it) or choose another port");
        assert_eq!(refusal.to_string(), expected);

        let everywhere = SocketAddr::from(([0, 0, 0, 0], address.port()));
        assert!(
            matches!(check_free(at(everywhere)), Err(ListenRefusal::Served { .. })),
            "all addresses hold that one"
        );
    }

    #[test]
    fn a_restart_is_not_held_up_by_lingering_connections() {
        let (server, address) = shared_listener();
        let client = TcpStream::connect(address).expect("connected");
        let (accepted, _) = server.accept().expect("accepted");
        // The side that closes first is left in TIME_WAIT.
        drop((accepted, server));
        drop(client);
        check_free(at(address)).expect("nobody listens there");
    }

    #[test]
    fn any_free_port_needs_no_check() {
        check_free(at(([192, 0, 2, 1], 0).into())).expect("port 0 is not probed");
    }

    #[test]
    fn a_foreign_address_is_told() {
        let refusal = check_free(at(([192, 0, 2, 1], 7777).into())).expect_err("a documentation address");
        let text = refusal.to_string();
        assert_eq!(
            text,
            "this machine has no address 192.0.2.1: bind to one of `ip address`, or to 0.0.0.0 for all"
        );
    }

    #[test]
    fn refusals_tell_the_cure() {
        let address = SocketAddr::from(([0, 0, 0, 0], 80));
        let told = |errno| explain(address, io::Error::from_raw_os_error(errno)).to_string();
        assert!(told(libc::EACCES).contains("AmbientCapabilities=CAP_NET_BIND_SERVICE"));
        assert!(told(libc::EAFNOSUPPORT).contains("IPv4 address"));
        assert!(told(libc::EIO).starts_with("0.0.0.0:80 cannot be served ("));
    }

    #[test]
    fn a_dual_stack_address_is_held_up_by_ipv4_and_a_v6_only_one_is_not() {
        let (_server, address) = shared_listener();
        let everywhere = SocketAddr::new("::".parse().expect("an address"), address.port());
        let refusal = check_free(ListenAddress {
            address: everywhere,
            v6_only: false,
        });
        if TcpListener::bind("[::]:0").is_err() {
            assert!(refusal.is_err(), "a machine without IPv6 has no such address");
            return;
        }
        assert!(matches!(refusal, Err(ListenRefusal::Served { .. })), "{refusal:?}");
        check_free(ListenAddress {
            address: everywhere,
            v6_only: true,
        })
        .expect("IPv6 is free there");
    }

    #[test]
    fn only_a_backlog_that_will_be_cut_is_warned_of() {
        let sysctl = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(backlog_warning(4096, sysctl.path()), None, "no such sysctl");
        fs::create_dir_all(sysctl.path().join("net/core")).expect("a directory");
        fs::write(sysctl.path().join("net/core/somaxconn"), "1024\n").expect("a file");
        assert_eq!(backlog_warning(1024, sysctl.path()), None);
        let cut = Warning::BacklogCut {
            wanted: 4096,
            most: 1024,
        };
        assert_eq!(backlog_warning(4096, sysctl.path()), Some(cut));
    }
}
