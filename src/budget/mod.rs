//! Fixed-window budgets: so much in so long, then a refusal that says when to come back.
//!
//! A leaf of the layers: knows only numbers, and is archived with whoever owns it.

mod allowance;

use crate::clock::{ClockChange, Moments};
pub use allowance::{Allowance, BudgetLimits, Charge};

/// When the current window began. All budgets of one owner share one window, as the protocol has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Window {
    began_at_ms: u64,
}

impl Window {
    /// A window that begins now.
    #[must_use]
    pub const fn begin(now_ms: u64) -> Self {
        Self { began_at_ms: now_ms }
    }

    /// Begins a new window if the current one of `length_ms` is over; says whether it did, so that counts restart.
    pub const fn roll(&mut self, length_ms: u64, now_ms: u64) -> bool {
        let over = now_ms >= self.began_at_ms.saturating_add(length_ms);
        if over {
            self.began_at_ms = now_ms;
        }
        over
    }

    /// Whole seconds until the window of `length_ms` is over, at least 1.
    #[must_use]
    pub const fn seconds_left(&self, length_ms: u64, now_ms: u64) -> u64 {
        let left = self
            .began_at_ms
            .saturating_add(length_ms)
            .saturating_sub(now_ms)
            .div_ceil(1000);
        if left == 0 { 1 } else { left }
    }
}

impl Moments for Window {
    fn change_clock(&mut self, change: ClockChange) {
        let Self { began_at_ms } = self;
        change.apply(began_at_ms);
    }
}

/// Charges `cost` to `spent` unless that would pass `limit`.
pub const fn charge(spent: &mut u64, cost: u64, limit: u64) -> bool {
    let within = match spent.checked_add(cost) {
        Some(total) => total <= limit,
        None => false,
    };
    if within {
        *spent += cost;
    }
    within
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_after_its_length_and_says_how_long_that_is() {
        let mut window = Window::begin(500);
        assert!(!window.roll(1_000, 1_499));
        assert_eq!(window.seconds_left(60_000, 500), 60);
        assert_eq!(window.seconds_left(1_000, 1_499), 1);
        assert!(window.roll(1_000, 1_500));
        assert!(!window.roll(1_000, 2_499));
    }

    #[test]
    fn what_does_not_fit_is_not_charged() {
        let mut spent = 0;
        assert!(charge(&mut spent, 7, 10));
        assert!(!charge(&mut spent, 4, 10));
        assert!(!charge(&mut spent, u64::MAX, 10));
        assert!(charge(&mut spent, 3, 10));
        assert_eq!(spent, 10);
    }
}
