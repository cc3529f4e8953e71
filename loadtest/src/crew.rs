//! How many generator threads a test has, and when it is made again with more of them.
//!
//! Decisions only; nothing is started here. A number that was asked for is kept. Otherwise a test begins with one thread, or
//! with what its schedule needs even where a delivery costs least; and where a thread turns out to have had no time left,
//! the test is made again with twice as many, as long as there are CPUs and rooms for them.

use std::thread::available_parallelism;

use crate::cli::{GeneratorArguments, Threads};
use crate::plan::Plan;
use crate::scenario::Scenario;

/// A thread that used more than this of its core may be what was measured.
pub(crate) const BUSY_SHARE: f64 = 0.9;
/// What a delivery costs a thread at saturation in rooms of four; at lower rates it is more, and then nobody knows how much
/// before it is tried.
const LEAST_SECONDS_PER_DELIVERY: f64 = 0.6e-6;

/// Something that this generator cannot do, whatever the server can.
#[derive(Debug)]
pub(crate) struct OutOfReach(pub(crate) String);

impl std::fmt::Display for OutOfReach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OutOfReach {}

/// The generator threads of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crew {
    threads: u32,
    /// There may be so many.
    most: u32,
    /// Why it is this number.
    because: String,
}

impl Crew {
    /// The threads that a test begins with.
    pub(crate) fn first(generator: &GeneratorArguments, plan: &Plan) -> Self {
        let cpus = available_parallelism().map_or(1, |count| count.get() as u32);
        // Spinning threads leave nothing of their CPUs to a server on this machine.
        let cpus = if generator.spin { cpus - 1 } else { cpus };
        Self::of(generator.threads, plan.owed_per_second(), cpus.clamp(1, plan.rooms()))
    }

    fn of(asked: Threads, owed_per_second: f64, most: u32) -> Self {
        match asked {
            Threads::Exactly(threads) => Self {
                threads,
                most: threads,
                because: "asked for".to_owned(),
            },
            Threads::Auto => {
                let needed = (owed_per_second * LEAST_SECONDS_PER_DELIVERY / BUSY_SHARE).ceil() as u32;
                let threads = needed.clamp(1, most);
                Self {
                    threads,
                    most,
                    because: match threads {
                        1 => "one to begin with".to_owned(),
                        _ => format!("for {owed_per_second:.0} deliveries a second"),
                    },
                }
            }
        }
    }

    /// At least as many as an earlier test turned out to need.
    pub(crate) fn not_below(mut self, earlier: Option<&Self>) -> Self {
        if let Some(earlier) = earlier.filter(|earlier| earlier.threads > self.threads) {
            self.threads = earlier.threads.min(self.most);
            self.because.clone_from(&earlier.because);
        }
        self
    }

    /// The threads to try next after the busiest of these used this share of its core; nothing when they had time left, or
    /// when there can be no more.
    pub(crate) fn reinforced(&self, busiest_share: f64) -> Option<Self> {
        (busiest_share > BUSY_SHARE && self.threads < self.most).then(|| Self {
            threads: (self.threads * 2).min(self.most),
            most: self.most,
            because: format!(
                "with {} the busiest used {:.0} % of its core",
                self.threads,
                busiest_share * 100.0
            ),
        })
    }

    /// Gives the threads to a test.
    pub(crate) fn man(&self, scenario: &mut Scenario) {
        scenario.threads = self.threads;
        scenario.threads_because.clone_from(&self.because);
    }
}

impl std::fmt::Display for Crew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} generator threads ({})", self.threads, self.because)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(mut crew: Crew, share: f64) -> Vec<u32> {
        let mut counts = vec![crew.threads];
        while let Some(larger) = crew.reinforced(share) {
            counts.push(larger.threads);
            crew = larger;
        }
        counts
    }

    #[test]
    fn a_busy_crew_grows_as_far_as_there_is_room() {
        assert_eq!(counts(Crew::of(Threads::Auto, 1_000.0, 6), 0.95), [1, 2, 4, 6]);
        assert_eq!(
            counts(Crew::of(Threads::Auto, 1_000.0, 6), 0.9),
            [1],
            "there was time left"
        );
        assert_eq!(
            counts(Crew::of(Threads::Auto, 1_000.0, 1), 0.95),
            [1],
            "no more CPUs or rooms"
        );
        assert_eq!(
            counts(Crew::of(Threads::Exactly(3), 1e9, 8), 0.95),
            [3],
            "it was asked for"
        );
    }

    #[test]
    fn a_schedule_that_one_thread_cannot_keep_has_more_from_the_start() {
        assert_eq!(Crew::of(Threads::Auto, 1.4e6, 8).threads, 1);
        assert_eq!(Crew::of(Threads::Auto, 4e6, 8).threads, 3);
        assert_eq!(Crew::of(Threads::Auto, 1e9, 8).threads, 8);
    }

    #[test]
    fn what_one_step_needed_the_next_has_from_the_start() {
        let grown = Crew::of(Threads::Auto, 0.0, 4).reinforced(1.0);
        assert_eq!(Crew::of(Threads::Auto, 0.0, 4).not_below(grown.as_ref()).threads, 2);
        assert_eq!(
            Crew::of(Threads::Auto, 0.0, 1).not_below(grown.as_ref()).threads,
            1,
            "one room"
        );
        assert_eq!(Crew::of(Threads::Auto, 4e6, 4).not_below(grown.as_ref()).threads, 3);
    }
}
