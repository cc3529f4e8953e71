//! When each player of an open-loop run sends.
//!
//! All send with one period and each at its own phase, so the order within a period never changes: the next message due
//! is found without a search; a [`Tempo`] moves all of them alike. Moments are fixed in advance; being late never moves or
//! drops one.

use crate::phase::Phase;
use crate::random::Random;
use crate::tempo::Tempo;

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
    tempo: Tempo,
    start_ns: u64,
    duration_ns: u64,
    cycle: u64,
    turn: usize,
    /// When the next is due.
    next_ns: Option<u64>,
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
        let mut schedule = Self {
            turns,
            period_ns,
            tempo: Tempo::steady(),
            start_ns,
            duration_ns,
            cycle: 0,
            turn: 0,
            next_ns: None,
        };
        schedule.next_ns = schedule.look_ahead();
        schedule
    }

    /// The same sends at this tempo; it counts from the schedule's start.
    pub(crate) fn at(mut self, tempo: Tempo) -> Self {
        self.tempo = tempo;
        self.next_ns = self.look_ahead();
        self
    }

    /// When the next message is due; `None` after the last.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        self.next_ns
    }

    fn look_ahead(&self) -> Option<u64> {
        let (phase_ns, _) = self.turns.get(self.turn)?;
        let steady_ns = (self.cycle as f64 * self.period_ns) as u64 + phase_ns;
        let elapsed_ns = self.tempo.moment_ns(steady_ns)?;
        (elapsed_ns < self.duration_ns).then_some(self.start_ns + elapsed_ns)
    }

    /// The next message if it is due by `now_ns`.
    pub(crate) fn pop(&mut self, now_ns: u64) -> Option<Due> {
        let scheduled_ns = self.next_ns.filter(|&due_ns| due_ns <= now_ns)?;
        let (_, player) = self.turns[self.turn];
        self.turn += 1;
        if self.turn == self.turns.len() {
            self.turn = 0;
            self.cycle += 1;
        }
        self.next_ns = self.look_ahead();
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

    #[test]
    fn a_tempo_moves_every_message_and_keeps_the_order() {
        let mut tempo = Tempo::steady();
        tempo.ramp(1_000_000_000, 2.0, 1_000_000_000);
        tempo.hold(3_000_000_000, 0.0);
        tempo.hold(4_000_000_000, 2.0);
        let schedule = Schedule::new(0..10, Phase::Random, 1e7, 7_000, 5_000_000_000, &mut Random::seeded(2));
        let due = all(schedule.at(tempo));
        let in_second = |second: u64| {
            let within = second * 1_000_000_000 + 7_000..(second + 1) * 1_000_000_000 + 7_000;
            due.iter().filter(|due| within.contains(&due.scheduled_ns)).count()
        };
        assert_eq!(
            [0, 1, 2, 3, 4].map(in_second),
            [1_000, 1_500, 2_000, 0, 2_000],
            "steady, on the way up, doubled, paused, doubled again"
        );
        assert!(due.is_sorted_by_key(|due| due.scheduled_ns));
        assert!(
            due.windows(11).all(|turns| turns[0].player == turns[10].player),
            "everybody in turn"
        );
    }
}
