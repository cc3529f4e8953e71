//! A relay of several shards in memory: virtual clock, seeded schedule, clients without sockets.
//!
//! [`Simulation`] is the machine: shards under the server's own loop, pipes with bounded buffers in place of sockets, and a
//! schedule that decides from a seed which shard runs next, what a wait tells, how inbound bytes are cut, how much a pipe takes,
//! and when an inbox is filled. [`Game`] and [`Client`] are the words in which scenarios are told. The bytes take the road that
//! they take in the server, turn by turn: only the kernel under the loop is replaced. Every run checks,
//! turn by turn, that nobody is read twice, that nothing that arrived is forgotten, and that memory and what waits stay bounded.
//!
//! The same seed gives the same run, byte for byte. A failure prints the seed and what was last said.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test file uses its own part of the vocabulary"
)]

mod allocator;
mod backend;
mod expectations;
mod frames;
mod game;
mod kernel;
#[path = "../fixtures/masked_frame.rs"]
mod masked_frame;
mod pattern;
mod peer;
mod pipe;
mod schedule;
mod setup;
mod simulation;
mod tls;

pub use allocator::live_bytes;
pub use backend::Backend;
pub use expectations::Seat;
pub use frames::{Frame, Opcode, client_frame, close_payload, take_server_frame};
pub use game::{Client, Game, in_every_schedule};
pub use masked_frame::{MASK, masked_frame};
pub use pattern::mismatch;
pub use schedule::Schedule;
pub use setup::{Setup, settings};
pub use simulation::{ClientId, Simulation};
pub use tls::TlsEnd;
