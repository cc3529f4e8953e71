//! The one mistake that a relay makes.
//!
//! The places where a mistake can be made ask for it; it is made at the first of them that comes when the traffic is well
//! under way, and never again.

use std::sync::{Arc, Mutex, PoisonError};

/// All but `None` happen once.
#[allow(dead_code, reason = "each test program asks for some of them")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    // On either version; on version 3 without a word about it.
    Drop,
    Duplicate,
    Swap,
    Misroute,
    Corrupt,
    WrongSender,
    Close,
    // What a delivery says on version 3.
    EpochBack,
    SeqSkips,
    WrongClass,
    WrongKey,
    StampOnVersion2,
    // What reports say.
    UnreportedDrop,
    ReportOfDelivered,
    ReportTwice,
    ReportTooLate,
    WrongReason,
    CountersStandStill,
    CountersFall,
    SupersededYetDelivered,
    SupersededByNothing,
    // Coming back.
    TokenTwice,
    WatermarkTooLow,
    WatermarkTooHigh,
    WatermarkUnlikeSnapshot,
    UnknownReplay,
    EpochStays,
    FinalSeqTooHigh,
    FinalSeqTooLow,
    FinalSeqUnlike,
    // Room operations.
    AnsweredTwice,
    Unanswered,
    ForeignAnswer,
    UnfittingAnswer,
}

const BEFORE: u64 = 49;

/// Who makes the mistake; shared by all parts of a relay.
#[derive(Clone)]
pub(crate) struct Culprit(Arc<Mutex<State>>);

struct State {
    intent: Fault,
    deliveries: u64,
}

impl Culprit {
    pub(super) fn new(intent: Fault) -> Self {
        Self(Arc::new(Mutex::new(State { intent, deliveries: 0 })))
    }

    /// Counts a delivery.
    pub(super) fn sees_delivery(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).deliveries += 1;
    }

    /// Whether there was an occasion for the mistake.
    #[allow(dead_code, reason = "for tests of mistakes whose occasion depends on the time")]
    pub(crate) fn was_at_it(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).intent == Fault::None
    }

    /// Whether this mistake is to be made here and now.
    pub(super) fn makes(&self, fault: Fault) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = state.intent == fault && state.deliveries > BEFORE;
        if now {
            state.intent = Fault::None;
        }
        now
    }
}
