//! One player's side of the protocol: the socket with what a proxy and TLS put around it, WebSocket framing, the opening
//! exchange, and recognising game data.

pub(crate) mod connection;
pub(crate) mod delivery_report;
pub(crate) mod desk;
pub(crate) mod envelope;
pub(crate) mod frame;
pub(crate) mod handshake;
pub(crate) mod line;
pub(crate) mod membership;
pub(crate) mod milestones;
mod outbox;
pub(crate) mod proxy_header;
pub(crate) mod refusal;
mod ring_port;
pub(crate) mod sockets;
pub(crate) mod stamp;
pub(crate) mod tls;
