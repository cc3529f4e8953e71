//! Large galleries, spread over the shards: what arrives from other shards is read, and watchers are told.

pub(super) mod messages;
pub(super) mod serving;
mod slice;
