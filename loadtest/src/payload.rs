//! What a test message carries, and how a receiver knows that it arrived unchanged.
//!
//! The game data is an object with one member, `p`, whose value is a string of the 64 characters `A–Z a–z 0–9 - _`, so that
//! it survives any faithful re-encoding (key order, escapes, numbers) between JSON and MessagePack:
//!
//! | characters | content (6 bits each, most significant first) |
//! | --- | --- |
//! | 4 | sender: number of the player over the whole test |
//! | 5 | sequence of this sender, from 0 |
//! | 9 | scheduled send time, ns on the test's clock |
//! | … | filler: a stretch of one fixed random text that depends on the sender |
//! | 5 | checksum over sender, sequence and time |
//!
//! The checksum is at the end and the filler is compared in full: a message that mixes two others, is cut, shifted or
//! changed anywhere is found out.

use std::sync::LazyLock;

use crate::delivery::Delivery;
use crate::encoding::Encoding;
use crate::random::Random;

/// Largest game data that a test can ask for.
pub(crate) const MAX_SIZE_BYTES: usize = 1 << 20;
/// Most players that the sender field can tell apart.
pub(crate) const MAX_PLAYERS: u32 = 1 << 24;

const SENDER_CHARS: usize = 4;
const SEQUENCE_CHARS: usize = 5;
const TIME_CHARS: usize = 9;
const CHECK_CHARS: usize = 5;
const HEAD_CHARS: usize = SENDER_CHARS + SEQUENCE_CHARS + TIME_CHARS;
const MIN_BODY: usize = HEAD_CHARS + CHECK_CHARS;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const INVALID: u8 = 0xFF;
const VALUES: [u8; 256] = {
    let mut table = [INVALID; 256];
    let mut value = 0;
    while value < 64 {
        table[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    table
};

/// Senders start at one of this many places of the filler text.
const FILLER_SHIFTS: usize = 61;
static FILLER: LazyLock<Box<[u8]>> = LazyLock::new(|| {
    let mut random = Random::seeded(0x5EED);
    (0..MAX_SIZE_BYTES + FILLER_SHIFTS)
        .map(|_| ALPHABET[random.below(64) as usize])
        .collect()
});

/// What the receiver learns from a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) sender: u32,
    pub(crate) sequence: u32,
    pub(crate) scheduled_ns: u64,
}

/// Smallest game data of an encoding, in bytes.
pub(crate) fn min_size_bytes(encoding: Encoding) -> usize {
    let (before, after) = wrapping(encoding, MIN_BODY);
    before.len() + MIN_BODY + after.len()
}

/// The game data of one sender, ready to be stamped; what surrounds the body never changes.
pub(crate) struct Blank {
    pub(crate) bytes: Vec<u8>,
    pub(crate) body_at: usize,
    pub(crate) body_chars: usize,
}

/// Game data of exactly `size_bytes`; JSON values wear the client's `GameData` message around them, which does not count.
pub(crate) fn blank(encoding: Encoding, size_bytes: usize, sender: u32, delivery: Delivery) -> Blank {
    let body_chars = body_chars(encoding, size_bytes);
    let (before, after) = wrapping(encoding, body_chars);
    let (message_head, message_end): (&[u8], String) = match encoding {
        Encoding::Json => (br#"{"type":"GameData","data":{"data":"#, delivery.words() + "}}"),
        Encoding::MessagePack => (b"", String::new()),
    };
    let mut bytes = [message_head, &before].concat();
    let body_at = bytes.len();
    bytes.extend_from_slice(&[b'A'; HEAD_CHARS]);
    bytes.extend_from_slice(filler(sender, body_chars - MIN_BODY));
    bytes.extend_from_slice(&[b'A'; CHECK_CHARS]);
    write_value(&mut bytes[body_at..body_at + SENDER_CHARS], u64::from(sender));
    bytes.extend_from_slice(after);
    bytes.extend_from_slice(message_end.as_bytes());
    Blank {
        bytes,
        body_at,
        body_chars,
    }
}

/// Length of the string `p` in game data of `size_bytes`.
pub(crate) fn body_chars(encoding: Encoding, size_bytes: usize) -> usize {
    // A MessagePack string header grows with its content, so the body that fills the size exactly is searched from above.
    (MIN_BODY..=size_bytes)
        .rev()
        .take(16)
        .find(|&chars| {
            let (before, after) = wrapping(encoding, chars);
            before.len() + chars + after.len() <= size_bytes
        })
        .expect("the size was checked against min_size_bytes")
}

fn wrapping(encoding: Encoding, body_chars: usize) -> (Vec<u8>, &'static [u8]) {
    match encoding {
        Encoding::Json => (br#"{"p":""#.to_vec(), br#""}"#),
        Encoding::MessagePack => {
            let mut before = vec![0x81, 0xA1, b'p'];
            match body_chars {
                0..=31 => before.push(0xA0 | body_chars as u8),
                32..=0xFF => before.extend_from_slice(&[0xD9, body_chars as u8]),
                0x100..=0xFFFF => {
                    before.push(0xDA);
                    before.extend_from_slice(&(body_chars as u16).to_be_bytes());
                }
                _ => {
                    before.push(0xDB);
                    before.extend_from_slice(&(body_chars as u32).to_be_bytes());
                }
            }
            (before, b"")
        }
    }
}

/// The string `p` inside a MessagePack payload, when that is the whole payload.
pub(crate) fn message_pack_body(payload: &[u8]) -> Option<&[u8]> {
    let rest = payload.strip_prefix(&[0x81, 0xA1, b'p'])?;
    let (&marker, rest) = rest.split_first()?;
    let (length, body) = match marker {
        0xA0..=0xBF => (usize::from(marker & 0x1F), rest),
        0xD9 => (usize::from(*rest.first()?), rest.get(1..)?),
        0xDA => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), rest.get(2..)?),
        0xDB => (u32::from_be_bytes(*rest.first_chunk()?) as usize, rest.get(4..)?),
        _ => return None,
    };
    (body.len() == length).then_some(body)
}

/// Writes sequence, time and checksum into a masked body; `mask` is the key, turned to the body's first byte.
pub(crate) fn stamp(body: &mut [u8], mask: [u8; 4], stamp: Stamp) {
    let mut head = [0; HEAD_CHARS];
    write_value(&mut head[..SENDER_CHARS], u64::from(stamp.sender));
    write_value(
        &mut head[SENDER_CHARS..SENDER_CHARS + SEQUENCE_CHARS],
        u64::from(stamp.sequence),
    );
    write_value(&mut head[SENDER_CHARS + SEQUENCE_CHARS..], stamp.scheduled_ns);
    for (at, (target, plain)) in body.iter_mut().zip(head).enumerate() {
        *target = plain ^ mask[at & 3];
    }
    let mut check = [0; CHECK_CHARS];
    write_value(&mut check, checksum(stamp));
    let check_at = body.len() - CHECK_CHARS;
    for (at, plain) in check.into_iter().enumerate() {
        body[check_at + at] = plain ^ mask[(check_at + at) & 3];
    }
}

/// Reads a body of the expected length; `None` when anything in it is not as it was sent.
pub(crate) fn open(body: &[u8], expected_chars: usize) -> Option<Stamp> {
    if body.len() != expected_chars || body.len() < MIN_BODY {
        return None;
    }
    let (head, rest) = body.split_at(HEAD_CHARS);
    let (filling, check) = rest.split_at(rest.len() - CHECK_CHARS);
    let stamp = Stamp {
        sender: read_value(&head[..SENDER_CHARS])? as u32,
        sequence: read_value(&head[SENDER_CHARS..SENDER_CHARS + SEQUENCE_CHARS])? as u32,
        scheduled_ns: read_value(&head[SENDER_CHARS + SEQUENCE_CHARS..])?,
    };
    let intact = read_value(check)? == checksum(stamp) && filling == filler(stamp.sender, filling.len());
    intact.then_some(stamp)
}

fn filler(sender: u32, chars: usize) -> &'static [u8] {
    let at = sender as usize % FILLER_SHIFTS;
    &FILLER[at..at + chars]
}

fn checksum(stamp: Stamp) -> u64 {
    let mut mixed = (u64::from(stamp.sender) << 32 | u64::from(stamp.sequence)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 29) ^ stamp.scheduled_ns).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed >> (64 - 6 * CHECK_CHARS)
}

fn write_value(chars: &mut [u8], value: u64) {
    let mut rest = value;
    for char in chars.iter_mut().rev() {
        *char = ALPHABET[(rest & 63) as usize];
        rest >>= 6;
    }
}

fn read_value(chars: &[u8]) -> Option<u64> {
    let mut value = 0;
    let mut seen = 0;
    for &char in chars {
        let bits = VALUES[usize::from(char)];
        seen |= bits;
        value = value << 6 | u64::from(bits & 63);
    }
    (seen & 0xC0 == 0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(size_bytes: usize, given: Stamp) -> Vec<u8> {
        let mut blank = blank(Encoding::Json, size_bytes, given.sender, Delivery::Reliable);
        let body = &mut blank.bytes[blank.body_at..blank.body_at + blank.body_chars];
        stamp(body, [0; 4], given);
        body.to_vec()
    }

    #[test]
    fn sizes_are_exact_in_both_encodings() {
        for size_bytes in [min_size_bytes(Encoding::Json), 64, 100, 300, 61_440, 70_000] {
            let json = blank(Encoding::Json, size_bytes, 3, Delivery::Reliable);
            assert_eq!(
                json.bytes.len(),
                size_bytes + br#"{"type":"GameData","data":{"data":}}"#.len()
            );
        }
        for size_bytes in [min_size_bytes(Encoding::MessagePack), 64, 100, 300, 61_440, 70_000] {
            let packed = blank(Encoding::MessagePack, size_bytes, 3, Delivery::Reliable);
            assert_eq!(packed.bytes.len(), size_bytes);
            assert_eq!(
                message_pack_body(&packed.bytes).map(<[u8]>::len),
                Some(packed.body_chars)
            );
        }
    }

    #[test]
    fn what_is_stamped_is_read() {
        let given = Stamp {
            sender: 0xABCDEF,
            sequence: 1_000_000_007,
            scheduled_ns: 1 << 50,
        };
        let body = stamped(64, given);
        assert_eq!(open(&body, body.len()), Some(given));
    }

    #[test]
    fn stamping_a_masked_body_equals_masking_a_stamped_one() {
        let given = Stamp {
            sender: 9,
            sequence: 77,
            scheduled_ns: 123_456_789,
        };
        let mask = [0x11, 0x22, 0x44, 0x88];
        let plain = stamped(80, given);
        let mut masked: Vec<u8> = stamped(
            80,
            Stamp {
                sender: 9,
                sequence: 0,
                scheduled_ns: 0,
            },
        );
        masked
            .iter_mut()
            .enumerate()
            .for_each(|(at, byte)| *byte ^= mask[at & 3]);
        stamp(&mut masked, mask, given);
        masked
            .iter_mut()
            .enumerate()
            .for_each(|(at, byte)| *byte ^= mask[at & 3]);
        assert_eq!(masked, plain);
    }

    #[test]
    fn a_change_of_any_byte_is_found() {
        let body = stamped(
            96,
            Stamp {
                sender: 5,
                sequence: 6,
                scheduled_ns: 7,
            },
        );
        for at in 0..body.len() {
            for changed in [body[at] ^ 1, b'"', b'A', b'_'] {
                let mut copy = body.clone();
                copy[at] = changed;
                assert_eq!(
                    open(&copy, copy.len()).is_some(),
                    changed == body[at],
                    "byte {at} set to {changed}"
                );
            }
        }
        assert_eq!(open(&body[..body.len() - 1], body.len()), None, "cut");
        assert_eq!(open(&body, body.len() + 1), None, "of another size than was sent");
    }

    #[test]
    fn a_mixture_of_two_messages_is_found() {
        let earlier = stamped(
            96,
            Stamp {
                sender: 5,
                sequence: 6,
                scheduled_ns: 7,
            },
        );
        let later = stamped(
            96,
            Stamp {
                sender: 5,
                sequence: 7,
                scheduled_ns: 8,
            },
        );
        let mixed = [&later[..40], &earlier[40..]].concat();
        assert_eq!(open(&mixed, mixed.len()), None);
    }
}
