//! Where scripts are played.

use signal_fish_relay::protocol::ProtocolVersion;

use crate::harness::{Frame, Opcode};

/// A server and the connections to it.
pub trait Stage {
    /// A new connection, upgraded on the path of a version.
    fn connect(&mut self, name: &str, endpoint: ProtocolVersion);

    /// What a request on a connection of its own is answered with: all of it, or the head of an upgrade.
    fn request(&mut self, request: &str) -> String;

    /// Sends a frame.
    fn send(&mut self, name: &str, opcode: Opcode, payload: &[u8]);

    /// Sends bytes as they are.
    fn send_bytes(&mut self, name: &str, bytes: &[u8]);

    /// Waits until everything that the client has sent was served.
    fn settle(&mut self, name: &str);

    /// What the client gets next; `None` when the connection has ended, or nothing comes any more.
    fn next(&mut self, name: &str) -> Option<Frame>;

    /// What the client has got and nobody expected, when everybody's requests were served.
    fn rest(&mut self, name: &str) -> Vec<Frame>;

    /// Whether the server has ended the connection.
    fn has_ended(&mut self, name: &str) -> bool;

    /// Ends the connection without a closing handshake.
    fn vanish(&mut self, name: &str, loses_what_was_sent: bool);

    /// Whether the client reads.
    fn set_reading(&mut self, name: &str, reads: bool);

    /// Whether the client answers pings and close frames.
    fn set_answering(&mut self, name: &str, answers: bool);

    /// Lets time pass.
    fn wait(&mut self, wait_ms: u64);

    /// The server is told to stop; its grace begins.
    fn drain(&mut self);

    /// The grace is over.
    fn close_all(&mut self);

    /// The grace is over, and the closes are spread over so much time.
    fn close_all_within(&mut self, span_ms: u64);

    /// What a failure's report should add.
    fn report(&mut self) -> String;
}
