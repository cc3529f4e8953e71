//! What one thread measures during a step: of messages due in it, how many were owed and how long they took, and what
//! was delivered meanwhile.

use std::ops::Range;

use hdrhistogram::Histogram;

use crate::steps::Step;
use crate::worker::intake::latency_histogram;

/// The figures of a step.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    /// On the test's clock.
    span_ns: Range<u64>,
    /// The group that the step concerns; without it all.
    group: Option<usize>,
    /// Deliveries owed for messages due in the step.
    pub(crate) owed: u64,
    /// Deliveries received in it.
    pub(crate) delivered: u64,
    /// Of messages due in it.
    pub(crate) latency_ns: Histogram<u64>,
}

impl Meter {
    /// One for each step, when the measured window begins at `window_start_ns`.
    pub(crate) fn of_all(steps: &[Step], window_start_ns: u64) -> Vec<Self> {
        let ns = |since_start: std::time::Duration| window_start_ns + since_start.as_nanos() as u64;
        let meters = steps.iter().map(|step| Self {
            span_ns: ns(step.at)..ns(step.until()),
            group: step.group,
            owed: 0,
            delivered: 0,
            latency_ns: latency_histogram(),
        });
        meters.collect()
    }

    fn concerns(&self, group: usize) -> bool {
        self.group.is_none_or(|concerned| concerned == group)
    }

    /// A message has been sent, and so many deliveries of it are owed.
    pub(crate) fn sent(&mut self, group: usize, scheduled_ns: u64, owed: u64) {
        if self.concerns(group) && self.span_ns.contains(&scheduled_ns) {
            self.owed += owed;
        }
    }

    /// A delivery has come.
    pub(crate) fn delivered(&mut self, group: usize, now_ns: u64) {
        self.delivered += u64::from(self.concerns(group) && self.span_ns.contains(&now_ns));
    }

    /// A delivery took so long, and not by its receiver's doing.
    pub(crate) fn timed(&mut self, group: usize, scheduled_ns: u64, latency_ns: u64) {
        if self.concerns(group) && self.span_ns.contains(&scheduled_ns) {
            self.latency_ns.saturating_record(latency_ns);
        }
    }

    /// Adds what another thread measured in the same step.
    pub(crate) fn add(&mut self, other: &Self) {
        self.owed += other.owed;
        self.delivered += other.delivered;
        self.latency_ns += &other.latency_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_falls_into_the_step_and_its_group_counts() {
        let mut step = Step::parse("at 1s pause for 1s").expect("a step");
        step.group = Some(1);
        let mut meters = Meter::of_all(&[step], 500);
        let meter = &mut meters[0];
        for (group, at_ns) in [
            (1, 1_000_000_499),
            (1, 1_000_000_500),
            (0, 1_500_000_000),
            (1, 2_000_000_499),
            (1, 2_000_000_500),
        ] {
            meter.sent(group, at_ns, 3);
            meter.delivered(group, at_ns);
            meter.timed(group, at_ns, 70);
        }
        assert_eq!((meter.owed, meter.delivered, meter.latency_ns.len()), (6, 2, 2));
        let other = meter.clone();
        meter.add(&other);
        assert_eq!((meter.owed, meter.delivered, meter.latency_ns.len()), (12, 4, 4));
    }
}
