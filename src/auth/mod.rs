//! What proves that somebody is who they say, and keeps what must stay secret: credentials, signatures, sealing.
//!
//! Sans-I/O: time and randomness are arguments. Owns the formats and the order of the checks; the algorithms are those of
//! crates that are kept by people who do nothing else. Promises that secrets are compared in constant time and are never
//! printed. Must never know connections, rooms or sockets.

pub mod turn;
