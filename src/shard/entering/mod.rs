//! Errands, done at the home of their room: taking a seat, watching, coming back.

pub(super) mod codes;
pub(super) mod come_back;
pub(super) mod join;
pub(super) mod watch;
