//! What operators show, as it is now: a reload may change it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::protocol::Secret;

/// The operators' token. A clone is another way to the same one.
#[derive(Clone, Default)]
pub struct AdminToken(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    token: Option<Secret>,
    /// How often it was changed.
    revision: u64,
}

impl AdminToken {
    /// That of a server that starts with `token`.
    #[must_use]
    pub fn new(token: Option<Secret>) -> Self {
        Self(Arc::new(Mutex::new(Held { token, revision: 0 })))
    }

    /// Changes it. Whoever signed in with another is signed in no longer.
    pub fn replace(&self, token: Option<Secret>) {
        let mut held = self.held();
        if held.token != token {
            held.token = token;
            held.revision += 1;
        }
    }

    /// Whether there is one.
    pub(super) fn is_set(&self) -> bool {
        self.held().token.is_some()
    }

    /// How often it was changed.
    pub(super) fn revision(&self) -> u64 {
        self.held().revision
    }

    /// The revision of the token, if it is this one. It takes a time that does not tell how much of it was right.
    pub(super) fn opens(&self, given: &str) -> Option<u64> {
        let held = self.held();
        let fits = held.token.as_ref() == Some(&Secret::new(given));
        fits.then_some(held.revision)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminToken").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_token_is_a_change() {
        let token = AdminToken::new(Some(Secret::new("one")));
        assert_eq!(
            (token.opens("one"), token.opens("two"), token.opens("")),
            (Some(0), None, None)
        );
        token.clone().replace(Some(Secret::new("one")));
        assert_eq!(token.revision(), 0);
        token.replace(Some(Secret::new("two")));
        assert_eq!((token.opens("one"), token.opens("two")), (None, Some(1)));
        token.replace(None);
        assert!(!token.is_set() && token.opens("").is_none() && token.opens("two").is_none());
        assert!(!format!("{token:?}").contains("two"));
    }
}
