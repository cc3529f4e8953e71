//! Where connections arrive: one listening socket per shard and address, all on one port; or those that were passed to the
//! process, which shards share.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use socket2::{Domain, Protocol, SockAddr, Type};

/// A listening socket. The kernel spreads connections over all listeners of one address.
#[derive(Debug)]
pub struct Listener(socket2::Socket);

impl Listener {
    /// Listens on `address`; port 0 draws one. An IPv6 wildcard listens for IPv4 too.
    ///
    /// # Errors
    ///
    /// What the kernel says: the address is not this machine's, or another server has the port.
    pub fn bind(address: SocketAddr, backlog: u32) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        // A restarted server must not have to wait for its old connections to be forgotten.
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::from(address))?;
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        Ok(Self(socket))
    }

    /// A socket that somebody else has opened. It must listen for TCP already.
    ///
    /// # Errors
    ///
    /// When it does not, or what the kernel says.
    pub fn adopt(socket: OwnedFd, backlog: u32) -> io::Result<Self> {
        let socket = socket2::Socket::from(socket);
        let is_tcp = socket.r#type()? == Type::STREAM && socket.local_addr()?.as_socket().is_some();
        if !is_tcp || !socket.is_listener()? {
            return Err(io::Error::other("it is no TCP socket that listens"));
        }
        socket.set_nonblocking(true)?;
        // Listening again changes only the backlog.
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        Ok(Self(socket))
    }

    /// The same socket once more, for another shard: each connection goes to one of those who watch it.
    ///
    /// # Errors
    ///
    /// When there is no descriptor left.
    pub fn share(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// The address that was bound, with the port that was drawn.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::other("a TCP listener has an internet address"))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
