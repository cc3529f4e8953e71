//! Outgoing WebSocket frames as bytes.
//!
//! Server frames carry no mask, so one encoding serves every receiver. A [`FrameBuffer`] is a reused scratch in which a
//! frame is written once, in place, with room for its header kept in front of the payload.

use std::fmt;
use std::ops::Range;

use super::CloseCode;

/// The longest header of an unmasked frame: two bytes and a 64-bit length.
const MAX_HEADER_BYTES: usize = 10;

/// What kind of frame the payload travels in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// A JSON message.
    Text = 0x1,
    /// Game data in a binary encoding.
    Binary = 0x2,
    /// The end of the conversation.
    Close = 0x8,
    /// A liveness probe.
    Ping = 0x9,
    /// The answer to a probe.
    Pong = 0xA,
}

/// Where a frame lies in its [`FrameBuffer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameSpan(Range<usize>);

impl FrameSpan {
    /// How many bytes the frame has.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.0.end - self.0.start
    }
}

/// A scratch that frames are encoded into, one behind the other, and read from until it is cleared.
#[derive(Default)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
}

/// Frames may hold tokens and credentials: only their measure is shown.
impl fmt::Debug for FrameBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrameBuffer({} bytes)", self.bytes.len())
    }
}

impl FrameBuffer {
    /// Forgets all frames and keeps the memory, unless one huge frame has blown it up.
    pub fn clear(&mut self) {
        const KEPT_BYTES: usize = 256 * 1024;
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes.shrink_to(KEPT_BYTES);
        }
    }

    /// Encodes one frame whose payload `write` appends.
    pub fn encode(&mut self, opcode: Opcode, write: impl FnOnce(&mut Vec<u8>)) -> FrameSpan {
        let start = self.bytes.len();
        let payload_start = start + MAX_HEADER_BYTES;
        self.bytes.extend_from_slice(&[0; MAX_HEADER_BYTES]);
        write(&mut self.bytes);
        let (header, header_length) = header(opcode, self.bytes.len() - payload_start);
        let frame_start = payload_start - header_length;
        self.bytes[frame_start..payload_start].copy_from_slice(&header[..header_length]);
        FrameSpan(frame_start..self.bytes.len())
    }

    /// The bytes of a frame encoded since the last [`clear`](Self::clear).
    #[must_use]
    pub fn bytes(&self, span: &FrameSpan) -> &[u8] {
        &self.bytes[span.0.clone()]
    }
}

/// The header of an unmasked, unfragmented frame, and how many of its bytes count.
fn header(opcode: Opcode, payload_bytes: usize) -> ([u8; MAX_HEADER_BYTES], usize) {
    const FINAL: u8 = 0x80;
    let mut header = [0; MAX_HEADER_BYTES];
    header[0] = FINAL | opcode as u8;
    let length = match payload_bytes {
        0..=125 => {
            header[1] = payload_bytes as u8;
            2
        }
        126..=0xffff => {
            header[1] = 126;
            header[2..4].copy_from_slice(&(payload_bytes as u16).to_be_bytes());
            4
        }
        _ => {
            header[1] = 127;
            header[2..10].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
            10
        }
    };
    (header, length)
}

/// The payload of a close frame: the code and its reason, or nothing at all when there is no code to give.
pub fn write_close_payload(code: Option<CloseCode>, out: &mut Vec<u8>) {
    if let Some(code) = code {
        out.extend_from_slice(&code.code().to_be_bytes());
        out.extend_from_slice(code.reason().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use tungstenite::protocol::frame::FrameHeader;

    use super::*;

    #[test]
    fn headers_are_the_shortest_and_read_back_at_every_length_class() {
        let mut frames = FrameBuffer::default();
        let lengths = [
            (0, 2),
            (1, 2),
            (125, 2),
            (126, 4),
            (127, 4),
            (65_535, 4),
            (65_536, 10),
            (70_000, 10),
        ];
        for (length, header_bytes) in lengths {
            let span = frames.encode(Opcode::Binary, |out| out.resize(out.len() + length, 0x5a));
            let bytes = frames.bytes(&span);
            let mut cursor = std::io::Cursor::new(bytes);
            let (header, payload) = FrameHeader::parse(&mut cursor)
                .expect("valid header")
                .expect("complete header");
            assert!(header.is_final && header.mask.is_none());
            assert_eq!(payload as usize, length);
            assert_eq!(
                (cursor.position() as usize, bytes.len()),
                (header_bytes, header_bytes + length)
            );
        }
    }

    #[test]
    fn frames_stay_readable_beside_each_other_until_cleared() {
        let mut frames = FrameBuffer::default();
        let first = frames.encode(Opcode::Text, |out| out.extend_from_slice(b"one"));
        let second = frames.encode(Opcode::Pong, |out| out.extend_from_slice(b"two"));
        assert_eq!(frames.bytes(&first), b"\x81\x03one");
        assert_eq!(frames.bytes(&second), b"\x8a\x03two");
    }

    #[test]
    fn a_close_without_a_code_is_empty() {
        let mut frames = FrameBuffer::default();
        let coded = frames.encode(Opcode::Close, |out| {
            write_close_payload(Some(CloseCode::ServerShutdown), out)
        });
        assert_eq!(frames.bytes(&coded), b"\x88\x11\x0f\xa0server_shutdown");
        let bare = frames.encode(Opcode::Close, |out| write_close_payload(None, out));
        assert_eq!(frames.bytes(&bare), b"\x88\x00");
    }
}
