//! The rooms and sessions of one core.

mod id;

pub use id::ShardId;
