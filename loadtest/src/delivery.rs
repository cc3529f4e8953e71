//! Delivery classes of version 3: which message has which.
//!
//! A rule over seed, sender and sequence decides, so that nothing is remembered of a message and any part of the test can
//! say what it must look like.

use anyhow::{Result, ensure};

/// Most keys that one sender has for its `latest` values; a frame is kept ready for each.
const MAX_KEYS: u32 = 256;
/// A share of 1.
const WHOLE: f64 = 4_294_967_296.0;

/// How a message may be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Always; the message does not say so.
    Reliable,
    /// Until a later value of the same key takes its place.
    Latest { key: u32 },
    /// As long as there is room.
    Volatile,
}

/// How the messages of a group are divided among the classes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mixture {
    /// Of every 2^32 messages.
    latest: u64,
    volatile: u64,
    keys: u32,
    seed: u64,
}

impl Mixture {
    /// From shares of 1; what is left is reliable.
    pub(crate) fn of(latest_share: f64, volatile_share: f64, latest_keys: u32) -> Result<Self> {
        for (name, share) in [("latest_share", latest_share), ("volatile_share", volatile_share)] {
            ensure!((0.0..=1.0).contains(&share), "{name} must be 0 to 1");
        }
        ensure!(
            latest_share + volatile_share <= 1.0,
            "latest_share and volatile_share must be 1 together at most: the rest is reliable"
        );
        ensure!(
            (1..=MAX_KEYS).contains(&latest_keys),
            "latest_keys must be 1 to {MAX_KEYS}"
        );
        Ok(Self {
            latest: (latest_share * WHOLE) as u64,
            volatile: (volatile_share * WHOLE) as u64,
            keys: latest_keys,
            seed: 0,
        })
    }

    /// The same division, dealt out by this seed.
    pub(crate) fn seeded(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Whether any message is other than reliable.
    pub(crate) fn has_classes(self) -> bool {
        self.latest + self.volatile > 0
    }

    /// The delivery of one message; `sender` is the number of the player over the whole test.
    pub(crate) fn delivery(self, sender: u32, sequence: u32) -> Delivery {
        if !self.has_classes() {
            return Delivery::Reliable;
        }
        let mut mixed = (u64::from(sender) << 32 | u64::from(sequence)) ^ self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let drawn = mixed >> 32;
        if drawn < self.latest {
            let key = ((mixed & 0xFFFF_FFFF) * u64::from(self.keys)) >> 32;
            Delivery::Latest { key: key as u32 }
        } else if drawn < self.latest + self.volatile {
            Delivery::Volatile
        } else {
            Delivery::Reliable
        }
    }
}

impl Delivery {
    /// What follows the data in the client's `GameData`.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Reliable => String::new(),
            Self::Latest { key } => format!(r#","class":"latest","key":{key}"#),
            Self::Volatile => r#","class":"volatile""#.to_owned(),
        }
    }

    /// A number for each: where a list of all deliveries has this one.
    pub(crate) fn place(self) -> usize {
        match self {
            Self::Reliable => 0,
            Self::Volatile => 1,
            Self::Latest { key } => 2 + key as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_kept_and_the_same_seed_says_the_same() {
        let mixture = Mixture::of(0.5, 0.3, 4).expect("good shares").seeded(7);
        let mut counts = [0u32; 6];
        for sequence in 0..10_000 {
            let delivery = mixture.delivery(3, sequence);
            assert_eq!(delivery, mixture.delivery(3, sequence));
            counts[delivery.place()] += 1;
        }
        assert!(counts[0].abs_diff(2_000) < 200, "reliable: {counts:?}");
        assert!(counts[1].abs_diff(3_000) < 200, "volatile: {counts:?}");
        assert!(
            counts[2..].iter().all(|count| count.abs_diff(1_250) < 150),
            "keys: {counts:?}"
        );
        let other = mixture.seeded(8);
        assert!((0..100).any(|sequence| mixture.delivery(3, sequence) != other.delivery(3, sequence)));
    }

    #[test]
    fn a_whole_share_leaves_nothing_else() {
        let all = |latest, volatile| Mixture::of(latest, volatile, 1).expect("good shares");
        for sequence in 0..1_000 {
            assert_eq!(all(1.0, 0.0).delivery(0, sequence), Delivery::Latest { key: 0 });
            assert_eq!(all(0.0, 1.0).delivery(0, sequence), Delivery::Volatile);
            assert_eq!(all(0.0, 0.0).delivery(0, sequence), Delivery::Reliable);
        }
    }

    #[test]
    fn shares_that_make_no_sense_are_refused() {
        for (latest, volatile, keys) in [
            (1.1, 0.0, 1),
            (0.6, 0.6, 1),
            (0.5, -0.1, 1),
            (0.5, 0.0, 0),
            (f64::NAN, 0.0, 1),
        ] {
            assert!(
                Mixture::of(latest, volatile, keys).is_err(),
                "{latest} {volatile} {keys}"
            );
        }
    }
}
