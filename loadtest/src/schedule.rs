//! When each player of an open-loop run sends.
//!
//! All send with one period and each at its own phase, so the order within a period never changes: the next message due
//! is found without a search. Moments are fixed in advance; being late never moves or drops one.

use crate::cli::Phase;
use crate::random::Random;

/// A message to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) player: u32,
    /// When it should have gone, ns on the test's clock; never later than the time it was asked for.
    pub(crate) scheduled_ns: u64,
}

/// The sends of players with the same period.
pub(crate) struct Schedule {
    /// (phase in ns, player), in order.
    turns: Vec<(u64, u32)>,
    period_ns: f64,
    start_ns: u64,
    duration_ns: u64,
    cycle: u64,
    turn: usize,
}

impl Schedule {
    /// Every player sends once per period from `start_ns` on, for `duration_ns`.
    pub(crate) fn new(
        players: impl IntoIterator<Item = u32>,
        phase: Phase,
        period_ns: f64,
        start_ns: u64,
        duration_ns: u64,
        random: &mut Random,
    ) -> Self {
        let bound = (period_ns as u64).max(1);
        let mut turns: Vec<(u64, u32)> = players
            .into_iter()
            .map(|player| match phase {
                Phase::Random => (random.below(bound), player),
                Phase::Aligned => (0, player),
            })
            .collect();
        turns.sort_unstable();
        Self {
            turns,
            period_ns,
            start_ns,
            duration_ns,
            cycle: 0,
            turn: 0,
        }
    }

    /// When the next message is due; `None` after the last.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        let (phase_ns, _) = self.turns.get(self.turn)?;
        let elapsed_ns = (self.cycle as f64 * self.period_ns) as u64 + phase_ns;
        (elapsed_ns < self.duration_ns).then_some(self.start_ns + elapsed_ns)
    }

    /// The next message if it is due by `now_ns`.
    pub(crate) fn pop(&mut self, now_ns: u64) -> Option<Due> {
        let scheduled_ns = self.next_ns().filter(|&due_ns| due_ns <= now_ns)?;
        let (_, player) = self.turns[self.turn];
        self.turn += 1;
        if self.turn == self.turns.len() {
            self.turn = 0;
            self.cycle += 1;
        }
        Some(Due { player, scheduled_ns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut schedule: Schedule) -> Vec<Due> {
        std::iter::from_fn(|| schedule.pop(u64::MAX)).collect()
    }

    #[test]
    fn every_player_sends_at_its_own_phase_in_every_period() {
        let schedule = Schedule::new(
            0..5,
            Phase::Random,
            1e9 / 60.0,
            1_000,
            1_000_000_000,
            &mut Random::seeded(3),
        );
        let due = all(schedule);
        assert_eq!(due.len(), 5 * 60);
        assert!(due.is_sorted_by_key(|due| due.scheduled_ns));
        for player in 0..5 {
            let times: Vec<u64> = due
                .iter()
                .filter(|due| due.player == player)
                .map(|due| due.scheduled_ns)
                .collect();
            assert_eq!(times.len(), 60);
            for pair in times.windows(2) {
                assert!((pair[1] - pair[0]).abs_diff(16_666_667) <= 1, "a steady period");
            }
        }
    }

    #[test]
    fn aligned_players_send_at_the_same_instant() {
        let due = all(Schedule::new(
            0..3,
            Phase::Aligned,
            1e8,
            0,
            200_000_000,
            &mut Random::seeded(1),
        ));
        let times: Vec<u64> = due.iter().map(|due| due.scheduled_ns).collect();
        assert_eq!(times, [0, 0, 0, 100_000_000, 100_000_000, 100_000_000]);
    }

    #[test]
    fn nothing_is_due_early_and_nothing_is_skipped_when_late() {
        let mut schedule = Schedule::new(0..1, Phase::Aligned, 1e6, 5_000_000, 4_000_000, &mut Random::seeded(1));
        assert_eq!(schedule.pop(4_999_999), None);
        assert_eq!(schedule.next_ns(), Some(5_000_000));
        let late: Vec<u64> = std::iter::from_fn(|| schedule.pop(7_500_000))
            .map(|due| due.scheduled_ns)
            .collect();
        assert_eq!(late, [5_000_000, 6_000_000, 7_000_000]);
        assert_eq!(
            schedule.pop(9_000_000),
            Some(Due {
                player: 0,
                scheduled_ns: 8_000_000
            })
        );
        assert_eq!(schedule.next_ns(), None);
    }

    #[test]
    fn a_period_as_long_as_the_duration_means_one_message_each() {
        let due = all(Schedule::new(
            0..100,
            Phase::Random,
            7e9,
            0,
            7_000_000_000,
            &mut Random::seeded(9),
        ));
        let mut players: Vec<u32> = due.iter().map(|due| due.player).collect();
        players.sort_unstable();
        assert_eq!(players, (0..100).collect::<Vec<_>>());
    }
}
