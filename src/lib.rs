//! Signal Fish Relay: a sharded, thread-per-core WebSocket relay for game rooms.
//!
//! The layers, lower never importing higher: [`protocol`] → [`room`], [`session`] → [`shard`] → [`net`], [`runtime`] → [`control`].

pub mod auth;
pub mod budget;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod logging;
pub mod metrics;
pub mod net;
pub mod networks;
pub mod protocol;
pub mod rare_line;
pub mod room;
pub mod runtime;
pub mod server;
pub mod session;
pub mod shard;
