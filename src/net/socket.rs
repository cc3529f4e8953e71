//! One accepted TCP connection: bytes in, bytes out, never waiting.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::kernel::{Received, Stream};
use super::poller::checked;
use super::system_call;
use crate::shard::SendOutcome;

/// A connected, non-blocking TCP socket. Dropping it closes it.
#[derive(Debug)]
pub struct Socket(OwnedFd);

impl Socket {
    /// Takes a connection from a listener, with the peer's address. `None`: none waits.
    pub(super) fn accept(listener: BorrowedFd<'_>) -> io::Result<Option<(Self, SocketAddr)>> {
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: the closure is given storage of the size that it is told, and the kernel fills in what it used.
        let accepted = unsafe {
            socket2::SockAddr::try_init(|address, length| {
                checked(libc::accept4(listener.as_raw_fd(), address.cast(), length, flags))
            })
        };
        match accepted {
            Ok((raw, address)) => {
                // SAFETY: the kernel has just made this descriptor for us.
                let socket = Self(unsafe { OwnedFd::from_raw_fd(raw) });
                Ok(address.as_socket().map(|address| (socket, address)))
            }
            // The peer, or the way to it, was gone before we came: not our trouble.
            Err(error) if error.raw_os_error().is_some_and(is_of_the_peer) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends small frames at once rather than collecting them, and bounds the kernel's own queue. Neither is fatal.
    pub(super) fn tune(&self, send_buffer_bytes: Option<usize>) {
        let socket = socket2::SockRef::from(&self.0);
        let tuned = socket.set_tcp_nodelay(true).and_then(|()| match send_buffer_bytes {
            Some(bytes) => socket.set_send_buffer_size(bytes),
            None => Ok(()),
        });
        if let Err(error) = tuned {
            tracing::debug!(%error, "a socket could not be tuned");
        }
    }
}

impl Socket {
    /// How long the peer's system takes to acknowledge what is sent, smoothed, in microseconds. `None`: it is no TCP, or nothing was
    /// acknowledged yet.
    pub(super) fn round_trip_us(&self) -> Option<u32> {
        let mut info = std::mem::MaybeUninit::<libc::tcp_info>::zeroed();
        let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
        let raw = self.0.as_raw_fd();
        // SAFETY: the kernel writes at most `length` bytes into `info`, which has so many.
        let asked = unsafe {
            let place = info.as_mut_ptr().cast();
            libc::getsockopt(raw, libc::IPPROTO_TCP, libc::TCP_INFO, place, &raw mut length)
        };
        checked(asked).ok()?;
        // SAFETY: all of it was zero, which is a value of its integers, before the kernel wrote some of it.
        let rtt = unsafe { info.assume_init() }.tcpi_rtt;
        Some(rtt).filter(|rtt| *rtt > 0)
    }
}

impl Stream for Socket {
    fn receive(&self, buffer: &mut [u8]) -> Received {
        match system_call::receive(self.0.as_fd(), buffer) {
            Ok(0) => Received::End,
            Ok(count) => Received::Bytes(count),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Received::Nothing,
                _ => Received::End,
            },
        }
    }

    fn send(&self, bytes: &[u8]) -> SendOutcome {
        match system_call::send(self.0.as_fd(), bytes) {
            Ok(count) => SendOutcome::Sent(count),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => SendOutcome::Full,
                _ => SendOutcome::Broken,
            },
        }
    }

    fn finish_sending(&self) {
        // A peer that is already gone needs no goodbye.
        let _ = socket2::SockRef::from(&self.0).shutdown(std::net::Shutdown::Write);
    }

    fn unacknowledged_bytes(&self) -> Option<u64> {
        let mut bytes: libc::c_int = 0;
        // SAFETY: `bytes` has room for the integer that this request writes.
        checked(unsafe { libc::ioctl(self.0.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) }).ok()?;
        u64::try_from(bytes).ok()
    }
}

/// Errors that `accept` hands on from the connection that it took; see accept(2).
const fn is_of_the_peer(error: i32) -> bool {
    matches!(
        error,
        libc::ECONNABORTED
            | libc::EPROTO
            | libc::EPERM
            | libc::ENETDOWN
            | libc::ENETUNREACH
            | libc::ENONET
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ENOPROTOOPT
            | libc::EOPNOTSUPP
    )
}

/// Whether it was for want of a descriptor, or of the memory for one, that none could be had.
pub(super) fn is_want_of_descriptors(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
    )
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Socket> for OwnedFd {
    fn from(socket: Socket) -> Self {
        socket.0
    }
}

impl From<OwnedFd> for Socket {
    /// A connected, non-blocking stream socket from elsewhere.
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}
