//! TLS: handshakes by rustls, and records by our own hand, so that a connection can be archived like any other.
//!
//! Owns what is between a socket's bytes and those that HTTP and WebSocket are made of. After the handshake the library hands
//! out its keys, and all that is left is [`Records`]: two keys, two numbers, at most one record each way. Sans-I/O: bytes in,
//! bytes out. Must never show a key, or what was said under it.

mod acceptor;
mod fault;
mod half;
mod handshake;
mod records;
mod terms;
#[cfg(test)]
mod tests;

pub use acceptor::{Acceptor, Greeter};
pub use fault::Fault;
pub(in crate::net) use fault::NO_TLS_HERE;
pub use handshake::{Handshake, Progress, Refusal, Secured};
pub use records::{FrozenRecords, Records};
pub use terms::{Certificate, ClientRule, Terms, TermsError, tickets};
