//! Numbers: the grammar, and the refusal of those that no double can hold.

use super::InvalidJson;

/// A number of at most this many bytes, exponent aside, stays below 1e200.
const SHORT_BYTES: usize = 200;

/// The place behind the number that starts at `start`.
#[inline]
pub(super) fn end(text: &str, start: usize) -> Result<usize, InvalidJson> {
    let bytes = text.as_bytes();
    let mut at = start;
    if bytes.get(at) == Some(&b'-') {
        at += 1;
    }
    at = match bytes.get(at) {
        Some(b'0') => at + 1,
        Some(b'1'..=b'9') => digits_end(bytes, at + 1),
        _ => return Err(InvalidJson),
    };
    if bytes.get(at) == Some(&b'.') {
        at = some_digits_end(bytes, at + 1)?;
    }
    let mut certainly_finite = at - start <= SHORT_BYTES;
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        let negative = bytes.get(at) == Some(&b'-');
        if let Some(b'+' | b'-') = bytes.get(at) {
            at += 1;
        }
        let exponent_start = at;
        at = some_digits_end(bytes, at)?;
        // 1e200 times 1e99 is still a double.
        certainly_finite &= negative || at - exponent_start <= 2;
    }
    if !certainly_finite && !is_finite(&text[start..at]) {
        return Err(InvalidJson);
    }
    Ok(at)
}

/// Whether a double can hold the number, as the tree parser of the receivers decides it: its arithmetic is not exact at
/// the very edge of the range, so it is asked instead of imitated.
#[cold]
fn is_finite(number: &str) -> bool {
    serde_json::from_str::<f64>(number).is_ok()
}

#[inline]
fn digits_end(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    at
}

#[inline]
fn some_digits_end(bytes: &[u8], at: usize) -> Result<usize, InvalidJson> {
    let end = digits_end(bytes, at);
    if end == at { Err(InvalidJson) } else { Ok(end) }
}
