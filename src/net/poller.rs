//! The shard's one place to wait: an edge-triggered epoll set, with the shard's wake-up in it.
//!
//! Owns the set and says what became ready, by token. Must never read, write or close what it watches.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use super::kernel::{Interest, Readiness, Token, Waited};
use super::system_call;
use crate::shard::{TableKey, Wake};

const GREETING: u64 = 1 << 62;
const LISTENER: u64 = 2 << 62;
const WAKEUP: u64 = 3 << 62;
const KIND: u64 = 3 << 62;

impl Token {
    fn pack(self) -> u64 {
        match self {
            Self::Connection(at) => pack_key(at),
            Self::PendingUpgrade(at) => GREETING | pack_key(at),
            Self::Listener(number) => LISTENER | u64::from(number),
            Self::Wakeup => WAKEUP,
        }
    }

    fn unpack(packed: u64) -> Self {
        match packed & KIND {
            GREETING => Self::PendingUpgrade(unpack_key(packed)),
            LISTENER => Self::Listener(packed as u32),
            WAKEUP => Self::Wakeup,
            _ => Self::Connection(unpack_key(packed)),
        }
    }
}

/// Generations have thirty bits, so the two highest are free for the kind.
fn pack_key(at: impl TableKey) -> u64 {
    u64::from(at.index()) | (u64::from(at.generation()) << 32)
}

fn unpack_key<K: TableKey>(packed: u64) -> K {
    K::new(packed as u32, ((packed & !KIND) >> 32) as u32)
}

/// The epoll set of one shard.
#[derive(Debug)]
pub(super) struct Poller {
    epoll: OwnedFd,
    wakeup: Arc<Wakeup>,
    events: Vec<libc::epoll_event>,
}

/// The most events taken from the kernel at once. More stay there for the next turn.
const EVENTS_PER_WAIT: usize = 1024;

impl Poller {
    /// A set that watches only `wakeup`.
    pub(super) fn new(wakeup: Arc<Wakeup>) -> io::Result<Self> {
        // SAFETY: takes no pointer; the result is checked.
        let raw = checked(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the kernel has just made this descriptor for us.
        let epoll = unsafe { OwnedFd::from_raw_fd(raw) };
        let poller = Self {
            epoll,
            wakeup,
            events: Vec::with_capacity(EVENTS_PER_WAIT),
        };
        // Level-triggered, like the listener: both are drained by a bounded amount of work.
        poller.control(
            libc::EPOLL_CTL_ADD,
            poller.wakeup.event.as_fd(),
            libc::EPOLLIN,
            Token::Wakeup,
        )?;
        Ok(poller)
    }

    /// Watches a listener for connections. Of several shards that watch one, a connection wakes one that sleeps.
    pub(super) fn watch_listener(&self, listener: BorrowedFd<'_>, number: u32) -> io::Result<()> {
        let events = libc::EPOLLIN | libc::EPOLLEXCLUSIVE;
        self.control(libc::EPOLL_CTL_ADD, listener, events, Token::Listener(number))
    }

    /// Watches a socket. What is already there is reported too.
    pub(super) fn watch(&self, socket: BorrowedFd<'_>, token: Token, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, socket, edges(interest), token)
    }

    /// Watches a socket differently. What is there at this moment is reported anew.
    pub(super) fn rewatch(&self, socket: BorrowedFd<'_>, token: Token, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, socket, edges(interest), token)
    }

    /// Stops watching a descriptor. Needed before it moves to another thread; closing it does the same.
    pub(super) fn forget(&self, watched: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, watched, 0, Token::Wakeup)
    }

    fn control(&self, operation: i32, watched: BorrowedFd<'_>, events: i32, token: Token) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: events as u32,
            u64: token.pack(),
        };
        // SAFETY: both descriptors are open, and `event` outlives the call.
        checked(unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, watched.as_raw_fd(), &mut event) })?;
        Ok(())
    }

    /// Waits until something is ready or the time is over. The kernel keeps what is ready in the order in which it became so.
    pub(super) fn wait(&mut self, timeout: Duration) -> io::Result<Waited> {
        // Rounded up: a wait that ends just before its deadline would come back at once and spin.
        let whole_ms = timeout.as_secs().saturating_mul(1_000);
        let timeout_ms = whole_ms.saturating_add(u64::from(timeout.subsec_nanos().div_ceil(1_000_000)));
        let timeout_ms = i32::try_from(timeout_ms).unwrap_or(i32::MAX);
        self.events.clear();
        let room = &mut self.events.spare_capacity_mut()[..EVENTS_PER_WAIT];
        let count = match system_call::wait(self.epoll.as_fd(), room, timeout_ms) {
            // Nothing was looked at: a process that was stopped and goes on comes back from its wait like this.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                return Ok(Waited {
                    ready: 0,
                    has_more: true,
                });
            }
            other => other?,
        };
        // SAFETY: the kernel has initialised the first `count` entries, and `count` is at most the capacity.
        unsafe { self.events.set_len(count) };
        Ok(Waited {
            ready: count,
            has_more: count == EVENTS_PER_WAIT,
        })
    }

    /// The thing at `index` that the last wait found ready.
    pub(super) fn ready(&self, index: usize) -> Readiness {
        let event = self.events[index];
        let has = |flags: i32| event.events & flags as u32 != 0;
        let hung_up = has(libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR);
        Readiness {
            token: Token::unpack(event.u64),
            readable: hung_up || has(libc::EPOLLIN),
            writable: has(libc::EPOLLOUT),
            hung_up,
        }
    }

    /// Takes note that the wake-up was heard.
    pub(super) fn hush(&self) {
        self.wakeup.hush();
    }
}

fn edges(interest: Interest) -> i32 {
    let read = libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET;
    match interest {
        Interest::Read => read,
        Interest::ReadAndWrite => read | libc::EPOLLOUT,
    }
}

/// Wakes a shard that waits in its `Poller`, from any thread.
#[derive(Debug)]
pub struct Wakeup {
    event: OwnedFd,
}

impl Wakeup {
    /// A wake-up that nobody has used.
    ///
    /// # Errors
    ///
    /// When the process has no descriptor left.
    pub fn new() -> io::Result<Arc<Self>> {
        // SAFETY: takes no pointer; the result is checked.
        let raw = checked(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: the kernel has just made this descriptor for us.
        let event = unsafe { OwnedFd::from_raw_fd(raw) };
        Ok(Arc::new(Self { event }))
    }

    fn hush(&self) {
        let mut count = 0u64;
        // SAFETY: `count` has room for the eight bytes. There being nothing to read is no failure.
        unsafe { libc::read(self.event.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
    }
}

impl Wake for Arc<Wakeup> {
    fn wake(&self) {
        let one = 1u64;
        // SAFETY: `one` holds the eight bytes. It fails only when the count is at its maximum, and then the shard is awake.
        unsafe { libc::write(self.event.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
    }
}

/// The result of a system call, or what the kernel says went wrong.
pub(super) fn checked(result: i32) -> io::Result<i32> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::super::pending_upgrade::UpgradeKey;
    use super::*;
    use crate::room::ConnectionKey;

    const NO_TIME: Duration = Duration::ZERO;
    const AT: ConnectionKey = ConnectionKey {
        index: u32::MAX,
        generation: (1 << 30) - 1,
    };

    #[test]
    fn tokens_survive_the_kernel() {
        for token in [
            Token::Listener(3),
            Token::Wakeup,
            Token::PendingUpgrade(UpgradeKey::new(AT.index, AT.generation)),
            Token::Connection(AT),
        ] {
            assert_eq!(Token::unpack(token.pack()), token);
        }
    }

    #[test]
    fn a_wake_up_is_heard_once() {
        let wakeup = Wakeup::new().expect("a descriptor");
        let mut poller = Poller::new(Arc::clone(&wakeup)).expect("an epoll set");
        assert_eq!(poller.wait(NO_TIME).expect("waits").ready, 0);
        wakeup.wake();
        wakeup.wake();
        assert_eq!(poller.wait(NO_TIME).expect("waits").ready, 1);
        assert_eq!(poller.ready(0).token, Token::Wakeup);
        poller.hush();
        assert_eq!(poller.wait(NO_TIME).expect("waits").ready, 0);
    }

    #[test]
    fn a_socket_is_reported_when_bytes_come_and_when_it_is_watched_anew() {
        let (mut ours, theirs) = UnixStream::pair().expect("a pair");
        let mut poller = Poller::new(Wakeup::new().expect("a descriptor")).expect("an epoll set");
        poller
            .watch(theirs.as_fd(), Token::Connection(AT), Interest::Read)
            .expect("watched");
        ours.write_all(b"x").expect("written");
        assert_eq!(poller.wait(NO_TIME).expect("waits").ready, 1);
        let ready = poller.ready(0);
        assert!(ready.readable && !ready.writable && !ready.hung_up);
        assert_eq!(
            poller.wait(NO_TIME).expect("waits").ready,
            0,
            "an edge is reported once"
        );
        poller
            .rewatch(theirs.as_fd(), Token::Connection(AT), Interest::ReadAndWrite)
            .expect("watched");
        assert_eq!(poller.wait(NO_TIME).expect("waits").ready, 1);
        assert!(poller.ready(0).readable && poller.ready(0).writable);
        drop(ours);
        assert_eq!(poller.wait(NO_TIME).expect("waits").ready, 1);
        assert!(poller.ready(0).hung_up);
        poller.forget(theirs.as_fd()).expect("forgotten");
        assert_eq!(poller.wait(NO_TIME).expect("waits").ready, 0);
    }
}
