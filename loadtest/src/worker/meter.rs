//! What one thread measures during a step: of messages due in it, how many were owed and how long they took; what was
//! delivered meanwhile; and of a storm, who went and who came back.
//!
//! A storm lasts until everybody is back whom it took.

use std::ops::Range;

use hdrhistogram::Histogram;

use crate::histogram::latency_histogram;
use crate::steps::Step;

/// Counts of a step while it lasts.
#[derive(Debug)]
pub(crate) struct Meter {
    /// On the test's clock; a storm may last longer.
    span_ns: Range<u64>,
    /// The group that the step concerns; without it all.
    group: Option<usize>,
    owed: u64,
    delivered: u64,
    latency_ns: Histogram<u64>,
    dropped: u64,
    back: u64,
    last_back_ns: u64,
}

/// The figures of a step.
#[derive(Debug, Clone)]
pub(crate) struct StepFigures {
    /// Deliveries owed for messages due in the step; none where it was but a moment.
    pub(crate) owed_per_second: Option<f64>,
    /// Deliveries received in it.
    pub(crate) delivered_per_second: Option<f64>,
    /// Of messages due in it.
    pub(crate) latency_ns: Histogram<u64>,
    /// Players that lost their sockets.
    pub(crate) dropped: u64,
    /// Those of them who came back.
    pub(crate) back: u64,
    /// From the beginning of the step to the last return.
    pub(crate) last_back_ns: u64,
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
            dropped: 0,
            back: 0,
            last_back_ns: 0,
        });
        meters.collect()
    }

    fn until_ns(&self) -> u64 {
        if self.back < self.dropped {
            u64::MAX
        } else {
            self.span_ns.end.max(self.last_back_ns)
        }
    }

    fn holds(&self, group: usize, at_ns: u64) -> bool {
        self.group.is_none_or(|concerned| concerned == group) && (self.span_ns.start..self.until_ns()).contains(&at_ns)
    }

    /// A message has been sent, and so many deliveries of it are owed.
    pub(crate) fn sent(&mut self, group: usize, scheduled_ns: u64, owed: u64) {
        if self.holds(group, scheduled_ns) {
            self.owed += owed;
        }
    }

    /// A delivery has come.
    pub(crate) fn delivered(&mut self, group: usize, now_ns: u64) {
        self.delivered += u64::from(self.holds(group, now_ns));
    }

    /// A delivery took so long, and not by its receiver's doing.
    pub(crate) fn timed(&mut self, group: usize, scheduled_ns: u64, latency_ns: u64) {
        if self.holds(group, scheduled_ns) {
            self.latency_ns.saturating_record(latency_ns);
        }
    }

    /// The step took somebody's socket.
    pub(crate) fn dropped(&mut self) {
        self.dropped += 1;
    }

    /// Somebody is back since `back_ns`.
    pub(crate) fn back(&mut self, back_ns: u64) {
        self.back += 1;
        self.last_back_ns = self.last_back_ns.max(back_ns);
    }

    /// The figures, at the end of the traffic.
    pub(crate) fn figures(self, end_ns: u64) -> StepFigures {
        let seconds = (self.until_ns().min(end_ns).saturating_sub(self.span_ns.start)) as f64 / 1e9;
        let per_second = |count: u64| (seconds > 0.0).then(|| count as f64 / seconds);
        StepFigures {
            owed_per_second: per_second(self.owed),
            delivered_per_second: per_second(self.delivered),
            last_back_ns: self.last_back_ns.saturating_sub(self.span_ns.start),
            latency_ns: self.latency_ns,
            dropped: self.dropped,
            back: self.back,
        }
    }
}

impl StepFigures {
    /// Adds what another thread measured in the same step.
    pub(crate) fn add(&mut self, other: &Self) {
        for (ours, others) in [
            (&mut self.owed_per_second, other.owed_per_second),
            (&mut self.delivered_per_second, other.delivered_per_second),
        ] {
            *ours = ours.map_or(others, |ours| Some(ours + others.unwrap_or(0.0)));
        }
        self.latency_ns += &other.latency_ns;
        self.dropped += other.dropped;
        self.back += other.back;
        self.last_back_ns = self.last_back_ns.max(other.last_back_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn meter(step: &str, group: Option<usize>) -> Meter {
        let mut step = Step::parse(step).expect("a step");
        step.group = group;
        Meter::of_all(&[step], 500).remove(0)
    }

    fn message(meter: &mut Meter, group: usize, at_ns: u64) {
        meter.sent(group, at_ns, 3);
        meter.delivered(group, at_ns);
        meter.timed(group, at_ns, 70);
    }

    #[test]
    fn only_what_falls_into_the_step_and_its_group_counts() {
        let mut meter = meter("at 1s pause for 2s", Some(1));
        for (group, at_ns) in [
            (1, SECOND + 499),
            (1, SECOND + 500),
            (0, 2 * SECOND),
            (1, 3 * SECOND + 499),
            (1, 3 * SECOND + 500),
        ] {
            message(&mut meter, group, at_ns);
        }
        let mut figures = meter.figures(9 * SECOND);
        let rates = |figures: &StepFigures| (figures.owed_per_second, figures.delivered_per_second);
        assert_eq!((rates(&figures), figures.latency_ns.len()), ((Some(3.0), Some(1.0)), 2));
        let other = figures.clone();
        figures.add(&other);
        assert_eq!((rates(&figures), figures.latency_ns.len()), ((Some(6.0), Some(2.0)), 4));
    }

    #[test]
    fn a_storm_lasts_until_all_are_back() {
        let mut meter = meter("at 1s drop", None);
        message(&mut meter, 0, SECOND + 500);
        meter.dropped();
        meter.dropped();
        message(&mut meter, 0, SECOND + 600);
        meter.back(SECOND + 700);
        message(&mut meter, 0, 2 * SECOND);
        meter.back(3 * SECOND + 500);
        message(&mut meter, 0, 3 * SECOND + 501);
        let figures = meter.figures(9 * SECOND);
        assert_eq!(figures.delivered_per_second, Some(1.0));
        assert_eq!(
            (figures.dropped, figures.back, figures.last_back_ns),
            (2, 2, 2 * SECOND)
        );
    }

    #[test]
    fn a_storm_that_somebody_did_not_survive_lasts_to_the_end() {
        let mut meter = meter("at 1s drop", None);
        meter.dropped();
        message(&mut meter, 0, 2 * SECOND);
        let figures = meter.figures(5 * SECOND + 500);
        assert_eq!(
            (figures.owed_per_second, figures.dropped, figures.back),
            (Some(0.75), 1, 0)
        );
    }
}
