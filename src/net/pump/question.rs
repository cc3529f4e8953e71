//! What the control plane asks a shard.

use std::fmt;

use super::super::link::Link;
use super::super::socket::Socket;
use crate::shard::{Now, Shard};

/// Something that the control plane wants to know of a shard: it is asked between two messages and sends its answer itself.
///
/// Whoever asks promises that it reads little and never waits.
pub struct Question<S = Socket>(Asked<S>);

type Asked<S> = Box<dyn FnOnce(&Shard<Link<S>>, Now) + Send>;

impl<S> Question<S> {
    /// A question that is answered by what `ask` sees and sends.
    #[must_use]
    pub fn new(ask: impl FnOnce(&Shard<Link<S>>, Now) + Send + 'static) -> Self {
        Self(Box::new(ask))
    }

    /// Answers it.
    pub(super) fn answer(self, shard: &Shard<Link<S>>, now: Now) {
        (self.0)(shard, now);
    }
}

impl<S> fmt::Debug for Question<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").finish_non_exhaustive()
    }
}
