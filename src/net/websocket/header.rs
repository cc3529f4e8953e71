//! The header of a client's frame: RFC 6455, section 5.2.

use thiserror::Error;

use crate::protocol::CloseCode;

/// How a client broke the rules. The connection must be closed; nothing that follows can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Violation {
    /// A frame that no client may send.
    #[error("a frame breaks the rules of RFC 6455")]
    Protocol,
    /// Text that is not UTF-8.
    #[error("a text message is not UTF-8")]
    InvalidUtf8,
    /// A message in more bytes or more pieces than are ever taken.
    #[error("a message is beyond every limit")]
    TooLarge,
}

impl Violation {
    /// The violation as the close frame names it.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Protocol => CloseCode::ProtocolViolation,
            Self::InvalidUtf8 => CloseCode::InvalidUtf8,
            Self::TooLarge => CloseCode::InboundTooLarge,
        }
    }
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A further piece of a message.
    Continuation,
    /// The first piece, or the whole, of a text message.
    Text,
    /// The first piece, or the whole, of a binary message.
    Binary,
    /// The end of the conversation.
    Close,
    /// A probe to be answered.
    Ping,
    /// The answer to a probe.
    Pong,
}

impl FrameKind {
    /// Whether the frame stands between messages rather than being part of one.
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// A client frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// What the frame is.
    pub kind: FrameKind,
    /// Whether it is the last piece of its message.
    pub is_final: bool,
    /// What the payload is masked with.
    pub mask: [u8; 4],
    /// Bytes of the header itself.
    pub header_bytes: usize,
    /// Bytes of the payload that follows.
    pub payload_bytes: u64,
}

impl FrameHeader {
    /// The longest header: two bytes, a 64-bit length, a mask.
    pub const MAX_BYTES: usize = 14;

    /// The most bytes that the payload of a control frame has.
    const MAX_CONTROL_PAYLOAD_BYTES: u64 = 125;

    /// Reads a header. `None`: more bytes are needed.
    ///
    /// # Errors
    ///
    /// When no client may send such a header.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        const FINAL: u8 = 0x80;
        const RESERVED: u8 = 0x70;
        const MASKED: u8 = 0x80;
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        // No extension is ever negotiated, so the reserved bits mean nothing; clients must mask.
        if first & RESERVED != 0 || second & MASKED == 0 {
            return Err(Violation::Protocol);
        }
        let kind = match first & 0x0f {
            0x0 => FrameKind::Continuation,
            0x1 => FrameKind::Text,
            0x2 => FrameKind::Binary,
            0x8 => FrameKind::Close,
            0x9 => FrameKind::Ping,
            0xA => FrameKind::Pong,
            _ => return Err(Violation::Protocol),
        };
        let is_final = first & FINAL != 0;
        let (payload_bytes, least_bytes, rest) = match second & !MASKED {
            126 => match rest {
                [a, b, rest @ ..] => (u64::from(u16::from_be_bytes([*a, *b])), 126, rest),
                _ => return Ok(None),
            },
            127 => match rest {
                [a, b, c, d, e, f, g, h, rest @ ..] => {
                    (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 0x1_0000, rest)
                }
                _ => return Ok(None),
            },
            short => (u64::from(short), 0, rest),
        };
        // A length has one form, the shortest.
        if payload_bytes < least_bytes
            || payload_bytes >> 63 != 0
            || (kind.is_control() && (!is_final || payload_bytes > Self::MAX_CONTROL_PAYLOAD_BYTES))
        {
            return Err(Violation::Protocol);
        }
        let [a, b, c, d, after @ ..] = rest else {
            return Ok(None);
        };
        let header_bytes = bytes.len() - after.len();
        Ok(Some(Self {
            kind,
            is_final,
            mask: [*a, *b, *c, *d],
            header_bytes,
            payload_bytes,
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

    use super::*;

    #[test]
    fn what_no_client_may_send_is_refused() {
        let refused: [&[u8]; 6] = [
            &[0x81, 0x01],                            // no mask
            &[0xC1, 0x81],                            // a reserved bit
            &[0x83, 0x80],                            // a reserved opcode
            &[0x09, 0x80],                            // a ping in pieces
            &[0x89, 0xFE, 0, 126],                    // a ping of 126 bytes
            &[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], // a length with its highest bit set
        ];
        for bytes in refused {
            assert_eq!(FrameHeader::parse(bytes), Err(Violation::Protocol), "{bytes:x?}");
        }
    }

    #[test]
    fn a_length_has_one_form_the_shortest() {
        let form = |number: usize, bytes: u64| match number {
            0 => Some(vec![
                0x82,
                0x80 | u8::try_from(bytes).ok().filter(|bytes| *bytes < 126)?,
            ]),
            1 => Some([&[0x82, 0xFE][..], &u16::try_from(bytes).ok()?.to_be_bytes()].concat()),
            _ => Some([&[0x82, 0xFF][..], &bytes.to_be_bytes()].concat()),
        };
        for (payload_bytes, shortest) in [(0, 0), (125, 0), (126, 1), (65_535, 1), (65_536, 2), (1 << 62, 2)] {
            for number in 0..3 {
                let Some(mut bytes) = form(number, payload_bytes) else {
                    assert!(number < shortest);
                    continue;
                };
                let judged = FrameHeader::parse(&bytes);
                if number != shortest {
                    assert_eq!(judged, Err(Violation::Protocol), "{payload_bytes} in form {number}");
                    continue;
                }
                assert_eq!(judged, Ok(None), "{payload_bytes} without a mask");
                bytes.extend([0; 4]);
                let header = FrameHeader::parse(&bytes).expect("the shortest form").expect("whole");
                assert_eq!(header.payload_bytes, payload_bytes);
            }
        }
    }

    proptest! {
        /// Against the library that everybody uses: the same headers, the same need for more.
        #[test]
        fn agrees_with_tungstenite(
            is_final: bool, opcode in 0u8..16, mask: [u8; 4], length in prop_oneof![0u64..300, 65_000u64..70_000], cut in 0usize..15,
        ) {
            use tungstenite::protocol::frame::FrameHeader as Theirs;
            let opcode = OpCode::from(opcode);
            let theirs = Theirs { is_final, opcode, mask: Some(mask), rsv1: false, rsv2: false, rsv3: false };
            let mut bytes = Vec::new();
            theirs.format(length, &mut bytes).expect("writing to memory");
            let kind = match opcode {
                OpCode::Data(Data::Continue) => Some(FrameKind::Continuation),
                OpCode::Data(Data::Text) => Some(FrameKind::Text),
                OpCode::Data(Data::Binary) => Some(FrameKind::Binary),
                OpCode::Control(Control::Close) => Some(FrameKind::Close),
                OpCode::Control(Control::Ping) => Some(FrameKind::Ping),
                OpCode::Control(Control::Pong) => Some(FrameKind::Pong),
                _ => None,
            };
            let legal = kind.filter(|kind| !kind.is_control() || (is_final && length <= 125));
            let expected = match legal {
                None => Err(Violation::Protocol),
                Some(kind) => Ok(Some(FrameHeader { kind, is_final, mask, header_bytes: bytes.len(), payload_bytes: length })),
            };
            prop_assert_eq!(FrameHeader::parse(&bytes), expected);
            if legal.is_some() && cut < bytes.len() {
                prop_assert_eq!(FrameHeader::parse(&bytes[..cut]), Ok(None));
            }
        }
    }
}
