//! Edge-triggered readiness of many sockets (epoll).
//!
//! Each descriptor is registered once, for reading and writing; its owner must read or write until the socket would
//! block, or it will not hear of it again. Closing the descriptor ends its registration.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

const EVENTS_PER_WAIT: usize = 1024;

/// What became possible on one descriptor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    /// The number that the descriptor was registered under.
    pub(crate) token: usize,
    /// Bytes, an end of stream or an error can be read.
    pub(crate) readable: bool,
    /// The socket takes bytes again, or has just been connected.
    pub(crate) writable: bool,
}

/// An epoll set and the events of its last wait.
pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
    count: usize,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: the call takes a flag only; its result is checked before it is used as a descriptor.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was just returned to us, is open, and nobody else owns it.
        let epoll = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self {
            epoll,
            events: vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS_PER_WAIT],
            count: 0,
        })
    }

    /// Registers a descriptor under `token`, which later comes back in [`Ready`].
    pub(crate) fn add(&self, descriptor: BorrowedFd<'_>, token: usize) -> io::Result<()> {
        let interest = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET;
        let mut event = libc::epoll_event {
            events: interest as u32,
            u64: token as u64,
        };
        // SAFETY: both descriptors are open for the length of the call and `event` is valid; epoll copies it.
        let result = unsafe {
            libc::epoll_ctl(
                self.epoll.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                descriptor.as_raw_fd(),
                &raw mut event,
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Waits until something is ready or `timeout` is over, and returns how many descriptors are ready. A signal counts
    /// as "nothing ready". Needs Linux 5.11 for waits finer than a millisecond.
    pub(crate) fn wait(&mut self, timeout: Duration) -> io::Result<usize> {
        self.count = 0;
        let limit = libc::timespec {
            tv_sec: timeout.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(timeout.subsec_nanos() as i32),
        };
        // SAFETY: `events` holds EVENTS_PER_WAIT writable entries, `limit` lives through the call, no signal mask is given.
        let count = unsafe {
            libc::epoll_pwait2(
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                EVENTS_PER_WAIT as libc::c_int,
                &raw const limit,
                std::ptr::null(),
            )
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted {
                Ok(0)
            } else {
                Err(error)
            };
        }
        self.count = count as usize;
        Ok(self.count)
    }

    /// The `index`-th event of the last wait.
    pub(crate) fn ready(&self, index: usize) -> Ready {
        assert!(index < self.count, "only events of the last wait can be asked for");
        let event = self.events[index];
        let flags = event.events as i32;
        let broken = flags & (libc::EPOLLERR | libc::EPOLLHUP) != 0;
        Ready {
            token: event.u64 as usize,
            readable: broken || flags & (libc::EPOLLIN | libc::EPOLLRDHUP) != 0,
            writable: broken || flags & libc::EPOLLOUT != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn an_edge_is_told_once_and_carries_its_token() {
        let (mut near, mut far) = UnixStream::pair().expect("a socket pair");
        near.set_nonblocking(true).expect("nonblocking");
        let mut poller = Poller::new().expect("an epoll set");
        poller.add(near.as_fd(), 7).expect("registered");

        far.write_all(b"x").expect("written");
        assert_eq!(poller.wait(Duration::from_secs(5)).expect("waited"), 1);
        let ready = poller.ready(0);
        assert_eq!((ready.token, ready.readable, ready.writable), (7, true, true));

        let mut byte = [0; 8];
        assert_eq!(near.read(&mut byte).expect("read"), 1);
        assert_eq!(poller.wait(Duration::ZERO).expect("waited"), 0, "no new edge, no event");
    }
}
