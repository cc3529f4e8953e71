//! Strings that must never be seen in a log: passwords, reconnection tokens, connect tokens.

use std::fmt;
use std::hint::black_box;

use serde::Deserialize;

/// A secret string. `Debug` prints `[redacted]`, there is no `Display`, and comparison takes a time that does not tell
/// how much of the secret was right.
#[derive(Clone, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for the one place that sends it to its owner or checks its form.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the secret is the empty string.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), other.0.as_bytes());
        // The length is no secret; which byte differs is.
        ours.len() == theirs.len()
            && ours
                .iter()
                .zip(theirs)
                .fold(0, |difference, (a, b)| black_box(difference | (a ^ b)))
                == 0
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_equals_only_itself() {
        let secret = Secret::new("open sesame");
        assert_eq!(secret, Secret::new("open sesame"));
        for other in ["", "open sesam", "open sesame ", "Open sesame", "open sesamE"] {
            assert_ne!(secret, Secret::new(other), "{other:?}");
        }
    }

    #[test]
    fn debug_prints_nothing_of_it() {
        let printed = format!("{:?} {:#?}", Secret::new("hunter2"), Some(Secret::new("hunter2")));
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
