//! Who may stay with the control plane: how many connections, how many of one source, and who makes way for whom.
//!
//! Owns the count of connections by source and since when each is idle. Promises that nobody who is being answered makes
//! way, and that a source that has most gives up its own first. Must never touch a socket.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::gate::Signs;
use super::source::source_of;

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlaceLimits {
    /// In all.
    pub(super) connections: usize,
    /// From one source.
    pub(super) per_source: usize,
    /// Whether sources on this machine count only in all.
    pub(super) exempt_loopback: bool,
}

/// All places.
#[derive(Debug, Clone)]
pub(super) struct Places(Rc<RefCell<Table>>);

#[derive(Debug)]
struct Table {
    limits: PlaceLimits,
    taken: BTreeMap<u64, Taken>,
    arrivals: u64,
}

#[derive(Debug)]
struct Taken {
    source: IpAddr,
    signs: Rc<Signs>,
    dismissal: Rc<Notify>,
    is_dismissed: bool,
}

/// A place; dropping it frees it.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    number: u64,
    dismissal: Rc<Notify>,
}

impl Places {
    pub(super) fn new(limits: PlaceLimits) -> Self {
        Self(Rc::new(RefCell::new(Table {
            limits,
            taken: BTreeMap::new(),
            arrivals: 0,
        })))
    }

    /// A place for a connection from `address`. `None`: all are taken by others that are being answered.
    pub(super) fn take(&self, address: IpAddr, signs: &Rc<Signs>) -> Option<Place> {
        let mut table = self.0.borrow_mut();
        let source = source_of(address);
        if !table.makes_way(source) {
            return None;
        }
        let number = table.arrivals;
        table.arrivals += 1;
        let dismissal = Rc::new(Notify::new());
        let taken = Taken {
            source,
            signs: Rc::clone(signs),
            dismissal: Rc::clone(&dismissal),
            is_dismissed: false,
        };
        table.taken.insert(number, taken);
        Some(Place {
            places: self.clone(),
            number,
            dismissal,
        })
    }
}

impl Place {
    /// Waits until it has to be given up.
    pub(super) async fn dismissed(&self) {
        self.dismissal.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.0.borrow_mut().taken.remove(&self.number);
    }
}

impl Table {
    /// Makes room for one more of `source`, if need be; says whether there is.
    fn makes_way(&mut self, source: IpAddr) -> bool {
        let limits = self.limits;
        let is_exempt = limits.exempt_loopback && source.is_loopback();
        if !is_exempt && self.staying().filter(|taken| taken.source == source).count() >= limits.per_source {
            return self.dismiss_idle_of(source);
        }
        if self.staying().count() < limits.connections {
            return true;
        }
        let mut weights: BTreeMap<IpAddr, usize> = BTreeMap::new();
        self.staying()
            .for_each(|taken| *weights.entry(taken.source).or_default() += 1);
        let mut sources: Vec<(usize, IpAddr)> = weights.into_iter().map(|(source, count)| (count, source)).collect();
        sources.sort_unstable_by(|a, b| b.cmp(a));
        sources.into_iter().any(|(_, heaviest)| self.dismiss_idle_of(heaviest))
    }

    fn staying(&self) -> impl Iterator<Item = &Taken> {
        self.taken.values().filter(|taken| !taken.is_dismissed)
    }

    /// Ends the connection of a source that has been idle for longest; says whether there was one.
    fn dismiss_idle_of(&mut self, source: IpAddr) -> bool {
        let idle = self
            .taken
            .values_mut()
            .filter(|taken| taken.source == source && !taken.is_dismissed && taken.signs.unanswered.get() == 0);
        let Some(oldest) = idle.min_by_key(|taken| taken.signs.progress.get()) else {
            return false;
        };
        oldest.is_dismissed = true;
        oldest.dismissal.notify_one();
        true
    }
}

/// Signs of a connection that has just come.
pub(super) fn fresh_signs() -> Rc<Signs> {
    Rc::new(Signs {
        progress: std::cell::Cell::new(Instant::now()),
        unanswered: std::cell::Cell::new(0),
    })
}
