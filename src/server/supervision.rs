//! The thread that starts a server, looks after it and sees it end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::answer::{Answer, Promise, promise};
use super::vigil::Vigil;
use crate::control::ControlPlane;
use crate::runtime::SpareMemory;
use crate::runtime::supervisor::{Outcome, Supervisor};
use crate::shard::World;

/// The name of that thread.
pub(super) const THREAD_NAME: &str = "supervisor";

/// How a server ended, once it has, and who waits for that.
#[derive(Debug, Default)]
pub(super) struct End(Mutex<Awaited>);

#[derive(Debug, Default)]
struct Awaited {
    outcome: Option<Outcome>,
    waiting: Vec<Promise<Outcome>>,
}

impl End {
    /// The end, when it comes.
    pub(super) fn awaited(&self) -> Answer<Outcome> {
        // Never said: the thread that looks after the server holds this, and says how it ends in any case.
        let (promise, answer) = promise(|| Outcome::Unsupervised);
        let mut awaited = self.lock();
        match awaited.outcome.clone() {
            Some(outcome) => promise.keep(outcome),
            None => {
                awaited.waiting.retain(|waiting| !waiting.is_forgotten());
                awaited.waiting.push(promise);
            }
        }
        answer
    }

    fn come(&self, outcome: &Outcome) {
        let mut awaited = self.lock();
        if awaited.outcome.is_some() {
            return;
        }
        awaited.outcome = Some(outcome.clone());
        let waiting = std::mem::take(&mut awaited.waiting);
        drop(awaited);
        for promise in waiting {
            promise.keep(outcome.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Awaited> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is looked after.
pub(super) struct Supervised {
    pub(super) world: Arc<World>,
    pub(super) supervisor: Supervisor,
    pub(super) control: ControlPlane,
    pub(super) vigil: Vigil,
}

impl Supervised {
    /// Looks after it until it has ended, and says so: even when it ends in the middle of that, because whoever waits would wait for
    /// ever.
    pub(super) fn run(self, end: &End) {
        let _certain = CertainEnd(end);
        let Self {
            world,
            supervisor,
            control,
            mut vigil,
        } = self;
        let mut spare = SpareMemory::default();
        let interval: Duration = vigil.interval();
        let outcome = supervisor.wait_looking(interval, |running| {
            vigil.look(running);
            if !world.is_draining() {
                let (peak, connections) = world.ledger.take_peak_connections();
                spare.look(peak, connections);
            }
        });
        control.stop();
        end.come(&outcome);
    }
}

/// Says, unless it was said by then, that nobody looks after the server any more.
struct CertainEnd<'e>(&'e End);

impl Drop for CertainEnd<'_> {
    fn drop(&mut self) {
        self.0.come(&Outcome::Unsupervised);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn an_end_comes_once_and_in_any_case() {
        let end = End::default();
        let before = end.awaited();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _certain = CertainEnd(&end);
            panic!("a defect");
        }));
        assert!(panicked.is_err());
        assert_eq!(before.wait(), Outcome::Unsupervised);

        let end = End::default();
        let certain = CertainEnd(&end);
        end.come(&Outcome::Stopped);
        drop(certain);
        assert_eq!(end.awaited().wait(), Outcome::Stopped, "what was said stays said");
    }
}
