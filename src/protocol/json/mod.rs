//! JSON read in place: a scanner that validates as strictly as a tree parse, and builds no tree.
//!
//! Owns the question "is this text JSON that every receiver can read, and where in it is the value I want?". Accepts
//! exactly what `serde_json::from_str::<serde_json::Value>` accepts: lone surrogate escapes, numbers beyond a double and
//! more than [`MAX_DEPTH`] open containers are refused. Must never allocate for text without escapes, and never recurse.

mod number;
mod scanner;
mod string;
#[cfg(test)]
mod tests;

pub(crate) use scanner::Scanner;
pub(crate) use string::JsonString;

/// Containers that may be open at once, counted from the outermost value of the text.
pub(crate) const MAX_DEPTH: u32 = 127;

/// The text is not JSON, or is JSON that a tree parse would refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is not JSON within the limits of the protocol")]
pub(crate) struct InvalidJson;
