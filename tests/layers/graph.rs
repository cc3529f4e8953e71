//! A directed graph of places, its cycles, and how high each place stands.

use std::collections::{BTreeMap, BTreeSet};

/// Places by name, and what each leads to.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    leads_to: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Notes a place that may lead nowhere.
    pub fn add(&mut self, place: &str) {
        self.leads_to.entry(place.to_owned()).or_default();
    }

    pub fn connect(&mut self, from: &str, to: &str) {
        self.add(to);
        self.leads_to.entry(from.to_owned()).or_default().insert(to.to_owned());
    }

    fn after<'a>(&'a self, place: &str) -> impl Iterator<Item = &'a str> {
        self.leads_to.get(place).into_iter().flatten().map(String::as_str)
    }

    /// Whether some way leads from a place to another.
    pub fn reaches(&self, from: &str, to: &str) -> bool {
        let mut seen = BTreeSet::from([from]);
        let mut open = vec![from];
        while let Some(place) = open.pop() {
            for next in self.after(place) {
                if next == to {
                    return true;
                }
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        false
    }

    /// The places that cannot be told above from below: groups whose members all reach each other, those that stand
    /// lowest first. A place that is in no cycle is a group of its own.
    pub fn groups(&self) -> Vec<BTreeSet<&str>> {
        let mut search = Search::default();
        for place in self.leads_to.keys() {
            search.visit(self, place);
        }
        search.groups
    }

    /// The groups of more than one.
    pub fn cycles(&self) -> Vec<BTreeSet<&str>> {
        self.groups().into_iter().filter(|group| group.len() > 1).collect()
    }

    /// How high each place stands: the steps of the longest way down from it.
    pub fn floors(&self) -> BTreeMap<&str, usize> {
        let mut floors: BTreeMap<&str, usize> = BTreeMap::new();
        for group in self.groups() {
            let below = group.iter().flat_map(|place| self.after(place));
            let floor = below.filter_map(|place| floors.get(place)).map(|floor| floor + 1).max();
            floors.extend(group.iter().map(|&place| (place, floor.unwrap_or(0))));
        }
        floors
    }
}

/// Tarjan's search for strongly connected places.
#[derive(Default)]
struct Search<'a> {
    order: BTreeMap<&'a str, usize>,
    lowest: BTreeMap<&'a str, usize>,
    stack: Vec<&'a str>,
    groups: Vec<BTreeSet<&'a str>>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, graph: &'a Graph, place: &'a str) {
        if self.order.contains_key(place) {
            return;
        }
        let number = self.order.len();
        self.order.insert(place, number);
        self.stack.push(place);
        let mut lowest = number;
        for next in graph.after(place) {
            if !self.order.contains_key(next) {
                self.visit(graph, next);
                lowest = lowest.min(self.lowest[next]);
            } else if self.stack.contains(&next) {
                lowest = lowest.min(self.order[next]);
            }
        }
        self.lowest.insert(place, lowest);
        if lowest == number {
            let begin = self
                .stack
                .iter()
                .position(|&open| open == place)
                .expect("it was pushed");
            self.groups.push(self.stack.drain(begin..).collect());
        }
    }
}
