//! What the relay promises when the machine is busy with it: crowds, floods and bulk, on sockets.
//!
//! A binary of its own, since cargo runs one after the other: who is busy here must not take the time of others that have
//! deadlines.

mod bulk_is_paced;
mod bursts_close_nobody;
mod silence_keeps_nobody_out;
#[path = "../support/mod.rs"]
mod support;
