//! Who stands in a line: how many in all, and how many of one source.
//!
//! Promises that nobody waits, not even for a lock, and that a source with its share of a line keeps nobody else out of it;
//! an address that clients share is no source.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ahash::RandomState;

use crate::session::ClientAddress;
use crate::shard::SourceRule;

/// Sources are counted together in so many groups, at random: two heavy ones seldom share one.
pub(super) const GROUPS: usize = 1_024;

/// How many may stand in a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct CrowdLimits {
    /// In all.
    pub(super) all: usize,
    /// Of one source.
    pub(super) share: usize,
}

/// How many stand in a line, by groups of sources.
#[derive(Debug)]
pub(super) struct Crowds {
    grouping: Grouping,
    limits: CrowdLimits,
    all: AtomicUsize,
    waiting: Vec<AtomicUsize>,
}

/// Which sources are counted together.
#[derive(Debug)]
pub(super) struct Grouping {
    sources: SourceRule,
    hasher: RandomState,
}

impl Grouping {
    pub(super) fn new(sources: SourceRule) -> Self {
        Self {
            sources,
            hasher: RandomState::new(),
        }
    }

    /// The group of an address, if it is a source.
    pub(super) fn of(&self, address: ClientAddress) -> Option<usize> {
        let source = self.sources.unshared(address)?;
        Some(self.hasher.hash_one(source) as usize % GROUPS)
    }
}

/// A place in a line. It is free again when this is dropped.
#[derive(Debug)]
pub(super) struct CrowdPlace {
    crowds: Arc<Crowds>,
    group: Option<usize>,
}

impl Crowds {
    pub(super) fn new(sources: SourceRule, limits: CrowdLimits) -> Arc<Self> {
        Arc::new(Self {
            grouping: Grouping::new(sources),
            limits,
            all: AtomicUsize::new(0),
            waiting: (0..GROUPS).map(|_| AtomicUsize::new(0)).collect(),
        })
    }

    /// A place for somebody from `address`, unless all are taken or its source has its share.
    pub(super) fn enter(self: &Arc<Self>, address: ClientAddress) -> Option<CrowdPlace> {
        // Relaxed: a count that a race gets wrong by one refuses or admits one more.
        let group = self.grouping.of(address);
        let may_stay = |count: &AtomicUsize, most| count.fetch_add(1, Ordering::Relaxed) < most;
        let has_room = may_stay(&self.all, self.limits.all);
        let has_share = group.is_none_or(|group| may_stay(&self.waiting[group], self.limits.share));
        // Made in any case: it takes back what was added.
        let place = CrowdPlace {
            crowds: Arc::clone(self),
            group,
        };
        (has_room && has_share).then_some(place)
    }
}

impl Drop for CrowdPlace {
    fn drop(&mut self) {
        self.crowds.all.fetch_sub(1, Ordering::Relaxed);
        if let Some(group) = self.group {
            self.crowds.waiting[group].fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_its_share_and_gets_its_places_back() {
        let crowds = Crowds::new(SourceRule::DEFAULT, CrowdLimits { all: 6, share: 2 });
        let enter = |last: u8| crowds.enter(ClientAddress::own([192, 0, 2, last].into()));
        let shared = || crowds.enter(ClientAddress::shared([192, 0, 2, 1].into()));
        let first: Vec<_> = (0..2).map(|_| enter(1).expect("its share")).collect();
        assert!(enter(1).is_none(), "more than its share");
        let others = [enter(2), shared(), shared(), shared()].map(|place| place.expect("there is room"));
        assert!(enter(3).is_none() && shared().is_none(), "all are taken");
        drop(first);
        assert!(enter(1).is_some());
        drop(others);
        assert_eq!(crowds.all.load(Ordering::Relaxed), 0);
        assert!(crowds.waiting.iter().all(|count| count.load(Ordering::Relaxed) == 0));
    }
}
