//! The one door through which randomness enters.

use std::io;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Where a server's secrets and seeds come from.
#[derive(Debug)]
pub(super) enum Randomness {
    /// The system.
    System,
    /// One seed, for tests: the same one gives the same.
    Seeded(Box<ChaCha12Rng>),
}

impl Randomness {
    pub(super) fn new(seed: Option<[u8; 32]>) -> Self {
        seed.map_or(Self::System, |seed| {
            Self::Seeded(Box::new(ChaCha12Rng::from_seed(seed)))
        })
    }

    /// So many bytes more.
    pub(super) fn draw<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        match self {
            Self::System => getrandom::fill(&mut bytes).map_err(io::Error::other)?,
            Self::Seeded(random) => random.fill_bytes(&mut bytes),
        }
        Ok(bytes)
    }
}
