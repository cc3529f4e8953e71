//! TLS between a connection and its socket. Bytes in, bytes out; no sockets here, so epoll and io_uring both serve it.

mod session;
mod settings;
mod tickets;
mod words;

pub(crate) use session::{Agreed, Session};
pub(crate) use settings::TlsClient;
