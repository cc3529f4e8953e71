//! Signal Fish Relay: a sharded, thread-per-core WebSocket relay for game rooms, as a part of your program.
//!
//! ```no_run
//! use signal_fish_relay::Server;
//! use signal_fish_relay::config::Config;
//!
//! let relay = Server::builder().config(Config::default()).start()?;
//! println!("players connect to {}", relay.addresses().players);
//! println!("{}", relay.wait());
//! # Ok::<(), signal_fish_relay::ServeError>(())
//! ```
//!
//! [`Server::builder`] says what a server is started with, [`ServerHandle`] is what a program has of one. There may be several in
//! a process. Every question is answered within a deadline, as an [`Answer`]: await it under any executor, or wait for it. How all
//! this hangs together is in `docs/library.md`, which keys there are in `docs/operating.md`.
//!
//! What is not shown in this documentation is reachable for the project's own tests and tools, and may change with every
//! commit. What is shown is listed in `docs/public-api.txt`, and a test fails when the list is not what the sources have.

// The layers, lower never importing higher: `protocol` → `room`, `session` → `shard` → `net`, `runtime` → `control`.

#![deny(missing_docs)]

pub mod config;

pub use auth::webhook::{NoWebhookKey, Unbelieved, WebhookKey};
pub use control::{AccessAnswer, AccessCheck, CheckFault, CheckFuture, RoomEvents, RoomList, Silent};
pub use dedup::Dedup;
pub use protocol::{PlayerId, RoomCode, RoomId, WallTime};
pub use runtime::supervisor::Outcome;
pub use server::{
    Addresses, Answer, AskError, Ending, ReloadError, Reloaded, ServeError, Server, ServerBuilder, ServerHandle,
};
pub use session::{AccessQuestion, Grant, Verdict, Wish};
pub use shard::{PersonView, Remover, RoomDetail, RoomEvent, RoomLabel, RoomNews, RoomView, SessionEnd, ShardId};

#[doc(hidden)]
pub mod auth;
#[doc(hidden)]
pub mod budget;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod clock;
#[doc(hidden)]
pub mod control;
#[doc(hidden)]
pub mod dedup;
#[doc(hidden)]
pub mod logging;
#[doc(hidden)]
pub mod metrics;
#[doc(hidden)]
pub mod net;
#[doc(hidden)]
pub mod networks;
#[doc(hidden)]
pub mod protocol;
#[doc(hidden)]
pub mod rare_line;
#[doc(hidden)]
pub mod retry;
#[doc(hidden)]
pub mod room;
#[doc(hidden)]
pub mod runtime;
#[doc(hidden)]
pub mod server;
#[doc(hidden)]
pub mod session;
#[doc(hidden)]
pub mod shard;
