//! Sockets that have not been upgraded: bounded in number, in bytes and in time.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;

use crate::room::MemberRef;
use crate::shard::Table;

/// A socket from which a request is expected, or which has been answered and is about to end.
pub(super) struct Greeting<S> {
    pub(super) socket: S,
    pub(super) address: IpAddr,
    /// The bytes of a request that is not yet complete.
    pub(super) received: Vec<u8>,
    /// Whether all that is still awaited is the end.
    pub(super) is_answered: bool,
    /// Whether it stands in the line of those that are to be read.
    pub(super) is_in_line: bool,
}

/// A request may hold credentials: only its measure is shown.
impl<S> fmt::Debug for Greeting<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Greeting")
            .field("address", &self.address)
            .field("received_bytes", &self.received.len())
            .field("is_answered", &self.is_answered)
            .finish_non_exhaustive()
    }
}

/// The greetings of one shard, and when each has lasted long enough.
#[derive(Debug)]
pub(super) struct Greetings<S> {
    table: Table<Greeting<S>>,
    /// Oldest first: all have the same time.
    deadlines: VecDeque<(u64, MemberRef)>,
    timeout_ms: u64,
    limit: usize,
}

impl<S> Greetings<S> {
    pub(super) fn new(timeout_ms: u64, limit: usize) -> Self {
        Self {
            table: Table::default(),
            deadlines: VecDeque::new(),
            timeout_ms,
            limit,
        }
    }

    /// Whether no more sockets are taken in before some have been upgraded or have ended.
    pub(super) fn is_full(&self) -> bool {
        self.table.len() >= self.limit
    }

    pub(super) fn insert(&mut self, socket: S, address: IpAddr, now_ms: u64) -> MemberRef {
        let greeting = Greeting {
            socket,
            address,
            received: Vec::new(),
            is_answered: false,
            is_in_line: false,
        };
        let at = self.table.insert(greeting);
        self.deadlines.push_back((now_ms.saturating_add(self.timeout_ms), at));
        at
    }

    pub(super) fn get_mut(&mut self, at: MemberRef) -> Option<&mut Greeting<S>> {
        self.table.get_mut(at)
    }

    pub(super) fn remove(&mut self, at: MemberRef) -> Option<Greeting<S>> {
        self.table.remove(at)
    }

    /// Drops the sockets whose time is over. Returns how many.
    pub(super) fn expire(&mut self, now_ms: u64) -> usize {
        let mut expired = 0;
        while let Some((deadline_ms, at)) = self.deadlines.front().copied()
            && (deadline_ms <= now_ms || self.table.get(at).is_none())
        {
            self.deadlines.pop_front();
            expired += usize::from(self.table.remove(at).is_some());
        }
        expired
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Notes that the process stood still for so long: that time does not count.
    pub(super) fn forgive(&mut self, span_ms: u64) {
        for (deadline_ms, _) in &mut self.deadlines {
            *deadline_ms = deadline_ms.saturating_add(span_ms);
        }
    }

    /// Drops all of them.
    pub(super) fn clear(&mut self) {
        self.table = Table::default();
        self.deadlines.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn silence_is_ended_when_its_time_is_over() {
        let (mut ours, theirs) = UnixStream::pair().expect("a pair");
        let mut greetings = Greetings::new(10, 1);
        let local = std::net::Ipv4Addr::LOCALHOST.into();
        let at = greetings.insert(OwnedFd::from(theirs), local, 100);
        assert!(greetings.is_full());
        assert_eq!(greetings.expire(109), 0);
        assert!(greetings.get_mut(at).is_some());
        assert_eq!(greetings.expire(110), 1);
        assert!(!greetings.is_full() && greetings.get_mut(at).is_none());
        assert_eq!(
            ours.read(&mut [0; 1]).expect("end of stream"),
            0,
            "the socket is closed"
        );
    }
}
