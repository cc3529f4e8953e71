//! Which sockets each shard accepts from.
//!
//! The server's own are one per shard, and the kernel deals connections out to them. Those that were passed are as many as
//! whoever passed them likes: each shard has some, or where there are fewer all of them, and a socket that several have gives each
//! connection to one of them that sleeps. Which shard accepts decides nothing but who reads the first request: a room lives where its code says.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;

use super::error::ServeError;
use crate::net::Listener;

/// Where a server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Addresses {
    /// For players, with the port that was drawn.
    pub players: SocketAddr,
    /// For operators, where [`control`](crate::config::Config::control) gives them a door of their own.
    pub control: Option<SocketAddr>,
}

/// The listeners of each shard, and the address that they listen on.
pub(super) type Listeners = (Vec<Vec<Listener>>, SocketAddr);

/// One socket per shard.
pub(super) fn opened(wanted: SocketAddr, shards: NonZeroU16, backlog: u32) -> Result<Listeners, ServeError> {
    let open = |address| Listener::bind(address, backlog).map_err(|source| ServeError::Listen { address, source });
    let first = open(wanted)?;
    let address = first.address().map_err(ServeError::Resource)?;
    let mut listeners = vec![vec![first]];
    for _ in 1..shards.get() {
        listeners.push(vec![open(address)?]);
    }
    Ok((listeners, address))
}

/// The sockets that were passed, dealt out to the shards.
pub(super) fn passed(
    passed: Vec<OwnedFd>,
    wanted: SocketAddr,
    shards: NonZeroU16,
    backlog: u32,
) -> Result<Listeners, ServeError> {
    let shards = usize::from(shards.get());
    let mut address = wanted;
    let mut listeners: Vec<Vec<Listener>> = (0..shards).map(|_| Vec::new()).collect();
    let sockets = passed.len();
    for (number, socket) in passed.into_iter().enumerate() {
        let listener = Listener::adopt(socket, backlog).map_err(ServeError::Unusable)?;
        let passed = listener.address().map_err(ServeError::Unusable)?;
        let is_configured = passed.ip() == wanted.ip() && (passed.port() == wanted.port() || wanted.port() == 0);
        if !is_configured {
            return Err(ServeError::Passed { passed, wanted });
        }
        address = passed;
        if sockets >= shards {
            listeners[number % shards].push(listener);
            continue;
        }
        for watching in &mut listeners {
            watching.push(listener.share().map_err(ServeError::Resource)?);
        }
    }
    Ok((listeners, address))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, UdpSocket};

    use super::*;

    fn dealt(sockets: usize, shards: u16) -> Vec<usize> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let open = |_| TcpListener::bind(address).expect("a port").into();
        let shards = NonZeroU16::new(shards).expect("not zero");
        let (listeners, _) = passed((0..sockets).map(open).collect(), address, shards, 8).expect("they listen there");
        listeners.iter().map(Vec::len).collect()
    }

    #[test]
    fn every_shard_has_a_socket_and_every_socket_a_shard() {
        assert_eq!(dealt(1, 3), [1, 1, 1]);
        assert_eq!(dealt(2, 3), [2, 2, 2]);
        assert_eq!(dealt(3, 3), [1, 1, 1]);
        assert_eq!(dealt(5, 3), [2, 2, 1]);
    }

    #[test]
    fn what_listens_elsewhere_or_not_at_all_is_refused() {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = socket.local_addr().expect("bound").port();
        let shards = NonZeroU16::MIN;
        let public = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let error = passed(vec![socket.into()], public, shards, 8).expect_err("another address");
        let text =
            format!("a socket was passed that listens at 127.0.0.1:{port}, and `bind` and `port` say 0.0.0.0:{port}");
        assert!(error.to_string().contains(&text), "{error}");

        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let error = passed(vec![socket.into()], public, shards, 8).expect_err("no TCP");
        assert!(matches!(error, ServeError::Unusable(_)), "{error}");
    }
}
