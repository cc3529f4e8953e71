//! What shards tell each other, and what home and outposts keep for it.
//!
//! Data and its order only; who reads it and what becomes of it is decided in `outposts`.

pub(super) mod bulletin;
pub(super) mod message;
pub(super) mod outpost;
pub(super) mod outposts;
pub(super) mod registry;
pub(super) mod send_queues;
