//! Frames of clients: found at the start of received bytes and unmasked in place.

/// A frame at the start of the bytes.
pub(super) enum Frame {
    /// Not all of it is there.
    Incomplete,
    /// The payload is at `payload`, still masked with `mask`.
    Whole {
        opcode: u8,
        payload: std::ops::Range<usize>,
        mask: [u8; 4],
    },
    /// Fragmented or not masked: nothing that the clients of a measurement send.
    Unsupported,
}

/// Looks at the frame at the start of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Frame {
    let &[first, second, ..] = bytes else {
        return Frame::Incomplete;
    };
    if first & 0xF0 != 0x80 || second & 0x80 == 0 {
        return Frame::Unsupported;
    }
    let (header, length) = match second & 0x7F {
        126 => match bytes.get(2..4) {
            Some(&[a, b]) => (4, usize::from(u16::from_be_bytes([a, b]))),
            _ => return Frame::Incomplete,
        },
        127 => match bytes.get(2..).and_then(|rest| rest.first_chunk()) {
            Some(length) => match u64::from_be_bytes(*length) {
                length @ 0..=0xFF_FFFF => (10, length as usize),
                _ => return Frame::Unsupported,
            },
            None => return Frame::Incomplete,
        },
        short => (2, usize::from(short)),
    };
    let start = header + 4;
    match bytes.get(header..start) {
        Some(&[a, b, c, d]) if bytes.len() >= start + length => Frame::Whole {
            opcode: first & 0x0F,
            payload: start..start + length,
            mask: [a, b, c, d],
        },
        _ => Frame::Incomplete,
    }
}

/// Takes the mask off, eight bytes at a time.
pub(super) fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::frame::{self, Opcode};

    #[test]
    fn what_a_client_masks_is_unmasked_whatever_its_length() {
        let mask = [0x1D, 0xE7, 0x40, 0x9A];
        for length in [0, 1, 7, 8, 125, 126, 4_000, 70_000] {
            let plain: Vec<u8> = (0..length).map(|at: usize| at as u8).collect();
            let mut bytes = Vec::new();
            frame::append_masked(&mut bytes, Opcode::Binary, &plain, mask);
            assert!(
                matches!(parse(&bytes[..bytes.len() - 1]), Frame::Incomplete),
                "{length} cut"
            );
            bytes.push(0x81);
            let Frame::Whole { opcode, payload, mask } = parse(&bytes) else {
                panic!("{length} bytes are a whole frame");
            };
            assert_eq!((opcode, payload.end), (2, bytes.len() - 1));
            unmask(&mut bytes[payload.clone()], mask);
            assert_eq!(bytes[payload], plain);
        }
    }

    #[test]
    fn fragments_and_bare_frames_are_not_served() {
        assert!(matches!(parse(&[0x01, 0x80, 0, 0, 0, 0]), Frame::Unsupported));
        assert!(matches!(parse(&[0x81, 0x00]), Frame::Unsupported));
    }
}
