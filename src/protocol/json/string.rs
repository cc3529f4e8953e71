//! Strings: finding the closing quote, refusing what a decoder would refuse, and decoding on demand.

use std::borrow::Cow;

use super::InvalidJson;

/// A validated string of a JSON text, not yet decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JsonString<'a> {
    quoted: &'a str,
    escaped: bool,
}

impl<'a> JsonString<'a> {
    /// `quoted` is the validated string with its quotes; `escaped` tells whether it holds a backslash.
    pub(super) fn new(quoted: &'a str, escaped: bool) -> Self {
        Self { quoted, escaped }
    }

    /// The characters that the string stands for: borrowed, unless it holds escapes.
    #[inline]
    pub(crate) fn decode(self) -> Cow<'a, str> {
        if self.escaped {
            Cow::Owned(decode_escapes(self.quoted))
        } else {
            Cow::Borrowed(&self.quoted[1..self.quoted.len() - 1])
        }
    }
}

#[cold]
fn decode_escapes(quoted: &str) -> String {
    serde_json::from_str(quoted).expect("the scanner has validated the string")
}

const LOW_BITS: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; 8]);

/// A word with the high bit set in the byte of each quote, backslash and control character of `word`. Bytes above the
/// lowest one marked may be marked falsely (borrows run upwards), so only the lowest mark counts.
#[inline]
fn marks(word: u64) -> u64 {
    let has = |byte: u8| {
        let difference = word ^ (LOW_BITS * u64::from(byte));
        difference.wrapping_sub(LOW_BITS) & !difference
    };
    let control = word.wrapping_sub(LOW_BITS * 0x20) & !word;
    (has(b'"') | has(b'\\') | control) & HIGH_BITS
}

/// The place behind the closing quote of the string whose body starts at `at`, and whether the body holds an escape.
#[inline]
pub(super) fn end(bytes: &[u8], mut at: usize) -> Result<(usize, bool), InvalidJson> {
    let mut escaped = false;
    loop {
        while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
            let marks = marks(u64::from_le_bytes(*word));
            if marks != 0 {
                at += (marks.trailing_zeros() / 8) as usize;
                break;
            }
            at += 8;
        }
        match bytes.get(at) {
            Some(b'"') => return Ok((at + 1, escaped)),
            Some(b'\\') => {
                escaped = true;
                at = escape_end(bytes, at + 1)?;
            }
            // Only in the last seven bytes of the text, which the word loop leaves.
            Some(0x20..) => at += 1,
            Some(..0x20) | None => return Err(InvalidJson),
        }
    }
}

/// The place behind the escape whose backslash stands before `at`.
fn escape_end(bytes: &[u8], at: usize) -> Result<usize, InvalidJson> {
    match bytes.get(at) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 1),
        Some(b'u') => match code_unit(bytes, at + 1)? {
            0xdc00..=0xdfff => Err(InvalidJson),
            0xd800..=0xdbff => {
                if !bytes[at + 5..].starts_with(b"\\u") {
                    return Err(InvalidJson);
                }
                match code_unit(bytes, at + 7)? {
                    0xdc00..=0xdfff => Ok(at + 11),
                    _ => Err(InvalidJson),
                }
            }
            _ => Ok(at + 5),
        },
        _ => Err(InvalidJson),
    }
}

/// The UTF-16 code unit that the four hexadecimal digits at `at` spell.
fn code_unit(bytes: &[u8], at: usize) -> Result<u16, InvalidJson> {
    let digits: &[u8; 4] = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(InvalidJson)?;
    digits.iter().try_fold(0, |unit, &digit| {
        let digit = char::from(digit).to_digit(16).ok_or(InvalidJson)?;
        Ok(unit << 4 | digit as u16)
    })
}
