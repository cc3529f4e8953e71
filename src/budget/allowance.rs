//! What one connection may still spend: room creations, joins, relayed bytes, signals, refused requests.
//!
//! All but the last are keyed by player and share a window; refusals are counted by socket, in a window of their own.

use super::{Window, charge};
use crate::clock::{ClockChange, Moments};

/// The limits of one connection, each per window.
#[derive(Debug, Clone)]
pub struct BudgetLimits {
    /// Length of a window, in milliseconds.
    pub window_ms: u64,
    /// Rooms created without naming a code.
    pub room_creations: u64,
    /// Requests to join, successful or not.
    pub joins: u64,
    /// Payload bytes of game data.
    pub relay_bytes: u64,
    /// Payload bytes of game data of a whole room.
    pub room_relay_bytes: u64,
    /// Signals and reports of transports.
    pub signals: u64,
    /// Signals that are refused in detail; those beyond are refused as too many.
    pub signal_refusals: u64,
    /// Refusals and `Pong` messages.
    pub error_replies: u64,
}

/// Whether a charge was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    /// It was.
    Accepted,
    /// It was not; there is a new window in so many seconds.
    Refused {
        /// Whole seconds, at least 1.
        retry_after_secs: u64,
    },
}

/// What one connection has spent in the current windows.
#[derive(Debug, Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Allowance {
    window: Window,
    room_creations: u64,
    joins: u64,
    relay_bytes: u64,
    signals: u64,
    signal_refusals: u64,
    reply_window: Window,
    error_replies: u64,
}

impl Allowance {
    /// Nothing spent yet.
    #[must_use]
    pub const fn new(now_ms: u64) -> Self {
        Self {
            window: Window::begin(now_ms),
            room_creations: 0,
            joins: 0,
            relay_bytes: 0,
            signals: 0,
            signal_refusals: 0,
            reply_window: Window::begin(now_ms),
            error_replies: 0,
        }
    }

    /// Takes over what a player had spent under its earlier connection. Refusals stay this socket's own.
    pub fn take_over(&mut self, earlier: Self) {
        let Self {
            reply_window,
            error_replies,
            ..
        } = *self;
        *self = Self {
            reply_window,
            error_replies,
            ..earlier
        };
    }

    fn roll(&mut self, limits: &BudgetLimits, now_ms: u64) {
        if self.window.roll(limits.window_ms, now_ms) {
            (self.room_creations, self.joins, self.relay_bytes) = (0, 0, 0);
            (self.signals, self.signal_refusals) = (0, 0);
        }
    }

    fn verdict(&self, accepted: bool, limits: &BudgetLimits, now_ms: u64) -> Charge {
        if accepted {
            Charge::Accepted
        } else {
            Charge::Refused {
                retry_after_secs: self.window.seconds_left(limits.window_ms, now_ms),
            }
        }
    }

    /// Charges a request for a new room, which is charged as a request to join as well.
    pub fn charge_creation(&mut self, limits: &BudgetLimits, now_ms: u64) -> Charge {
        self.roll(limits, now_ms);
        let accepted = charge(&mut self.room_creations, 1, limits.room_creations);
        self.verdict(accepted, limits, now_ms)
    }

    /// Charges a request to join.
    pub fn charge_join(&mut self, limits: &BudgetLimits, now_ms: u64) -> Charge {
        self.roll(limits, now_ms);
        let accepted = charge(&mut self.joins, 1, limits.joins);
        self.verdict(accepted, limits, now_ms)
    }

    /// Charges the payload of a game-data message; `limit` is the application's own figure or the general one.
    pub fn charge_relay(&mut self, bytes: u64, limit: u64, limits: &BudgetLimits, now_ms: u64) -> Charge {
        self.roll(limits, now_ms);
        let accepted = charge(&mut self.relay_bytes, bytes, limit);
        self.verdict(accepted, limits, now_ms)
    }

    /// Takes back what [`charge_relay`](Self::charge_relay) accepted for a message that was then not relayed.
    pub const fn refund_relay(&mut self, bytes: u64) {
        self.relay_bytes = self.relay_bytes.saturating_sub(bytes);
    }

    /// Charges a signal or a report of a transport.
    pub fn charge_signal(&mut self, limits: &BudgetLimits, now_ms: u64) -> Charge {
        self.roll(limits, now_ms);
        let accepted = charge(&mut self.signals, 1, limits.signals);
        self.verdict(accepted, limits, now_ms)
    }

    /// Charges the refusal of a signal. Where that is refused, so are the refusal's details.
    pub fn charge_signal_refusal(&mut self, limits: &BudgetLimits, now_ms: u64) -> Charge {
        self.roll(limits, now_ms);
        let accepted = charge(&mut self.signal_refusals, 1, limits.signal_refusals);
        self.verdict(accepted, limits, now_ms)
    }

    /// Charges a refusal or a `Pong`. `false`: the budget is used up, the connection must be closed.
    pub fn charge_reply(&mut self, limits: &BudgetLimits, now_ms: u64) -> bool {
        if self.reply_window.roll(limits.window_ms, now_ms) {
            self.error_replies = 0;
        }
        charge(&mut self.error_replies, 1, limits.error_replies)
    }
}

impl Moments for Allowance {
    fn change_clock(&mut self, change: ClockChange) {
        let Self {
            window,
            room_creations: _,
            joins: _,
            relay_bytes: _,
            signals: _,
            signal_refusals: _,
            reply_window,
            error_replies: _,
        } = self;
        window.change_clock(change);
        reply_window.change_clock(change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> BudgetLimits {
        BudgetLimits {
            window_ms: 60_000,
            room_creations: 1,
            joins: 3,
            relay_bytes: 100,
            room_relay_bytes: 1_000,
            signals: 2,
            signal_refusals: 1,
            error_replies: 2,
        }
    }

    #[test]
    fn creations_and_joins_are_counted_apart_and_return_together() {
        let limits = limits();
        let mut allowance = Allowance::new(0);
        assert_eq!(allowance.charge_creation(&limits, 0), Charge::Accepted);
        assert_eq!(allowance.charge_join(&limits, 0), Charge::Accepted);
        assert_eq!(
            allowance.charge_creation(&limits, 10_000),
            Charge::Refused { retry_after_secs: 50 }
        );
        assert_eq!(allowance.charge_join(&limits, 10_000), Charge::Accepted);
        assert_eq!(allowance.charge_join(&limits, 10_000), Charge::Accepted);
        assert_eq!(
            allowance.charge_join(&limits, 59_999),
            Charge::Refused { retry_after_secs: 1 }
        );
        assert_eq!(allowance.charge_creation(&limits, 60_000), Charge::Accepted);
        assert_eq!(allowance.charge_join(&limits, 60_000), Charge::Accepted);
    }

    #[test]
    fn bytes_that_were_not_relayed_are_given_back() {
        let limits = limits();
        let mut allowance = Allowance::new(0);
        assert_eq!(allowance.charge_relay(80, 100, &limits, 0), Charge::Accepted);
        assert!(matches!(
            allowance.charge_relay(21, 100, &limits, 0),
            Charge::Refused { .. }
        ));
        allowance.refund_relay(80);
        assert_eq!(allowance.charge_relay(100, 100, &limits, 0), Charge::Accepted);
    }

    #[test]
    fn a_player_who_comes_back_has_spent_what_it_had_spent() {
        let limits = limits();
        let mut earlier = Allowance::new(0);
        assert_eq!(earlier.charge_creation(&limits, 0), Charge::Accepted);
        assert!(earlier.charge_reply(&limits, 0) && earlier.charge_reply(&limits, 0));
        let mut now = Allowance::new(10);
        now.take_over(earlier);
        assert!(matches!(now.charge_creation(&limits, 10), Charge::Refused { .. }));
        assert!(now.charge_reply(&limits, 10), "refusals are counted by socket");
    }

    #[test]
    fn signals_and_their_refusals_are_counted_apart() {
        let limits = limits();
        let mut allowance = Allowance::new(0);
        let later = Charge::Refused { retry_after_secs: 60 };
        assert_eq!(allowance.charge_signal_refusal(&limits, 0), Charge::Accepted);
        assert_eq!(allowance.charge_signal_refusal(&limits, 0), later);
        assert_eq!(allowance.charge_signal(&limits, 0), Charge::Accepted);
        assert_eq!(allowance.charge_signal(&limits, 0), Charge::Accepted);
        assert_eq!(allowance.charge_signal(&limits, 0), later);
        assert_eq!(allowance.charge_signal(&limits, 60_000), Charge::Accepted);
        assert_eq!(allowance.charge_signal_refusal(&limits, 60_000), Charge::Accepted);
    }

    #[test]
    fn refusals_run_out() {
        let limits = limits();
        let mut allowance = Allowance::new(0);
        assert!(allowance.charge_reply(&limits, 0) && allowance.charge_reply(&limits, 0));
        assert!(!allowance.charge_reply(&limits, 0));
        assert!(allowance.charge_reply(&limits, 60_000));
    }
}
