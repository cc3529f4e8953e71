//! What a driver calls: messages, time, sends, hops.

pub(super) mod admit;
pub(super) mod backend;
pub(super) mod deadlines;
pub(super) mod drain;
pub(super) mod ends;
pub(super) mod flush;
pub(super) mod hop;
pub(super) mod messages;
pub(super) mod operator;
pub(super) mod reading;
pub(super) mod sweep;
pub(super) mod tick;
pub(super) mod turn;
pub(super) mod waiting;
