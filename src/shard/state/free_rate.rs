//! What a sender may always say, whoever is slow to read it.
//!
//! A sender below its free rate is never paced by anybody. One above it is, while somebody in its room who reads has much
//! waiting: it is read at its free rate then, never slower ([ADR 012](../../docs/adr/012-bulk-is-paced.md)).

use crate::clock::{ClockChange, Moments};
use crate::shard::world::settings::PacingRules;

/// How far one sender is above its free rate.
#[derive(Debug, Clone, Copy, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(in crate::shard) struct FreeRate {
    /// Bytes beyond what the free rate has let through.
    level_bytes: u64,
    at_ms: u64,
}

impl FreeRate {
    /// Notes that the sender said so many bytes that must arrive.
    pub(in crate::shard) fn charge(&mut self, bytes: usize, rules: &PacingRules, now_ms: u64) {
        self.level_bytes = self.level_at(rules, now_ms).saturating_add(bytes as u64);
        self.at_ms = now_ms;
    }

    /// Whether the sender is above its free rate, its burst included.
    pub(in crate::shard) fn is_spent(&self, rules: &PacingRules, now_ms: u64) -> bool {
        self.level_bytes > rules.burst_bytes && self.level_at(rules, now_ms) > rules.burst_bytes
    }

    fn level_at(&self, rules: &PacingRules, now_ms: u64) -> u64 {
        let span_ms = now_ms.saturating_sub(self.at_ms);
        self.level_bytes
            .saturating_sub(span_ms.saturating_mul(rules.free_rate_bytes) / 1_000)
    }
}

impl Moments for FreeRate {
    fn change_clock(&mut self, change: ClockChange) {
        let Self { level_bytes: _, at_ms } = self;
        change.apply(at_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: PacingRules = PacingRules {
        free_rate_bytes: 1_000,
        burst_bytes: 5_000,
    };

    #[test]
    fn a_burst_is_free_and_so_is_whatever_stays_below_the_rate() {
        let mut rate = FreeRate::default();
        rate.charge(5_000, &RULES, 10_000);
        assert!(!rate.is_spent(&RULES, 10_000));
        for second in 1..100 {
            rate.charge(1_000, &RULES, 10_000 + second * 1_000);
            assert!(!rate.is_spent(&RULES, 10_000 + second * 1_000));
        }
    }

    #[test]
    fn who_is_above_it_is_read_at_the_rate() {
        let mut rate = FreeRate::default();
        let mut said = 0;
        for now_ms in 0..60_000 {
            if !rate.is_spent(&RULES, now_ms) {
                rate.charge(3_000, &RULES, now_ms);
                said += 3_000;
            }
        }
        assert!((60_000..=5_000 + 60_000 + 3_000).contains(&said), "{said} in a minute");
    }
}
