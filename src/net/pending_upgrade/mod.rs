//! Sockets that have not been upgraded: bounded in number, in bytes, in time, and in the work that they make in a turn.
//!
//! Owns them until they are upgraded or closed, and decides who makes way for whom: a source has half of the places at
//! most, and when there is none left, the oldest socket of the source that has most is closed for the newcomer. So nobody
//! can keep others out, neither with silence nor with a trickle nor by not closing what was answered, and a source that
//! floods displaces itself first. Must never read or write a socket.

mod crowds;
mod key;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use self::crowds::Crowds;
pub use self::key::UpgradeKey;
use super::channel::Channel;
use super::proxies::{Introduction, Remarks};
use crate::protocol::CertificateFingerprint;
use crate::room::ConnectionKey;
use crate::session::ClientAddress;
use crate::shard::{SourceRule, Table};

/// How long the peer of a socket that was answered has to close it, in milliseconds.
const ANSWERED_MS: u64 = 2_000;

/// How long whoever was not heard yet when its time was over is left alone before the next look, in milliseconds.
const UNHEARD_MS: u64 = 100;

/// Sockets that are read in one turn. Each costs up to 20 µs: two reads of 64 KiB, an answer, an end.
const SERVED_PER_TURN: usize = 48;

/// How long a turn goes on with TLS handshakes, once it has begun with one. The dearest step is the one in which a certificate
/// is signed with: 0.1 ms with a key on a curve, 0.7 ms with one of RSA.
const GREETING_SPAN: Duration = Duration::from_micros(200);

/// Sockets whose time is over that are closed in one tick, at up to 10 µs each.
const EXPIRED_PER_TICK: usize = 64;

/// What the sockets of one shard may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct UpgradeLimits {
    /// How long one may take to be upgraded.
    pub(super) timeout_ms: u64,
    /// How many there may be.
    pub(super) sockets: usize,
    /// Which addresses are one source.
    pub(super) sources: SourceRule,
    /// How many connections there may be that were upgraded only to be told that there is no place.
    pub(super) farewells: usize,
}

/// A socket from which a request is expected, or which has been answered and is about to end.
pub(super) struct PendingUpgrade<S> {
    pub(super) channel: Channel<S>,
    /// Who is at its other end, or whom a proxy there has named.
    pub(super) address: ClientAddress,
    /// What the proxy at its other end has still to say, if it may say something.
    pub(super) introduction: Option<Introduction>,
    /// What it has said of the client beside its address.
    pub(super) remarks: Option<Box<Remarks>>,
    /// The certificate that the peer has shown.
    pub(super) fingerprint: Option<CertificateFingerprint>,
    /// The bytes of a request that is not yet complete.
    pub(super) received: Vec<u8>,
    /// Whether nobody has looked at those bytes: they came with the socket.
    pub(super) is_unjudged: bool,
    /// Bytes that came after the answer and were read away.
    pub(super) ignored_bytes: usize,
    is_answered: bool,
    /// Whether it stands in the line of those that are to be read.
    pub(super) is_in_line: bool,
    arrival: u64,
    deadline_ms: u64,
}

impl<S> PendingUpgrade<S> {
    /// Whether all that is still awaited is the end.
    pub(super) const fn is_answered(&self) -> bool {
        self.is_answered
    }
}

/// A request may hold credentials: only its measure is shown.
impl<S> fmt::Debug for PendingUpgrade<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Greeting")
            .field("address", &self.address)
            .field("received_bytes", &self.received.len())
            .field("is_answered", &self.is_answered)
            .finish_non_exhaustive()
    }
}

/// The pending upgrades of one shard, and when each has lasted long enough.
#[derive(Debug)]
pub(super) struct PendingUpgrades<S> {
    table: Table<UpgradeKey, PendingUpgrade<S>>,
    limits: UpgradeLimits,
    crowds: Crowds,
    deadlines: BTreeSet<(u64, UpgradeKey)>,
    /// How many were read in this turn.
    served: usize,
    /// How long handshakes were gone on with in this turn.
    greeted: Duration,
    arrivals: u64,
    displaced: u64,
    /// Connections that were upgraded only to be told that there is no place. Some may have ended.
    farewells: Vec<ConnectionKey>,
    /// When all have to be gone.
    end_ms: u64,
}

impl<S> PendingUpgrades<S> {
    pub(super) fn new(limits: UpgradeLimits) -> Self {
        Self {
            table: Table::default(),
            limits,
            crowds: Crowds::default(),
            deadlines: BTreeSet::new(),
            served: 0,
            greeted: Duration::ZERO,
            arrivals: 0,
            displaced: 0,
            farewells: Vec::new(),
            end_ms: u64::MAX,
        }
    }

    /// Takes a socket in. Where its source has its share, or all places are taken, another one makes way.
    pub(super) fn insert(&mut self, channel: Channel<S>, address: ClientAddress, now_ms: u64) -> UpgradeKey {
        if !self.keep_to_share(address) && self.table.len() >= self.limits.sockets {
            self.give_up_one();
        }
        let deadline_ms = now_ms.saturating_add(self.limits.timeout_ms).min(self.end_ms);
        let arrival = self.arrivals;
        self.arrivals += 1;
        let at = self.table.insert(PendingUpgrade {
            channel,
            address,
            introduction: None,
            remarks: None,
            fingerprint: None,
            received: Vec::new(),
            is_unjudged: false,
            ignored_bytes: 0,
            is_answered: false,
            is_in_line: false,
            arrival,
            deadline_ms,
        });
        self.crowds.add(self.limits.sources.source(address), arrival, at);
        self.deadlines.insert((deadline_ms, at));
        at
    }

    /// Notes whom the proxy at the other end of a socket has named: from now on the socket is one of that client's, and one
    /// that came with it makes way if that has its share.
    pub(super) fn introduce(&mut self, at: UpgradeKey, client: ClientAddress) {
        let Some(pending_upgrade) = self.table.get_mut(at) else {
            return;
        };
        let (sources, arrival) = (self.limits.sources, pending_upgrade.arrival);
        let proxy = std::mem::replace(&mut pending_upgrade.address, client);
        self.crowds.remove(sources.source(proxy), arrival);
        self.keep_to_share(client);
        self.crowds.add(sources.source(client), arrival, at);
    }

    /// Where a source has its share of the places, its oldest socket makes way for one more. Says whether one did. Whoever
    /// shares an address has no share: its sockets make way when all places are taken.
    fn keep_to_share(&mut self, address: ClientAddress) -> bool {
        let share = (self.limits.sockets / 2).max(1);
        let full = self
            .limits
            .sources
            .unshared(address)
            .filter(|source| self.crowds.count(*source) >= share);
        full.is_some_and(|source| self.displace(self.crowds.oldest_of(source)))
    }

    /// Closes the oldest socket of the source that has most, so that somebody else has its descriptor. Says whether there
    /// was one.
    pub(super) fn give_up_one(&mut self) -> bool {
        self.displace(self.crowds.oldest_of_heaviest())
    }

    fn displace(&mut self, at: Option<UpgradeKey>) -> bool {
        let displaced = at.and_then(|at| self.remove(at)).is_some();
        self.displaced += u64::from(displaced);
        displaced
    }

    /// How many were closed to make way.
    pub(super) const fn displaced(&self) -> u64 {
        self.displaced
    }

    pub(super) fn get_mut(&mut self, at: UpgradeKey) -> Option<&mut PendingUpgrade<S>> {
        self.table.get_mut(at)
    }

    pub(super) fn remove(&mut self, at: UpgradeKey) -> Option<PendingUpgrade<S>> {
        let pending_upgrade = self.table.remove(at)?;
        self.deadlines.remove(&(pending_upgrade.deadline_ms, at));
        self.crowds.remove(
            self.limits.sources.source(pending_upgrade.address),
            pending_upgrade.arrival,
        );
        Some(pending_upgrade)
    }

    /// Notes that a socket has its answer: it is kept for a short while, so that the peer can read it.
    pub(super) fn note_answered(&mut self, at: UpgradeKey, now_ms: u64) {
        let Some(pending_upgrade) = self.table.get_mut(at) else {
            return;
        };
        self.deadlines.remove(&(pending_upgrade.deadline_ms, at));
        pending_upgrade.is_answered = true;
        pending_upgrade.received = Vec::new();
        pending_upgrade.deadline_ms = pending_upgrade.deadline_ms.min(now_ms.saturating_add(ANSWERED_MS));
        self.deadlines.insert((pending_upgrade.deadline_ms, at));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// A turn begins.
    pub(super) fn begin_turn(&mut self) {
        self.served = 0;
        self.greeted = Duration::ZERO;
    }

    /// Whether one more step of a handshake is taken in this turn.
    pub(super) fn may_greet(&self) -> bool {
        self.greeted < GREETING_SPAN
    }

    /// Notes how long a step of a handshake took.
    pub(super) fn note_greeted(&mut self, span: Duration) {
        self.greeted += span;
    }

    /// Whether one more is read in this turn.
    pub(super) const fn may_serve(&mut self) -> bool {
        self.served += 1;
        self.served <= SERVED_PER_TURN
    }

    /// Whether one more connection may be upgraded only to be told that there is no place for it.
    pub(super) fn may_say_farewell(&mut self, is_there: impl Fn(ConnectionKey) -> bool) -> bool {
        if self.farewells.len() >= self.limits.farewells {
            self.farewells.retain(|at| is_there(*at));
        }
        self.farewells.len() < self.limits.farewells
    }

    /// Notes a connection that was upgraded only to be told so.
    pub(super) fn note_farewell(&mut self, connection: ConnectionKey) {
        self.farewells.push(connection);
    }

    /// Drops sockets whose time is over, so many at a time. Returns how many. Whoever stands in line has said something that
    /// was not read yet, and is heard first.
    pub(super) fn expire(&mut self, now_ms: u64) -> usize {
        let is_over = self.end_ms <= now_ms;
        let mut expired = 0;
        for _ in 0..EXPIRED_PER_TICK {
            let first = self.deadlines.first().copied();
            let Some((_, at)) = first.filter(|(at_ms, _)| *at_ms <= now_ms) else {
                break;
            };
            match self
                .table
                .get_mut(at)
                .filter(|pending_upgrade| pending_upgrade.is_in_line && !is_over)
            {
                Some(unheard) => {
                    self.deadlines.remove(&(unheard.deadline_ms, at));
                    unheard.deadline_ms = now_ms.saturating_add(UNHEARD_MS);
                    self.deadlines.insert((unheard.deadline_ms, at));
                }
                None => expired += usize::from(self.remove(at).is_some()),
            }
        }
        expired
    }

    /// Notes that the process stood still for so long: that time does not count.
    pub(super) fn forgive(&mut self, span_ms: u64) {
        self.end_ms = self.end_ms.saturating_add(span_ms);
        for (deadline_ms, at) in std::mem::take(&mut self.deadlines) {
            let deadline_ms = deadline_ms.saturating_add(span_ms);
            if let Some(pending_upgrade) = self.table.get_mut(at) {
                pending_upgrade.deadline_ms = deadline_ms;
                self.deadlines.insert((deadline_ms, at));
            }
        }
    }

    /// From then on every socket's time is over: what is on its way until then is still answered.
    pub(super) fn end(&mut self, end_ms: u64) {
        self.end_ms = end_ms;
        for (deadline_ms, at) in std::mem::take(&mut self.deadlines) {
            let deadline_ms = deadline_ms.min(end_ms);
            if let Some(pending_upgrade) = self.table.get_mut(at) {
                pending_upgrade.deadline_ms = deadline_ms;
                self.deadlines.insert((deadline_ms, at));
            }
        }
    }
}
