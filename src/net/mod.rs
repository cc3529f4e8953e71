//! Sockets and what is spoken on them: listeners, readiness, TLS, HTTP, WebSocket framing.
//!
//! Owns every descriptor of the relay path. Together with `runtime` it is the only place that knows glommio and the only
//! one with `unsafe`. Promises that nothing here waits but the pump's one wait, and that what a socket holds is bounded in
//! bytes and in time. Must never know a room's rules.

mod channel;
mod clock;
pub mod conversation;
mod guest;
pub mod http;
mod kernel;
mod link;
mod listener;
mod pace;
mod pending_upgrade;
mod poller;
pub mod proxies;
mod pump;
mod socket;
mod system;
mod system_call;
pub mod tls;
pub mod websocket;

pub use channel::Channel;
pub use clock::Clock;
pub use guest::{FrontDesk, Guest, NoDesk};
pub use kernel::{Interest, Kernel, Readiness, Received, Stream, Token, Waited};
pub use link::Link;
pub use listener::Listener;
pub use pace::TurnWindows;
pub use pending_upgrade::UpgradeKey;
pub use poller::Wakeup;
pub use pump::{Mail, Order, Peers, Pump, PumpParts, PumpSettings, Question, Turned};
pub use socket::Socket;
pub use system::System;
