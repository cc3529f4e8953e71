//! What clients ask for, one file for each subject.

pub(super) mod access_check;
pub(super) mod binding;
pub(super) mod checks;
pub(super) mod game_data;
pub(super) mod handshake;
pub(super) mod join;
pub(super) mod leave;
pub(super) mod lobby;
pub(super) mod moderation;
pub(super) mod operation;
pub(super) mod reconnect;
pub(super) mod room_code;
pub(super) mod signalling;
pub(super) mod watch;
