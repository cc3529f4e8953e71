//! WebSocket framing as a client needs it: building masked frames, reading the server's unmasked ones.
//!
//! Masks are fixed per connection. RFC 6455 asks for unpredictable ones to protect proxies from hostile scripts, which a
//! load test is not; a fixed key lets frames be built once and patched in place, and unlike a zero key it still notices a
//! server that unmasks wrongly.

/// Types of WebSocket frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    /// Close, Ping, Pong: never fragmented, at most 125 bytes.
    pub(crate) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// A frame of the server, found at the start of the received bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// The frame has not arrived completely.
    Incomplete,
    /// A whole frame of `length` bytes including its header.
    Frame {
        finished: bool,
        opcode: Opcode,
        payload: &'a [u8],
        length: usize,
    },
}

/// Reads the frame at the start of `bytes`. An error names what the server did wrong; the stream cannot be read on.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed<'_>, &'static str> {
    let [first, second, ..] = *bytes else {
        return Ok(Parsed::Incomplete);
    };
    if first & 0x70 != 0 {
        return Err("the server set reserved bits without an extension");
    }
    let opcode = Opcode::from_bits(first & 0x0F).ok_or("the server sent a frame of a reserved type")?;
    let finished = first & 0x80 != 0;
    if second & 0x80 != 0 {
        return Err("the server sent a masked frame");
    }
    let (header, payload) = match second {
        126 => match bytes.get(2..4) {
            Some(&[a, b]) => (4, usize::from(u16::from_be_bytes([a, b]))),
            _ => return Ok(Parsed::Incomplete),
        },
        127 => match bytes.get(2..).and_then(|rest| rest.first_chunk()) {
            Some(length) => (10, u64::from_be_bytes(*length) as usize),
            None => return Ok(Parsed::Incomplete),
        },
        short => (2, usize::from(short)),
    };
    if payload > MAX_FRAME_BYTES {
        return Err("the server announced a frame of more than 16 MiB");
    }
    if opcode.is_control() && (payload > 125 || !finished) {
        return Err("the server sent a long or fragmented control frame");
    }
    let length = header + payload;
    Ok(match bytes.get(header..length) {
        Some(payload) => Parsed::Frame {
            finished,
            opcode,
            payload,
            length,
        },
        None => Parsed::Incomplete,
    })
}

/// Larger frames are refused; servers stop at 8 MiB by default.
pub(crate) const MAX_FRAME_BYTES: usize = 16 << 20;

/// Appends a whole masked message.
pub(crate) fn append_masked(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], mask: [u8; 4]) {
    append_masked_header(out, opcode, payload.len(), mask);
    out.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at & 3]));
}

fn append_masked_header(out: &mut Vec<u8>, opcode: Opcode, length: usize, mask: [u8; 4]) {
    out.push(0x80 | opcode.bits());
    match length {
        0..=125 => out.push(0x80 | length as u8),
        126..=0xFFFF => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
}

/// `mask` as it applies from `offset` bytes into the payload on.
pub(crate) fn turned(mask: [u8; 4], offset: usize) -> [u8; 4] {
    std::array::from_fn(|at| mask[(offset + at) & 3])
}

/// Code and reason of a Close frame's payload.
pub(crate) fn close_reason(payload: &[u8]) -> (Option<u16>, String) {
    match payload {
        [a, b, reason @ ..] => (
            Some(u16::from_be_bytes([*a, *b])),
            String::from_utf8_lossy(reason).into_owned(),
        ),
        _ => (None, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server would read: header checked, payload unmasked.
    fn unmasked(frame: &[u8]) -> (u8, Vec<u8>) {
        let (header, length) = match frame[1] & 0x7F {
            126 => (4, usize::from(u16::from_be_bytes([frame[2], frame[3]]))),
            127 => (
                10,
                u64::from_be_bytes(*frame[2..].first_chunk().expect("eight bytes")) as usize,
            ),
            short => (2, usize::from(short)),
        };
        assert_ne!(frame[1] & 0x80, 0, "client frames are masked");
        let mask = &frame[header..header + 4];
        let payload = &frame[header + 4..];
        assert_eq!(payload.len(), length);
        (
            frame[0],
            payload
                .iter()
                .enumerate()
                .map(|(at, byte)| byte ^ mask[at & 3])
                .collect(),
        )
    }

    #[test]
    fn client_frames_of_every_length_form_unmask_to_their_payload() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let mut frame = Vec::new();
            append_masked(&mut frame, Opcode::Binary, &payload, [1, 2, 3, 4]);
            assert_eq!(unmasked(&frame), (0x82, payload));
        }
    }

    #[test]
    fn server_frames_are_read_at_every_cut() {
        for payload_length in [0usize, 5, 126, 70_000] {
            let mut bytes = vec![0x81];
            match payload_length {
                0..=125 => bytes.push(payload_length as u8),
                126..=65_535 => {
                    bytes.push(126);
                    bytes.extend_from_slice(&(payload_length as u16).to_be_bytes());
                }
                _ => {
                    bytes.push(127);
                    bytes.extend_from_slice(&(payload_length as u64).to_be_bytes());
                }
            }
            let header = bytes.len();
            bytes.resize(header + payload_length, b'x');
            let whole = bytes.len();
            bytes.extend_from_slice(b"next");
            for cut in [0, 1, header.saturating_sub(1), whole - 1] {
                if cut < whole {
                    assert!(
                        matches!(parse(&bytes[..cut]), Ok(Parsed::Incomplete { .. })),
                        "cut at {cut}"
                    );
                }
            }
            let Ok(Parsed::Frame {
                finished: true,
                opcode: Opcode::Text,
                payload,
                length,
            }) = parse(&bytes)
            else {
                panic!("a whole frame was not recognised");
            };
            assert_eq!((payload.len(), length), (payload_length, whole));
        }
    }

    #[test]
    fn what_a_server_must_not_send_is_refused() {
        for (bytes, what) in [
            (&[0xC1, 0][..], "reserved bit"),
            (&[0x83, 0], "reserved type"),
            (&[0x81, 0x80, 0, 0, 0, 0], "masked"),
            (&[0x09, 0], "fragmented ping"),
            (&[0x88, 126, 0, 126], "long close"),
            (&[0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0], "4 GiB"),
        ] {
            assert!(parse(bytes).is_err(), "{what}");
        }
    }

    #[test]
    fn a_turned_mask_continues_the_payload() {
        let mask = [1, 2, 3, 4];
        let mut frame = Vec::new();
        append_masked(&mut frame, Opcode::Text, b"abcdefg", mask);
        let payload = &frame[6..];
        let part: Vec<u8> = payload[3..]
            .iter()
            .zip((0..).map(|at| turned(mask, 3)[at & 3]))
            .map(|(b, m)| b ^ m)
            .collect();
        assert_eq!(part, b"defg");
    }

    #[test]
    fn close_payloads_with_and_without_code() {
        assert_eq!(
            close_reason(b"\x0f\xa2slow_consumer"),
            (Some(4002), "slow_consumer".to_owned())
        );
        assert_eq!(close_reason(b""), (None, String::new()));
    }
}
