//! What proves that somebody is who they say, and keeps what must stay secret: credentials, signatures, sealing.
//!
//! Sans-I/O: time and randomness are arguments. Owns the formats and the order of the checks; the algorithms are those of
//! crates whose keepers do nothing else. Promises that proofs are compared in constant time and that secrets are never
//! printed. Must never know connections, rooms or sockets.

pub mod connect_token;
pub mod sealing;
pub mod token_binding;
pub mod turn;
pub mod webhook;
