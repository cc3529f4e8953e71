//! The line of sockets that shards have given over.
//!
//! Owns the bounded queue between the shards' threads and the control plane. Promises that no shard waits, not even for a
//! lock that the control plane may hold while others have its CPU: what does not fit comes back to the shard, which answers
//! 503. A source has half of the line at most, so nobody keeps others out of it; an address that clients share is none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ahash::RandomState;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::net::{FrontDesk, Guest};
use crate::session::ClientAddress;
use crate::shard::SourceRule;

/// Guests that may stand in line. Each costs the control plane some 20 µs until it is out of it.
pub const LINE_LENGTH: usize = 256;

/// Guests of one source that may stand in line.
const SHARE: usize = LINE_LENGTH / 2;

/// Sources are counted together in so many groups, at random: two heavy ones seldom share one.
const GROUPS: usize = 1_024;

/// The shards' end of the line.
#[derive(Debug, Clone)]
pub struct Desk {
    line: Sender<Guest>,
    crowds: Arc<Crowds>,
}

/// The control plane's end.
#[derive(Debug)]
pub(super) struct Line {
    line: Receiver<Guest>,
    crowds: Arc<Crowds>,
}

/// How many stand in line, by groups of sources.
#[derive(Debug)]
struct Crowds {
    sources: SourceRule,
    hasher: RandomState,
    waiting: Vec<AtomicUsize>,
}

impl Crowds {
    fn of(&self, address: ClientAddress) -> Option<&AtomicUsize> {
        let source = self.sources.unshared(address)?;
        Some(&self.waiting[self.hasher.hash_one(source) as usize % GROUPS])
    }

    /// Adds one, unless its source has its share.
    fn add(&self, address: ClientAddress) -> bool {
        // Relaxed: a count that a race gets wrong by one refuses or admits one guest more.
        let may_stay = |crowd: &AtomicUsize| crowd.fetch_add(1, Ordering::Relaxed) < SHARE;
        let is_added = self.of(address).is_none_or(may_stay);
        if !is_added {
            self.remove(address);
        }
        is_added
    }

    fn remove(&self, address: ClientAddress) {
        if let Some(crowd) = self.of(address) {
            crowd.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A line, and its two ends.
pub(super) fn line(sources: SourceRule) -> (Desk, Line) {
    let (sender, receiver) = channel(LINE_LENGTH);
    let crowds = Arc::new(Crowds {
        sources,
        hasher: RandomState::new(),
        waiting: (0..GROUPS).map(|_| AtomicUsize::new(0)).collect(),
    });
    let desk = Desk {
        line: sender,
        crowds: Arc::clone(&crowds),
    };
    (desk, Line { line: receiver, crowds })
}

impl FrontDesk for Desk {
    fn take(&self, guest: Guest) -> Result<(), Guest> {
        if !self.crowds.add(guest.client) {
            return Err(guest);
        }
        self.line.try_send(guest).map_err(|refused| {
            let (TrySendError::Full(guest) | TrySendError::Closed(guest)) = refused;
            self.crowds.remove(guest.client);
            guest
        })
    }
}

impl Line {
    /// The next guest. `None`: there will be no more.
    pub(super) async fn next(&mut self) -> Option<Guest> {
        let guest = self.line.recv().await?;
        self.crowds.remove(guest.client);
        Some(guest)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::os::fd::OwnedFd;

    use bytes::Bytes;

    use super::*;
    use crate::net::{Channel, Socket};
    use crate::shard::ShardId;

    fn guest(address: [u8; 4]) -> Guest {
        let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        Guest {
            channel: Channel::plain(Socket::from(OwnedFd::from(any))),
            address: ClientAddress::own(address.into()),
            client: ClientAddress::own(address.into()),
            fingerprint: None,
            received: Bytes::new(),
            shard: ShardId(0),
        }
    }

    #[test]
    fn a_source_has_half_of_the_line_and_gets_its_places_back() {
        let sources = SourceRule::DEFAULT;
        let (desk, mut line) = line(sources);
        for _ in 0..SHARE {
            desk.take(guest([192, 0, 2, 1])).expect("its share");
        }
        desk.take(guest([192, 0, 2, 1])).expect_err("more than its share");
        for _ in 0..SHARE {
            desk.take(guest([192, 0, 2, 2])).expect("another's share");
        }
        desk.take(guest([192, 0, 2, 3])).expect_err("the line is full");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime.block_on(line.next()).expect("the first");
        desk.take(guest([192, 0, 2, 1])).expect("its place is free again");
        drop(line);
        desk.take(guest([192, 0, 2, 4])).expect_err("nobody is there");
    }
}
