//! The few system calls that every candidate and the generator share, each in one safe function.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

/// What a non-blocking call found.
pub(crate) enum Transfer {
    /// So many bytes went through.
    Bytes(usize),
    /// The socket is empty (receive) or full (send).
    WouldBlock,
    /// The peer is gone, or the socket failed.
    Closed,
}

fn transfer(result: isize) -> Transfer {
    if result >= 0 {
        return Transfer::Bytes(result as usize);
    }
    match io::Error::last_os_error().kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Transfer::WouldBlock,
        _ => Transfer::Closed,
    }
}

/// Sends without waiting and without `SIGPIPE`, whatever mode the socket is in.
pub(crate) fn send(fd: RawFd, bytes: &[u8]) -> Transfer {
    // SAFETY: the pointer and the length come from one live slice, and the call does not keep them.
    transfer(unsafe {
        libc::send(
            fd,
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
        )
    })
}

/// Receives without waiting, whatever mode the socket is in.
pub(crate) fn recv(fd: RawFd, bytes: &mut [u8]) -> Transfer {
    // SAFETY: the pointer and the length come from one live slice that nobody else can see.
    match transfer(unsafe { libc::recv(fd, bytes.as_mut_ptr().cast(), bytes.len(), libc::MSG_DONTWAIT) }) {
        Transfer::Bytes(0) => Transfer::Closed,
        other => other,
    }
}

/// An epoll set that reports each descriptor's number as given to [`Epoll::add`].
pub(crate) struct Epoll {
    fd: RawFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    pub(crate) fn new(capacity: usize) -> io::Result<Self> {
        // SAFETY: takes no pointer.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            fd,
            events: vec![libc::epoll_event { events: 0, u64: 0 }; capacity.max(1)],
        })
    }

    pub(crate) fn raw_fd(&self) -> RawFd {
        self.fd
    }

    /// Watches `fd` for reading, edge-triggered.
    pub(crate) fn add(&self, fd: RawFd, number: usize) -> io::Result<()> {
        let events = (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET) as u32;
        let mut event = libc::epoll_event {
            events,
            u64: number as u64,
        };
        // SAFETY: `event` lives through the call, which copies it.
        match unsafe { libc::epoll_ctl(self.fd, libc::EPOLL_CTL_ADD, fd, &mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Waits at most `timeout_ms` and returns how many descriptors are ready; [`Epoll::ready`] names them.
    pub(crate) fn wait(&mut self, timeout_ms: i32) -> usize {
        // SAFETY: the kernel writes at most `events.len()` entries into `events`.
        let count =
            unsafe { libc::epoll_wait(self.fd, self.events.as_mut_ptr(), self.events.len() as i32, timeout_ms) };
        // An interrupted wait found nothing; the caller loops anyway.
        count.max(0) as usize
    }

    /// The number of the `index`-th ready descriptor of the last wait.
    pub(crate) fn ready(&self, index: usize) -> usize {
        self.events[index].u64 as usize
    }
}

impl Drop for Epoll {
    fn drop(&mut self) {
        // SAFETY: the set owns this descriptor, and nothing uses it afterwards.
        unsafe { libc::close(self.fd) };
    }
}

/// A non-blocking eventfd.
pub(crate) struct EventFd(RawFd);

impl EventFd {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointer.
        match unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) } {
            fd if fd >= 0 => Ok(Self(fd)),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub(crate) fn raw_fd(&self) -> RawFd {
        self.0
    }

    /// Sets it back to zero, so that it is not readable until the next signal.
    pub(crate) fn drain(&self) {
        let mut count = 0u64;
        // SAFETY: the kernel writes 8 bytes into `count`. A failed read found zero already, which is what is wanted.
        unsafe { libc::read(self.0, (&raw mut count).cast(), size_of::<u64>()) };
    }
}

impl Drop for EventFd {
    fn drop(&mut self) {
        // SAFETY: this owns the descriptor, and nothing uses it afterwards.
        unsafe { libc::close(self.0) };
    }
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` lives through the call. A refused clock leaves it at zero.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// `CLOCK_MONOTONIC` in nanoseconds.
pub(crate) fn now_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// The CPU clock of one thread, readable from any other thread of the process while that thread lives.
#[derive(Clone, Copy)]
pub(crate) struct ThreadClock(pub(crate) libc::clockid_t);

impl ThreadClock {
    pub(crate) fn of_this_thread() -> io::Result<Self> {
        let mut clock: libc::clockid_t = 0;
        // SAFETY: asks about the calling thread, and `clock` lives through the call.
        match unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut clock) } {
            0 => Ok(Self(clock)),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    pub(crate) fn cpu_ns(self) -> u64 {
        clock_ns(self.0)
    }
}

/// The kernel's number of the calling thread, which names it below `/proc/self/task`.
pub(crate) fn thread_id() -> i32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::gettid() }
}

/// How long a thread of this process has been runnable without getting its CPU, nanoseconds; zero where the kernel does not tell.
pub(crate) fn waited_for_cpu_ns(thread: i32) -> u64 {
    let Ok(text) = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")) else {
        return 0;
    };
    text.split_whitespace()
        .nth(1)
        .and_then(|field| field.parse().ok())
        .unwrap_or(0)
}

/// Pins the calling thread to one CPU.
pub(crate) fn pin_to_cpu(cpu: usize) -> io::Result<()> {
    // SAFETY: an all-zero `cpu_set_t` is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is a valid set; CPU_SET ignores a number beyond its end.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: `set` lives through the call and the size is its own.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sleeps on the calling thread; used only by the rows that trade latency for batches.
pub(crate) fn sleep(time: Duration) {
    std::thread::sleep(time);
}
