//! Collecting faults.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::Value;
use thiserror::Error;

use crate::config::schema::Node;
use crate::config::violation::lines;
use crate::config::{Config, Secret, Violation};

/// Longest label or app id, in bytes.
const MAX_LABEL_BYTES: usize = 256;

/// Every value that is not allowed, one per line when shown.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", lines(.0))]
pub struct Violations(pub Vec<Violation>);

impl Violations {
    /// Whether the keys of TLS are among those at fault: then its files need not be opened.
    #[must_use]
    pub fn are_of_tls(&self) -> bool {
        self.0
            .iter()
            .any(|violation| violation.path.starts_with("security.transport.tls"))
    }
}

/// Collects faults.
pub(super) struct Check {
    found: Vec<Violation>,
    /// Numbers that are beyond what they may ever be: no rule has more to say of them.
    out_of_bounds: BTreeSet<String>,
    defaults: Value,
}

/// A whole number of any unsigned type. `usize` is at most 64 bits wide everywhere this server runs.
pub(super) trait Number: Copy {
    fn wide(self) -> u64;
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl Number for $number {
            fn wide(self) -> u64 {
                self as u64
            }
        })*
    };
}
numbers!(u8, u16, u32, u64, usize);

impl Check {
    pub(super) fn new() -> Self {
        let defaults = serde_json::to_value(Config::default()).expect("a config has string keys only");
        Self {
            found: Vec::new(),
            out_of_bounds: BTreeSet::new(),
            defaults,
        }
    }

    /// Every number must lie within its bounds.
    pub(super) fn numbers(&mut self, config: &Config) {
        let values = serde_json::to_value(config).expect("a config has string keys only");
        Node::config().numbers(&values, "", &mut |path, value, bound| {
            self.range(path, value, bound.least..=bound.most);
            if !(bound.least..=bound.most).contains(&value) {
                self.out_of_bounds.insert(path.to_owned());
            }
        });
    }

    /// The numbers that [`numbers`](Self::numbers) has found beyond their bounds.
    pub(super) fn out_of_bounds(self) -> BTreeSet<String> {
        self.out_of_bounds
    }

    pub(super) fn finish(self) -> Result<(), Violations> {
        if self.found.is_empty() {
            Ok(())
        } else {
            Err(Violations(self.found))
        }
    }

    /// The value must lie within `allowed`.
    pub(super) fn range(&mut self, path: &str, value: impl Number, allowed: RangeInclusive<u64>) {
        let (low, high) = allowed.into_inner();
        if !(low..=high).contains(&value.wide()) {
            let cure = self.default_cure(path);
            self.push(path, value.wide(), &format!("must be from {low} to {high}"), &cure);
        }
    }

    /// Something that is not a plain range; `holds` says whether it is so.
    pub(super) fn rule(&mut self, path: &str, value: impl Display, holds: bool, allowed: &str, cure: &str) {
        if !holds {
            self.push(path, value, allowed, cure);
        }
    }

    /// A printed configuration was loaded again: its secrets are gone.
    pub(super) fn not_redacted(&mut self, path: &str, secret: &Secret) {
        self.rule(
            path,
            Secret::REDACTED,
            secret.expose().trim() != Secret::REDACTED,
            "is what --print-config shows instead of a secret",
            "give the secret itself",
        );
    }

    fn push(&mut self, path: &str, value: impl Display, allowed: &str, cure: &str) {
        if self.out_of_bounds.contains(path) {
            return;
        }
        self.found.push(Violation {
            path: path.to_owned(),
            value: value.to_string(),
            allowed: allowed.to_owned(),
            cure: cure.to_owned(),
        });
    }

    fn default_cure(&self, path: &str) -> String {
        match path.split('.').try_fold(&self.defaults, |value, key| value.get(key)) {
            Some(default) if !default.is_null() => format!("correct it, or leave it out for the default, {default}"),
            _ => "correct it, or leave it out".to_owned(),
        }
    }
}

/// Whether a text can be a label or an app id.
pub(super) fn is_label(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= MAX_LABEL_BYTES && !text.chars().any(char::is_control)
}
