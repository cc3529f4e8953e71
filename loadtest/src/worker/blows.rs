//! Whom reconnect storms hit, and when: fixed in advance.

use std::collections::HashMap;
use std::time::Duration;

use crate::random::Random;
use crate::seating::Seating;
use crate::steps::{Change, Step};

/// A player whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Blow {
    due_ns: u64,
    member: u32,
    /// Index of the step.
    step: usize,
}

/// The storms of one stretch of traffic.
#[derive(Debug, Default)]
pub(super) struct Storms {
    /// The latest first.
    blows: Vec<Blow>,
    /// Players that a storm has taken and who are not back, with its step.
    pub(super) taken: HashMap<u32, usize>,
}

impl Storms {
    /// Storms of these steps, when the measured window begins at `window_start_ns`.
    pub(super) fn of(steps: &[Step], seating: &Seating, window_start_ns: u64, random: &mut Random) -> Self {
        let mut blows = Vec::new();
        for (step, Step { at, change, .. }) in steps.iter().enumerate() {
            let Change::Drop { within } = change else { continue };
            let ns = |time: &Duration| time.as_nanos() as u64;
            let groups = 0..seating.rooms.iter().map(|room| room.group + 1).max().unwrap_or(0);
            for group in groups.filter(|&group| steps[step].concerns(group)) {
                blows.extend(seating.senders_of(group).into_iter().map(|member| Blow {
                    due_ns: window_start_ns + ns(at) + random.below(ns(within).max(1)),
                    member,
                    step,
                }));
            }
        }
        blows.sort_unstable_by(|a, b| b.cmp(a));
        Self {
            blows,
            taken: HashMap::new(),
        }
    }

    /// Nobody else is hit.
    pub(super) fn call_off(&mut self) {
        self.blows.clear();
    }

    /// The next player, and its step, whose time has come by `now_ns`.
    pub(super) fn pop(&mut self, now_ns: u64) -> Option<(u32, usize)> {
        let blow = self.blows.pop_if(|blow| blow.due_ns <= now_ns)?;
        Some((blow.member, blow.step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seating::tests::plain;

    #[test]
    fn everybody_who_sends_is_hit_once_within_the_time_and_in_order() {
        let seating = plain(5, 4, 0);
        let steps = ["at 1s pause for 1s", "at 2s drop within 200ms", "at 5s drop"];
        let steps = steps.map(|text| Step::parse(text).expect(text));
        let storms = || Storms::of(&steps, &seating, 1_000, &mut Random::seeded(4));
        let mut first = storms();
        assert_eq!(first.pop(2_000_000_999), None);
        let mut hit = Vec::new();
        let mut moments = 0;
        for now_ns in (2_000_001_000..2_200_001_000).step_by(1_000_000) {
            let before = hit.len();
            hit.extend(std::iter::from_fn(|| first.pop(now_ns)));
            moments += usize::from(hit.len() > before);
        }
        hit.extend(std::iter::from_fn(|| first.pop(2_200_000_999)));
        assert!(hit.iter().all(|&(_, step)| step == 1));
        assert!(moments > 10, "spread over the time: {moments}");
        let order = hit.clone();
        hit.sort_unstable();
        assert_eq!(hit, (0..20).map(|member| (member, 1)).collect::<Vec<_>>());
        assert_eq!(first.pop(5_000_000_999), None);
        assert_eq!(
            std::iter::from_fn(|| first.pop(5_000_001_000)).count(),
            20,
            "all at once"
        );

        let mut again = storms();
        assert_eq!(
            std::iter::from_fn(|| again.pop(3_000_000_000)).collect::<Vec<_>>(),
            order
        );
    }
}
