//! Room codes: short, read aloud, typed in by hand.

use std::fmt;

use serde::{Serialize, Serializer};

/// The 32 characters of generated codes: no 0, 1, I, O, which people confuse.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// Bits that one character of the alphabet takes from a random word.
const BITS: u32 = ALPHABET.len().ilog2();

/// A room's code within its game, in upper case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct RoomCode(Box<str>);

/// Why a text is no room code. Tell the client; the connection stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RoomCodeRefusal {
    /// The empty string.
    #[error("a room code must not be empty")]
    Empty,
    /// Another number of bytes than codes have here.
    #[error("a room code has exactly {length} characters")]
    Length {
        /// The length of codes on this server.
        length: usize,
    },
    /// Something else than ASCII letters and digits.
    #[error("a room code has only the letters A to Z and digits")]
    Character,
}

impl RoomCode {
    /// Reads a code that a client gives, in either case: `length` ASCII letters and digits, of any kind.
    ///
    /// # Errors
    ///
    /// The first rule that the text breaks: empty, length, characters.
    pub fn parse(text: &str, length: usize) -> Result<Self, RoomCodeRefusal> {
        if text.is_empty() {
            return Err(RoomCodeRefusal::Empty);
        }
        if text.len() != length {
            return Err(RoomCodeRefusal::Length { length });
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(RoomCodeRefusal::Character);
        }
        Ok(Self(text.to_ascii_uppercase().into()))
    }

    /// Draws a code of `length` characters that begins with `prefix` in upper case, from a source of random words.
    ///
    /// Whether the code is free is the caller's question. A prefix as long as the code leaves nothing to draw.
    #[must_use]
    pub fn draw(length: usize, prefix: Option<&str>, random: &mut impl FnMut() -> u64) -> Self {
        let mut code: String = prefix.unwrap_or_default().chars().take(length).collect();
        code.make_ascii_uppercase();
        let (mut word, mut bits) = (0, 0);
        while code.len() < length {
            if bits < BITS {
                (word, bits) = (random(), u64::BITS);
            }
            code.push(char::from(ALPHABET[(word % ALPHABET.len() as u64) as usize]));
            word >>= BITS;
            bits -= BITS;
        }
        Self(code.into())
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoomCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomCode({})", self.0)
    }
}

impl Serialize for RoomCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_codes_are_checked_and_put_in_upper_case() {
        assert_eq!(
            RoomCode::parse("wxy10o", 6).expect("any letters and digits").as_str(),
            "WXY10O"
        );
        for (text, refusal) in [
            ("", RoomCodeRefusal::Empty),
            ("ABCDE", RoomCodeRefusal::Length { length: 6 }),
            ("ABCDEFG", RoomCodeRefusal::Length { length: 6 }),
            ("ABC-12", RoomCodeRefusal::Character),
            ("é雪a", RoomCodeRefusal::Character),
            ("ABC 12", RoomCodeRefusal::Character),
        ] {
            assert_eq!(RoomCode::parse(text, 6), Err(refusal), "{text:?}");
        }
    }

    #[test]
    fn drawn_codes_use_every_bit_of_the_words_and_only_the_alphabet() {
        let mut words = [0, u64::MAX, 0x0084_2108_4210_8421].into_iter();
        let code = RoomCode::draw(26, None, &mut || words.next().expect("three words are enough"));
        assert_eq!(code.as_str(), "222222222222ZZZZZZZZZZZZ33");
        assert_eq!(words.next(), None, "twelve characters come from each word");
    }

    #[test]
    fn drawn_codes_keep_their_length_under_a_prefix() {
        let code = |length, prefix| RoomCode::draw(length, prefix, &mut || 0).to_string();
        assert_eq!(code(6, Some("eu")), "EU2222");
        assert_eq!(code(6, Some("")), "222222");
        assert_eq!(code(2, Some("eu1")), "EU");
        assert!(RoomCode::parse(&code(6, Some("eu")), 6).is_ok());
    }
}
