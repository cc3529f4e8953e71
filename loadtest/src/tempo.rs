//! How fast a group plays, against its given rate, over time: a factor that is linear in pieces, and its integral.
//!
//! A message that a steady group would send after `played` nanoseconds is sent where the integral of the factor reaches
//! `played`. So moments are exact whatever the factor does, nothing drifts, and a factor of 0 puts off without dropping.

/// A factor over time; 1 from the beginning until it is changed.
#[derive(Debug, Clone)]
pub(crate) struct Tempo {
    /// In order of time; the first begins at 0.
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    from_ns: f64,
    /// The integral up to `from_ns`.
    played_ns: f64,
    factor: f64,
    slope_per_ns: f64,
}

impl Tempo {
    pub(crate) fn steady() -> Self {
        Self {
            pieces: vec![Piece {
                from_ns: 0.0,
                played_ns: 0.0,
                factor: 1.0,
                slope_per_ns: 0.0,
            }],
        }
    }

    /// From `at_ns` on the factor is `factor`. Changes come in order of time.
    pub(crate) fn hold(&mut self, at_ns: u64, factor: f64) {
        self.push(at_ns, factor, 0.0);
    }

    /// From `at_ns` on the factor moves to `to`, where it is after `over_ns`, and stays.
    pub(crate) fn ramp(&mut self, at_ns: u64, to: f64, over_ns: u64) {
        let from = self.factor(at_ns);
        self.push(at_ns, from, (to - from) / over_ns as f64);
        self.push(at_ns + over_ns, to, 0.0);
    }

    fn push(&mut self, at_ns: u64, factor: f64, slope_per_ns: f64) {
        debug_assert!(self.last().from_ns <= at_ns as f64, "changes come in order of time");
        self.pieces.push(Piece {
            from_ns: at_ns as f64,
            played_ns: self.played_ns(at_ns),
            factor,
            slope_per_ns,
        });
    }

    fn last(&self) -> &Piece {
        self.pieces.last().expect("there is a piece from the beginning")
    }

    /// The piece that holds at a moment; at an edge the later one.
    fn piece(&self, at_ns: f64) -> &Piece {
        let after = self.pieces.partition_point(|piece| piece.from_ns <= at_ns);
        &self.pieces[after.max(1) - 1]
    }

    /// The factor at a moment.
    pub(crate) fn factor(&self, at_ns: u64) -> f64 {
        let piece = self.piece(at_ns as f64);
        piece.factor + piece.slope_per_ns * (at_ns as f64 - piece.from_ns)
    }

    /// The integral of the factor up to a moment.
    pub(crate) fn played_ns(&self, at_ns: u64) -> f64 {
        let piece = self.piece(at_ns as f64);
        let since_ns = at_ns as f64 - piece.from_ns;
        piece.played_ns + since_ns * (piece.factor + piece.slope_per_ns * since_ns / 2.0)
    }

    /// When the integral reaches `played_ns`, and while it stands still there, when that ends; `None` if never.
    pub(crate) fn moment_ns(&self, played_ns: u64) -> Option<u64> {
        if self.pieces.len() == 1 {
            return Some(played_ns);
        }
        let played_ns = played_ns as f64;
        let after = self.pieces.partition_point(|piece| piece.played_ns <= played_ns);
        let piece = &self.pieces[after.max(1) - 1];
        if piece.factor == 0.0 && piece.slope_per_ns == 0.0 {
            return None; // a later piece would have begun at the same integral
        }
        let rest_ns = played_ns - piece.played_ns;
        if rest_ns == 0.0 {
            return Some(piece.from_ns as u64);
        }
        // The root in the form that is exact without a slope and loses nothing with a small one.
        let root = (piece.factor * piece.factor + 2.0 * piece.slope_per_ns * rest_ns)
            .max(0.0)
            .sqrt();
        Some((piece.from_ns + 2.0 * rest_ns / (piece.factor + root)) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Some changes at random.
    fn varied(random: &mut Random) -> Tempo {
        let mut tempo = Tempo::steady();
        let mut at_ns = 0;
        for _ in 0..=random.below(5) {
            at_ns += random.below(1_000_000);
            let factor = random.below(40) as f64 / 10.0;
            match random.below(3) {
                0 => tempo.hold(at_ns, 0.0),
                1 => tempo.hold(at_ns, factor),
                _ => {
                    let over_ns = 1 + random.below(1_000_000);
                    tempo.ramp(at_ns, factor, over_ns);
                    at_ns += over_ns;
                }
            }
        }
        tempo.hold(at_ns + 1_000, 1.0);
        tempo
    }

    #[test]
    fn the_integral_is_that_of_the_factor() {
        let mut random = Random::seeded(5);
        for round in 0..50 {
            let tempo = varied(&mut random);
            let mut sum_ns = 0.0;
            const STEP_NS: u64 = 50;
            for at_ns in (0..4_000_000).step_by(STEP_NS as usize) {
                if at_ns % 100_000 == 0 {
                    let exact = tempo.played_ns(at_ns);
                    assert!(
                        (exact - sum_ns).abs() < 3_000.0,
                        "round {round}, {at_ns}: {exact}, {sum_ns}"
                    );
                }
                sum_ns += tempo.factor(at_ns + STEP_NS / 2) * STEP_NS as f64;
            }
        }
    }

    #[test]
    fn a_moment_is_where_the_integral_arrives() {
        let mut random = Random::seeded(6);
        for round in 0..300 {
            let tempo = varied(&mut random);
            let mut before_ns = 0;
            for played_ns in (0..4_000_000).step_by(9_973) {
                let at_ns = tempo.moment_ns(played_ns).expect("the factor ends at 1");
                assert!(at_ns >= before_ns, "round {round}: never back");
                before_ns = at_ns;
                let (low, high) = (tempo.played_ns(at_ns), tempo.played_ns(at_ns + 1));
                let played = played_ns as f64;
                assert!(
                    low <= played + 0.01 && played <= high + 0.01,
                    "round {round}: {low} {played} {high}"
                );
            }
        }
    }

    #[test]
    fn a_steady_tempo_changes_no_moment() {
        let steady = Tempo::steady();
        let mut told = Tempo::steady();
        told.hold(1_000_000, 1.0);
        for played_ns in [0, 1, 999_999, 1_000_000, 16_666_667, 86_400_000_000_001] {
            assert_eq!(steady.moment_ns(played_ns), Some(played_ns));
            assert_eq!(told.moment_ns(played_ns), Some(played_ns));
        }
    }

    #[test]
    fn what_falls_on_a_pause_waits_for_its_end_and_after_the_last_nothing_comes() {
        let mut tempo = Tempo::steady();
        tempo.hold(100, 0.0);
        tempo.hold(300, 1.0);
        assert_eq!(tempo.moment_ns(99), Some(99));
        assert_eq!(tempo.moment_ns(100), Some(300));
        assert_eq!(tempo.moment_ns(101), Some(301));
        tempo.ramp(400, 0.0, 100);
        assert_eq!(tempo.moment_ns(249), Some(485), "on the slope");
        assert_eq!(tempo.moment_ns(250), None);
    }
}
