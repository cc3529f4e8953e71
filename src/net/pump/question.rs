//! What the control plane asks a shard, and what it orders it to do.

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

/// Something that the operator wants of a shard: it is done between two messages, and tells by itself what became of it.
///
/// Whoever wants it promises that it calls nothing of the shard but what its contract names for the operator, and never waits.
pub struct Order<S = Socket>(Wanted<S>);

type Wanted<S> = Box<dyn FnOnce(&mut Shard<Link<S>>, Now) + Send>;

impl<S> Order<S> {
    /// An order that is carried out by calling `carry_out`.
    #[must_use]
    pub fn new(carry_out: impl FnOnce(&mut Shard<Link<S>>, Now) + Send + 'static) -> Self {
        Self(Box::new(carry_out))
    }

    /// Carries it out.
    pub(super) fn carry_out(self, shard: &mut Shard<Link<S>>, now: Now) {
        (self.0)(shard, now);
    }
}

impl<S> fmt::Debug for Order<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order").finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for Question<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").finish_non_exhaustive()
    }
}
