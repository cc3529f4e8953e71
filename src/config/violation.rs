//! A value that is not allowed, and how several faults are shown.

use std::fmt;

use thiserror::Error;

/// A value that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{path}` is {value}: it {allowed}. To do: {cure}")]
pub struct Violation {
    /// The key.
    pub path: String,
    /// Its value, as shown to a person; secrets are not shown.
    pub value: String,
    /// What is allowed, continuing "it …".
    pub allowed: String,
    /// What to do.
    pub cure: String,
}

/// One per line.
pub(super) fn lines<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
