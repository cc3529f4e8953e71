//! Who may stay with the control plane: how many connections, how many of one source, and who makes way for whom.
//!
//! Owns the count of connections by source and since when each is idle. Promises that nobody whose answer is being made
//! makes way, and that a source that has most gives up its own first. Must never touch a socket.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::gate::Signs;
use crate::session::ClientAddress;
use crate::shard::{Source, SourceRule};

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlaceLimits {
    /// In all.
    pub(super) connections: usize,
    /// From one source.
    pub(super) per_source: usize,
    /// Which addresses are one source, and which count only in all.
    pub(super) sources: SourceRule,
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

    /// A place for a connection. `None`: all are taken by others that are being answered.
    pub(super) fn take(&self, signs: &Rc<Signs>) -> Option<Place> {
        let mut table = self.0.borrow_mut();
        if !table.makes_way(signs.client.get()) {
            return None;
        }
        let number = table.arrivals;
        table.arrivals += 1;
        let dismissal = Rc::new(Notify::new());
        let taken = Taken {
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
    /// Makes room for one more of `client`, if need be; says whether there is.
    fn makes_way(&mut self, client: ClientAddress) -> bool {
        let limits = self.limits;
        if let Some(source) = limits.sources.counted(client) {
            let is_its = |taken: &Taken| limits.sources.unshared(taken.signs.client.get()) == Some(source);
            if self.staying().filter(|taken| is_its(taken)).count() >= limits.per_source {
                return self.dismiss_idle(is_its);
            }
        }
        self.staying().count() < limits.connections || self.dismiss_idle(|_| true)
    }

    fn staying(&self) -> impl Iterator<Item = &Taken> {
        self.taken.values().filter(|taken| !taken.is_dismissed)
    }

    /// Of those that may go and are idle, ends the one that has been so for longest, of the source that has most; says whether
    /// there was one.
    fn dismiss_idle(&mut self, may_go: impl Fn(&Taken) -> bool) -> bool {
        let sources = self.limits.sources;
        let source = |taken: &Taken| sources.source(taken.signs.client.get());
        let mut weights: BTreeMap<Source, usize> = BTreeMap::new();
        self.staying()
            .for_each(|taken| *weights.entry(source(taken)).or_default() += 1);
        let idle = self
            .taken
            .values_mut()
            .filter(|taken| !taken.is_dismissed && !taken.signs.is_being_answered.get() && may_go(taken));
        let Some(oldest) = idle.max_by_key(|taken| (weights[&source(taken)], Reverse(taken.signs.progress.get())))
        else {
            return false;
        };
        oldest.is_dismissed = true;
        oldest.dismissal.notify_one();
        true
    }
}

/// Signs of a connection that has just come.
pub(super) fn fresh_signs(client: ClientAddress) -> Rc<Signs> {
    Rc::new(Signs {
        progress: std::cell::Cell::new(Instant::now()),
        is_being_answered: std::cell::Cell::new(false),
        client: std::cell::Cell::new(client),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMITS: PlaceLimits = PlaceLimits {
        connections: 8,
        per_source: 3,
        sources: SourceRule::DEFAULT,
    };

    struct Guest {
        signs: Rc<Signs>,
        place: Place,
    }

    impl Guest {
        /// Whether it was asked to leave.
        fn is_dismissed(&self) -> bool {
            let table = self.place.places.0.borrow();
            table.taken[&self.place.number].is_dismissed
        }
    }

    fn comes(places: &Places, address: &str) -> Option<Guest> {
        let signs = fresh_signs(ClientAddress::own(address.parse().expect("an address")));
        // No two are idle since the same instant.
        let age = Duration::from_secs(1) - Duration::from_millis(places.0.borrow().arrivals);
        signs.progress.set(Instant::now() - age);
        let place = places.take(&signs)?;
        Some(Guest { signs, place })
    }

    #[test]
    fn a_source_has_its_share_and_its_longest_idle_makes_way() {
        let places = Places::new(LIMITS);
        let guests: Vec<_> = (0..3).filter_map(|_| comes(&places, "192.0.2.1")).collect();
        guests[0].signs.is_being_answered.set(true);
        let fourth = comes(&places, "192.0.2.1").expect("another makes way");
        let dismissed: Vec<_> = guests.iter().map(Guest::is_dismissed).collect();
        assert_eq!(dismissed, [false, true, false], "not the one that is being answered");
        for guest in [&guests[2], &fourth] {
            guest.signs.is_being_answered.set(true);
        }
        assert!(comes(&places, "192.0.2.1").is_none(), "all of them are being answered");
        assert!(comes(&places, "192.0.2.2").is_some(), "others come in");
    }

    #[test]
    fn when_all_is_taken_the_heaviest_makes_way() {
        let places = Places::new(LIMITS);
        let heavy: Vec<_> = (0..5).filter_map(|_| comes(&places, "127.0.0.1")).collect();
        let light: Vec<_> = (0..3).filter_map(|_| comes(&places, "192.0.2.1")).collect();
        assert_eq!((heavy.len(), light.len()), (5, 3), "loopback counts only in all");
        let newcomer = comes(&places, "192.0.2.9").expect("the heaviest makes way");
        assert!(heavy[0].is_dismissed() && !light.iter().any(Guest::is_dismissed));
        heavy.iter().for_each(|guest| guest.signs.is_being_answered.set(true));
        let next = comes(&places, "192.0.2.10").expect("the next heaviest makes way");
        assert!(light[0].is_dismissed() && !newcomer.is_dismissed() && !next.is_dismissed());
        drop(newcomer);
        assert!(comes(&places, "192.0.2.11").is_some(), "a place that was given back");
    }

    #[test]
    fn among_sources_that_have_as_many_the_longest_idle_makes_way() {
        let places = Places::new(LIMITS);
        let addresses = [5, 8, 1, 3, 7, 2, 6, 4].map(|number| format!("192.0.2.{number}"));
        let guests: Vec<_> = addresses.iter().filter_map(|address| comes(&places, address)).collect();
        let mut newcomers = Vec::new();
        for (number, guest) in guests.iter().enumerate() {
            newcomers.extend(comes(&places, &format!("192.0.2.{}", 100 + number)));
            assert!(guest.is_dismissed(), "{} came before the others", addresses[number]);
        }
        assert!(newcomers.len() == guests.len() && !newcomers.iter().any(Guest::is_dismissed));
    }
}
