//! The system calls of every message, without what the C library does around them.
//!
//! `recv`, `send` and `epoll_wait` of the C library are points at which a thread may be cancelled, and say so to it before and
//! after, in a program with several threads: 1 % of the CPU at 50 rooms × 4 × 60 Hz. Nothing here is ever cancelled.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What a call returned, or what the kernel says went wrong.
fn checked(result: libc::c_long) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Receives into `buffer` what a socket has, without waiting.
pub(super) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: recvfrom(2) writes at most as many bytes as `buffer` has; null for an address that nobody wants to know.
    checked(unsafe {
        libc::syscall(
            libc::SYS_recvfrom,
            socket.as_raw_fd(),
            buffer.as_mut_ptr(),
            buffer.len(),
            libc::MSG_DONTWAIT,
            std::ptr::null_mut::<libc::sockaddr>(),
            std::ptr::null_mut::<libc::socklen_t>(),
        )
    })
}

/// Sends what a socket takes of `bytes`, without waiting.
pub(super) fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: sendto(2) reads as many bytes as `bytes` has; the peer of a connected socket needs no address.
    checked(unsafe {
        libc::syscall(
            libc::SYS_sendto,
            socket.as_raw_fd(),
            bytes.as_ptr(),
            bytes.len(),
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            std::ptr::null::<libc::sockaddr>(),
            0,
        )
    })
}

/// Waits until something in an epoll set is ready. Returns how many events were written from the first on.
pub(super) fn wait(
    epoll: BorrowedFd<'_>,
    events: &mut [std::mem::MaybeUninit<libc::epoll_event>],
    timeout_ms: i32,
) -> io::Result<usize> {
    // SAFETY: epoll_pwait(2) writes at most as many events as there is room for; null leaves the signal mask as it is.
    checked(unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait,
            epoll.as_raw_fd(),
            events.as_mut_ptr(),
            i32::try_from(events.len()).unwrap_or(i32::MAX),
            timeout_ms,
            std::ptr::null::<libc::sigset_t>(),
            0_usize,
        )
    })
}
