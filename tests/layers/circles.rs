//! Which files lead to which, and the circles among them.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::Graph;
use crate::references::Reference;
use crate::survey::Survey;

/// A way from one file to another that may close a circle, and why it may.
pub type Exception<'a> = (&'a str, &'a str, &'a str);

/// The files of a crate, and where they name what another defines.
pub struct Files<'a> {
    survey: &'a Survey,
    ways: BTreeMap<(&'a str, &'a str), Vec<&'a Reference>>,
}

impl<'a> Files<'a> {
    pub fn of(survey: &'a Survey) -> Self {
        let mut ways: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for reference in survey.references.iter().filter(|reference| !reference.is_face) {
            if let Some(to) = reference.to {
                let way = (survey.path(reference.from), survey.path(to));
                ways.entry(way).or_default().push(reference);
            }
        }
        Self { survey, ways }
    }

    /// The circles of files, but for those that exceptions or folders that are being rebuilt explain; and what is
    /// excepted without need.
    pub fn faults(&self, exceptions: &[Exception<'_>], being_rebuilt: &[&str]) -> Vec<String> {
        let is_excepted = |from: &str, to: &str| exceptions.iter().any(|(a, b, _)| (*a, *b) == (from, to));
        let is_rebuilt = |from: &str, to: &str| being_rebuilt.iter().any(|root| below(root, from) && below(root, to));

        let strict = self.graph(|from, to| !is_excepted(from, to) && !is_rebuilt(from, to));
        let mut faults = self.circles(&strict);
        for (from, to, _) in exceptions {
            if !self.ways.contains_key(&(*from, *to)) || !strict.reaches(to, from) {
                faults.push(format!("the exception {from} → {to} is not needed"));
            }
        }
        for root in being_rebuilt {
            let inside = self.graph(|from, to| below(root, from) && below(root, to));
            if inside.cycles().is_empty() {
                faults.push(format!("{root} has no circle any more: it is rebuilt"));
            }
        }
        faults
    }

    /// The circles of the folders directly below `root`, each file there counting as a folder.
    pub fn folder_faults(&self, root: &str) -> Vec<String> {
        self.circles(&self.folded(|path| below(root, path).then(|| part_of(root, path))))
    }

    /// The files, with what leads from one to another.
    pub fn graph(&self, counts: impl Fn(&str, &str) -> bool) -> Graph {
        let mut graph = Graph::default();
        self.survey.files.iter().for_each(|file| graph.add(&file.path));
        for (from, to) in self.ways.keys().filter(|(from, to)| counts(from, to)) {
            graph.connect(from, to);
        }
        graph
    }

    /// The same for groups of files; those that have no group are left out.
    pub fn folded<'b>(&'b self, group_of: impl Fn(&'b str) -> Option<&'b str>) -> Graph {
        let mut graph = Graph::default();
        for (from, to) in self.ways.keys() {
            if let (Some(from), Some(to)) = (group_of(from), group_of(to))
                && from != to
            {
                graph.connect(from, to);
            }
        }
        graph
    }

    fn circles(&self, graph: &Graph) -> Vec<String> {
        graph.cycles().iter().map(|circle| self.describe(circle)).collect()
    }

    /// A circle of files or folders, with every line that belongs to it.
    fn describe(&self, circle: &BTreeSet<&str>) -> String {
        let within = |path: &str| circle.iter().copied().find(|place| below(place, path));
        let mut text = format!("a circle of {}:", circle.len());
        for ((from, to), references) in &self.ways {
            let (Some(a), Some(b)) = (within(from), within(to)) else {
                continue;
            };
            if a == b {
                continue;
            }
            let mut lines: Vec<String> = Vec::new();
            for reference in references {
                lines.push(format!("{} `{}`", reference.line, reference.name));
            }
            lines.dedup();
            text.push_str(&format!("\n  {from} → {to}: line {}", lines.join(", ")));
        }
        text
    }
}

/// Whether `path` is `place` or below it.
fn below(place: &str, path: &str) -> bool {
    path.strip_prefix(place)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The folder or file directly below `root` that a path belongs to.
pub fn part_of<'a>(root: &str, path: &'a str) -> &'a str {
    let from = root.len() + 1;
    let end = path[from..].find('/').map_or(path.len(), |at| from + at);
    &path[..end]
}
