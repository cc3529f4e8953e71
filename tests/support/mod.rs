//! What the end-to-end tests share: a real server on a port of its own, and players that talk to it over sockets.
//!
//! Every wait has a deadline and nothing sleeps in order to synchronise: a test proceeds when a byte arrives.
#![allow(dead_code, unreachable_pub, reason = "every test binary uses its own part of this")]

pub mod admin;
pub mod arrivals;
pub mod backend;
pub mod crowd;
pub mod descriptors;
pub mod hopping;
#[path = "../fixtures/masked_frame.rs"]
#[allow(clippy::duplicate_mod, reason = "the conformance suite has the harness as well")]
mod masked_frame;
pub mod player;
pub mod process;
pub mod prometheus;
pub mod published;
pub mod receiver;
pub mod server;
pub mod tls;
pub mod wire;

use std::time::Duration;

/// The longest that anything in a test may take; only a failing test waits that long.
pub const DEADLINE: Duration = Duration::from_secs(60);
