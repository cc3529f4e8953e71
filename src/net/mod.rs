//! Sockets and what is spoken on them: listener, ring, HTTP, WebSocket framing.
//!
//! Owns every descriptor of the relay path. Together with `runtime` it is the only place that knows glommio and the only
//! one with `unsafe`. Must never know a room's rules.

pub mod websocket;
