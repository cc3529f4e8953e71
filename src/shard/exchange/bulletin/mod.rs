//! What a room has to say in a turn, encoded once, for all its outposts together.
//!
//! It is gathered [open](open::OpenBulletin) at home, and [closed](closed::Bulletin) into one piece of memory that every
//! outpost reads where it lies.

pub(in crate::shard) mod closed;
mod index;
pub(in crate::shard) mod open;

#[cfg(test)]
mod tests;
