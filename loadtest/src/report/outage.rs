//! What is told of an outage: when deliveries stopped and came back, when the server's process was gone, how many
//! connections ended.

use serde::Serialize;

use crate::outage::Gap;
use crate::report::table::round;

/// Stretches of time without any delivery, although something was owed.
#[derive(Debug, Serialize)]
pub(super) struct Outage {
    /// When deliveries first stopped, from the start of the measured window.
    stopped_seconds: f64,
    /// When they came back after that; missing when they did not.
    back_seconds: Option<f64>,
    longest_gap_seconds: f64,
    pub(super) gaps: Vec<GapOfReport>,
}

/// One of them.
#[derive(Debug, Serialize)]
pub(super) struct GapOfReport {
    pub(super) stopped_seconds: f64,
    pub(super) back_seconds: Option<f64>,
}

impl Outage {
    /// `None` when there was none.
    pub(super) fn of(gaps: &[Gap], window_seconds: f64) -> Option<Self> {
        let seconds = |ns: u64| round(ns as f64 / 1e9, 2);
        let gaps: Vec<GapOfReport> = gaps
            .iter()
            .map(|gap| GapOfReport {
                stopped_seconds: seconds(gap.stopped_ns),
                back_seconds: gap.back_ns.map(seconds),
            })
            .collect();
        let first = gaps.first()?;
        let lengths = gaps.iter().map(|gap| gap.until(window_seconds) - gap.stopped_seconds);
        Some(Self {
            stopped_seconds: first.stopped_seconds,
            back_seconds: first.back_seconds,
            longest_gap_seconds: round(lengths.fold(0.0, f64::max), 2),
            gaps,
        })
    }

    /// In one line.
    pub(super) fn words(&self) -> String {
        let mut words = match self.back_seconds {
            Some(back) => format!(
                "nothing was delivered from {} s to {back} s, although messages were due",
                self.stopped_seconds
            ),
            None => format!(
                "nothing was delivered from {} s to the end, although messages were due",
                self.stopped_seconds
            ),
        };
        if self.gaps.len() > 1 {
            words.push_str(&format!(
                "; {} such gaps, the longest {} s",
                self.gaps.len(),
                self.longest_gap_seconds
            ));
        }
        words
    }
}

impl GapOfReport {
    pub(super) fn until(&self, window_seconds: f64) -> f64 {
        self.back_seconds.unwrap_or(window_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_with_its_longest_gap() {
        assert!(Outage::of(&[], 10.0).is_none());
        let gap = |stopped_ns, back_ns| Gap { stopped_ns, back_ns };
        let outage = Outage::of(
            &[gap(3_000_000_000, Some(3_700_000_000)), gap(6_000_000_000, None)],
            10.0,
        );
        let outage = outage.expect("an outage");
        assert_eq!((outage.stopped_seconds, outage.back_seconds), (3.0, Some(3.7)));
        assert_eq!(outage.longest_gap_seconds, 4.0);
        assert!(outage.words().contains("from 3 s to 3.7 s") && outage.words().contains("2 such gaps"));
    }
}
