//! Counts over all pairs, and when they balance.

use serde::Serialize;

/// Counts over all pairs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Totals {
    /// Messages sent.
    pub(crate) sent: u64,
    /// Deliveries owed: each message once to every other member of the room who is there.
    pub(crate) expected: u64,
    /// Deliveries made, repetitions not counted.
    pub(crate) received: u64,
    /// Deliveries owed and not made.
    pub(crate) lost: u64,
    /// Deliveries on their way to members whose connection then ended by plan; not among those owed.
    pub(crate) excused: u64,
    /// Deliveries made again.
    pub(crate) duplicated: u64,
    /// Deliveries that came after a later one of the same sender.
    pub(crate) reordered: u64,
    /// Deliveries to a player of another room, or back to the sender.
    pub(crate) misrouted: u64,
    /// Deliveries whose content, envelope or sender is not what was sent.
    pub(crate) corrupted: u64,
    /// What version 3 tells besides; shown only where it took part.
    #[serde(skip)]
    pub(crate) told: Told,
}

/// Counts of what only version 3 tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Told {
    /// Deliveries owed that the server told it would not make.
    pub(crate) reported: Reported,
    /// Deliveries owed in whose place a later value of the same key went, as the server told.
    pub(crate) superseded: u64,
    /// Deliveries of messages whose sender lost its connection before the server had accepted them; not among those owed.
    pub(crate) unaccepted: u64,
    /// Stamps, watermarks and final sequences that are not what they must be.
    pub(crate) misstamped: u64,
    /// Reports that are not true, and deliveries of what was reported lost.
    pub(crate) misreported: u64,
    /// Returns with a token that had been used before.
    pub(crate) token_reuse: u64,
    /// Room operations unanswered, answered twice or with something else.
    pub(crate) operations: u64,
}

/// Deliveries that the server told it would not make, by the reason it gave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Reported {
    pub(crate) dropped_full: u64,
    pub(crate) volatile_dropped: u64,
    pub(crate) unsupported_format: u64,
}

impl Totals {
    /// Everything arrived exactly once, in order, intact, and nowhere else, or was told to be missing.
    pub(crate) fn balanced(&self) -> bool {
        self.faults() == 0 && self.settled() == self.expected
    }

    /// Deliveries owed that were made or told not to be made.
    pub(crate) fn settled(&self) -> u64 {
        self.received + self.told.reported.all() + self.told.superseded
    }

    pub(crate) fn faults(&self) -> u64 {
        self.lost + self.duplicated + self.reordered + self.misrouted + self.corrupted + self.told.faults()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.expected += other.expected;
        self.received += other.received;
        self.lost += other.lost;
        self.excused += other.excused;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.misrouted += other.misrouted;
        self.corrupted += other.corrupted;
        self.told.add(&other.told);
    }
}

impl Told {
    pub(crate) fn faults(&self) -> u64 {
        self.misstamped + self.misreported + self.token_reuse + self.operations
    }

    fn add(&mut self, other: &Self) {
        self.reported.dropped_full += other.reported.dropped_full;
        self.reported.volatile_dropped += other.reported.volatile_dropped;
        self.reported.unsupported_format += other.reported.unsupported_format;
        self.superseded += other.superseded;
        self.unaccepted += other.unaccepted;
        self.misstamped += other.misstamped;
        self.misreported += other.misreported;
        self.token_reuse += other.token_reuse;
        self.operations += other.operations;
    }
}

impl Reported {
    pub(crate) fn all(&self) -> u64 {
        self.dropped_full + self.volatile_dropped + self.unsupported_format
    }
}
