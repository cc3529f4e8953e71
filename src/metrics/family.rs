//! A family: a name, what it tells, and its samples.

use super::distribution::Distribution;

/// What the names of this server's own families begin with.
const PREFIX: &str = "signal_fish_";

/// What the samples of a family are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number that only grows, from the start of the process on.
    Counter,
    /// A number as it is now.
    Gauge,
    /// How many of something took how long.
    Histogram,
    /// A 1 whose labels tell something.
    Info,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

/// What a sample says.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number.
    Whole(u64),
    /// Any number.
    Real(f64),
    /// How many of something took how long.
    Spans(Box<Distribution>),
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl From<Distribution> for Value {
    fn from(spans: Distribution) -> Self {
        Self::Spans(Box::new(spans))
    }
}

/// One value, told from others of its family by its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The values of the family's labels, in their order.
    pub labels: Vec<String>,
    /// What it says.
    pub value: Value,
}

/// A family.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The whole name; that of a counter ends with `_total`, that of an info with `_info`.
    pub name: String,
    /// What the samples are.
    pub kind: Kind,
    /// What they tell.
    pub help: &'static str,
    /// By what they are told apart.
    pub labels: &'static [&'static str],
    /// The samples; none, if there is nothing to tell yet.
    pub samples: Vec<Sample>,
}

/// Families about one subject.
#[derive(Debug, Clone, PartialEq)]
pub struct Chapter {
    /// The subject.
    pub title: &'static str,
    /// Its families.
    pub families: Vec<Family>,
}

/// All families, in the order in which they are told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    chapters: Vec<Chapter>,
}

impl Catalogue {
    /// The chapters.
    #[must_use]
    pub fn chapters(&self) -> &[Chapter] {
        &self.chapters
    }

    /// The families, whatever they are about.
    pub fn families(&self) -> impl Iterator<Item = &Family> {
        self.chapters.iter().flat_map(|chapter| &chapter.families)
    }

    /// Begins a chapter.
    pub(super) fn chapter(&mut self, title: &'static str) {
        self.chapters.push(Chapter {
            title,
            families: Vec::new(),
        });
    }

    /// Adds a family of this server's own.
    pub(super) fn add(
        &mut self,
        kind: Kind,
        name: &str,
        help: &'static str,
        labels: &'static [&'static str],
        samples: Vec<Sample>,
    ) {
        self.add_named(kind, format!("{PREFIX}{name}"), help, labels, samples);
    }

    /// Adds a family under a name that is everybody's.
    pub(super) fn add_named(
        &mut self,
        kind: Kind,
        name: String,
        help: &'static str,
        labels: &'static [&'static str],
        samples: Vec<Sample>,
    ) {
        debug_assert!(samples.iter().all(|sample| sample.labels.len() == labels.len()));
        let chapter = self.chapters.last_mut().expect("a chapter was begun");
        chapter.families.push(Family {
            name,
            kind,
            help,
            labels,
            samples,
        });
    }

    /// Adds a counter of one sample.
    pub(super) fn counter(&mut self, name: &str, help: &'static str, count: u64) {
        self.add(Kind::Counter, name, help, &[], only(Some(count)));
    }

    /// Adds a gauge of one sample, or of none yet.
    pub(super) fn gauge<V: Into<Value>>(&mut self, name: &str, help: &'static str, value: Option<V>) {
        self.add(Kind::Gauge, name, help, &[], only(value));
    }

    /// Adds a histogram of one sample.
    pub(super) fn histogram(&mut self, name: &str, help: &'static str, spans: Distribution) {
        self.add(Kind::Histogram, name, help, &[], only(Some(spans)));
    }
}

fn only<V: Into<Value>>(value: Option<V>) -> Vec<Sample> {
    let sample = value.map(|value| Sample {
        labels: Vec::new(),
        value: value.into(),
    });
    sample.into_iter().collect()
}

/// A sample with labels.
pub(super) fn labelled(labels: impl IntoIterator<Item = impl ToString>, value: impl Into<Value>) -> Sample {
    Sample {
        labels: labels.into_iter().map(|label| label.to_string()).collect(),
        value: value.into(),
    }
}
