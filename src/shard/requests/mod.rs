//! What clients ask for, one file for each subject.

pub(super) mod binding;
pub(super) mod game_data;
pub(super) mod handshake;
pub(super) mod lobby;
pub(super) mod moderation;
pub(super) mod operation;
pub(super) mod signalling;
