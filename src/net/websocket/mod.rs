//! WebSocket framing of what arrives, without a socket and without a buffer of its own.
//!
//! Frames are walked, unmasked and served in the buffer that they were received into. A connection keeps only the bytes of
//! a frame that is not yet complete and the pieces of a message that is not yet complete, both bounded; a connection that
//! is between messages keeps nothing.

mod header;
mod inbound;

pub use header::{FrameHeader, FrameKind, Violation};
pub use inbound::{Event, Inbound, InboundLimits};
