//! Every decision that a run leaves open, from one seed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A seeded source of decisions.
#[derive(Debug)]
pub struct Schedule {
    random: ChaCha8Rng,
}

impl Schedule {
    /// The schedule of a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// A number below `end`; 0 when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 {
            0
        } else {
            (self.random.next_u64() % end as u64) as usize
        }
    }

    /// A number from 1 to `most`, often a small one and often all.
    pub fn share_of(&mut self, most: usize) -> usize {
        match self.below(4) {
            0 => 1 + self.below(most.min(8)),
            1 => 1 + self.below(most),
            _ => most,
        }
        .min(most)
    }

    /// Whether something happens that happens once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Four bytes.
    pub fn mask(&mut self) -> [u8; 4] {
        self.random.next_u32().to_be_bytes()
    }

    /// Thirty-two bytes.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.random.fill_bytes(&mut seed);
        seed
    }
}
