//! One player's side of the protocol: WebSocket framing, the opening exchange, the socket, and recognising game data.

pub(crate) mod connection;
pub(crate) mod delivery_report;
pub(crate) mod desk;
pub(crate) mod envelope;
pub(crate) mod frame;
pub(crate) mod handshake;
pub(crate) mod membership;
pub(crate) mod refusal;
mod ring_port;
pub(crate) mod sockets;
pub(crate) mod stamp;
