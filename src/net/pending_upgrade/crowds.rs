//! Who has how many of the sockets that are not upgraded, and which of those came first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::key::UpgradeKey;
use crate::shard::Source;

/// The sockets of each source in the order in which they came. Whose are most is known at any time; every question and
/// every change takes logarithmic time.
#[derive(Debug, Default)]
pub(super) struct Crowds {
    /// By the number of their arrival. No source is kept without any.
    by_source: BTreeMap<Source, BTreeMap<u64, UpgradeKey>>,
    /// Of sources that have as many, the one whose oldest has waited longest comes last.
    by_weight: BTreeSet<(usize, Reverse<u64>, Source)>,
}

impl Crowds {
    /// How many a source has.
    pub(super) fn count(&self, source: Source) -> usize {
        self.by_source.get(&source).map_or(0, BTreeMap::len)
    }

    /// The oldest that a source has.
    pub(super) fn oldest_of(&self, source: Source) -> Option<UpgradeKey> {
        let (_, at) = self.by_source.get(&source)?.first_key_value()?;
        Some(*at)
    }

    /// The oldest of the source that has most.
    pub(super) fn oldest_of_heaviest(&self) -> Option<UpgradeKey> {
        let (_, _, source) = self.by_weight.last()?;
        self.oldest_of(*source)
    }

    /// Notes one more.
    pub(super) fn add(&mut self, source: Source, arrival: u64, at: UpgradeKey) {
        self.change(source, |crowd| {
            crowd.insert(arrival, at);
        });
    }

    /// Notes that one is gone.
    pub(super) fn remove(&mut self, source: Source, arrival: u64) {
        self.change(source, |crowd| {
            crowd.remove(&arrival);
        });
    }

    fn change(&mut self, source: Source, change: impl FnOnce(&mut BTreeMap<u64, UpgradeKey>)) {
        let crowd = self.by_source.entry(source).or_default();
        if let Some(weight) = weight(source, crowd) {
            self.by_weight.remove(&weight);
        }
        change(crowd);
        match weight(source, crowd) {
            Some(weight) => {
                self.by_weight.insert(weight);
            }
            None => {
                self.by_source.remove(&source);
            }
        }
    }
}

fn weight(source: Source, crowd: &BTreeMap<u64, UpgradeKey>) -> Option<(usize, Reverse<u64>, Source)> {
    let (oldest, _) = crowd.first_key_value()?;
    Some((crowd.len(), Reverse(*oldest), source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::ClientAddress;
    use crate::shard::{SourceRule, TableKey};

    fn source(text: &str) -> Source {
        let rule = SourceRule::DEFAULT;
        rule.source(ClientAddress::own(text.parse().expect("an address")))
    }

    fn at(index: u32) -> UpgradeKey {
        UpgradeKey::new(index, 0)
    }

    #[test]
    fn the_heaviest_is_known_whoever_comes_and_goes() {
        let (one, other, third) = (source("192.0.2.1"), source("192.0.2.2"), source("192.0.2.3"));
        let mut crowds = Crowds::default();
        assert_eq!(crowds.oldest_of_heaviest(), None);
        for (arrival, source) in [other, one, third, one].into_iter().enumerate() {
            crowds.add(source, arrival as u64, at(arrival as u32));
        }
        assert_eq!((crowds.count(one), crowds.oldest_of(one)), (2, Some(at(1))));
        assert_eq!(crowds.oldest_of_heaviest(), Some(at(1)), "of the one that has two");
        crowds.remove(one, 1);
        assert_eq!(
            crowds.oldest_of_heaviest(),
            Some(at(0)),
            "all have one: the oldest of all"
        );
        crowds.remove(other, 0);
        assert_eq!(crowds.oldest_of_heaviest(), Some(at(2)));
        crowds.remove(third, 2);
        crowds.remove(one, 3);
        assert_eq!((crowds.oldest_of_heaviest(), crowds.count(one)), (None, 0));
        assert!(crowds.by_source.is_empty() && crowds.by_weight.is_empty());
    }
}
