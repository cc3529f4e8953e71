//! The frame that a player sends again and again, patched in place.

use std::ops::Range;

use crate::client::frame::{self, Opcode};
use crate::delivery::Delivery;
use crate::encoding::Encoding;
use crate::payload::{self, Stamp};

/// A finished, masked frame whose stamp can be renewed.
pub(crate) struct Outgoing {
    bytes: Vec<u8>,
    body: Range<usize>,
    body_mask: [u8; 4],
    sender: u32,
}

impl Outgoing {
    /// The frame of `sender` with `size_bytes` of game data.
    pub(crate) fn build(encoding: Encoding, size_bytes: usize, sender: u32, delivery: Delivery, mask: [u8; 4]) -> Self {
        let blank = payload::blank(encoding, size_bytes, sender, delivery);
        let opcode = match encoding {
            Encoding::Json => Opcode::Text,
            Encoding::MessagePack => Opcode::Binary,
        };
        let mut bytes = Vec::with_capacity(blank.bytes.len() + 14);
        frame::append_masked(&mut bytes, opcode, &blank.bytes, mask);
        let body_at = bytes.len() - blank.bytes.len() + blank.body_at;
        Self {
            bytes,
            body: body_at..body_at + blank.body_chars,
            body_mask: frame::turned(mask, blank.body_at),
            sender,
        }
    }

    /// The frame with this sequence and time.
    pub(crate) fn stamped(&mut self, sequence: u32, scheduled_ns: u64) -> &[u8] {
        let stamp = Stamp {
            sender: self.sender,
            sequence,
            scheduled_ns,
        };
        payload::stamp(&mut self.bytes[self.body.clone()], self.body_mask, stamp);
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patched_frame_equals_a_fresh_one() {
        let mask = [0xA1, 0xB2, 0xC3, 0xD4];
        for encoding in [Encoding::Json, Encoding::MessagePack] {
            let mut reused = Outgoing::build(encoding, 300, 42, Delivery::Reliable, mask);
            reused.stamped(1, 1_000);
            reused.stamped(99, 123_456_789);
            let mut fresh = Outgoing::build(encoding, 300, 42, Delivery::Reliable, mask);
            assert_eq!(reused.stamped(7, 8_000_000), fresh.stamped(7, 8_000_000));

            // Unmasked by hand (a 4-byte header and a 4-byte key), the message holds the stamp.
            let plain: Vec<u8> = fresh.bytes[8..]
                .iter()
                .enumerate()
                .map(|(at, byte)| byte ^ mask[at & 3])
                .collect();
            let body = &plain[fresh.body.start - 8..fresh.body.end - 8];
            let stamp = payload::open(body, body.len()).expect("an intact body");
            assert_eq!((stamp.sender, stamp.sequence, stamp.scheduled_ns), (42, 7, 8_000_000));
        }
    }
}
