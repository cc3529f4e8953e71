//! Signal Fish Relay: a sharded, thread-per-core WebSocket relay for game rooms.
//!
//! The layers, lower never importing higher: [`protocol`] → `room`, `session` → `shard` → `net`, `runtime`.

pub mod protocol;
pub mod shard;
