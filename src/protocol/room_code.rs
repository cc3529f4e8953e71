//! Room codes: short, read aloud, typed in by hand.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{ErrorCode, Reason};

/// The 32 characters of generated codes: no 0, 1, I, O, which people confuse.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// Bits that one character of the alphabet takes from a random word.
const BITS: u32 = ALPHABET.len().ilog2();

/// Characters that one random word gives.
const CHARACTERS: usize = (u64::BITS / BITS) as usize;

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

impl Reason for RoomCodeRefusal {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidRoomCode
    }
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

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Codes with a prefix in a random order: each comes once. Those of one order begin alike and differ in their last twelve
/// characters, so that the next one is made of a few bytes, however long codes are.
///
/// Whether a code is free is the caller's question.
#[derive(Debug, Clone)]
pub struct CodeOrder {
    /// What all begin with.
    stem: Box<str>,
    /// The end of the code that came last.
    tail: [u8; CHARACTERS],
    tail_length: usize,
    /// The number of the next end; a step leads to that of the one after it, and visits all before it comes back.
    next: u64,
    step: u64,
    left: u64,
}

impl CodeOrder {
    /// The codes of `length` characters that begin with `prefix` in upper case, in an order from a source of random words.
    /// A prefix as long as the code leaves one code.
    #[must_use]
    pub fn new(length: usize, prefix: Option<&str>, random: &mut impl FnMut() -> u64) -> Self {
        let mut stem: String = prefix.unwrap_or_default().chars().take(length).collect();
        stem.make_ascii_uppercase();
        let tail_length = (length - stem.len()).min(CHARACTERS);
        while stem.len() < length - tail_length {
            let missing = length - tail_length - stem.len();
            stem.extend(characters(random()).take(missing).map(char::from));
        }
        Self {
            stem: stem.into(),
            tail: [0; CHARACTERS],
            tail_length,
            next: random(),
            // Odd, so that it has no divisor in common with the number of ends.
            step: random() | 1,
            left: 1 << (BITS as usize * tail_length),
        }
    }

    /// What all codes begin with.
    #[must_use]
    pub fn stem(&self) -> &str {
        &self.stem
    }

    /// The end of the next code.
    pub fn next_tail(&mut self) -> Option<&[u8]> {
        self.left = self.left.checked_sub(1)?;
        for (place, character) in self.tail.iter_mut().zip(characters(self.next)) {
            *place = character;
        }
        self.next = self.next.wrapping_add(self.step);
        Some(&self.tail[..self.tail_length])
    }

    /// The code whose end came last.
    #[must_use]
    pub fn code(&self) -> RoomCode {
        let tail = self.tail[..self.tail_length].iter().copied().map(char::from);
        RoomCode(self.stem.chars().chain(tail).collect())
    }
}

/// The characters that a random word gives.
fn characters(word: u64) -> impl Iterator<Item = u8> {
    let number = move |place| (word >> (place * BITS)) as usize % ALPHABET.len();
    (0..CHARACTERS as u32).map(move |place| ALPHABET[number(place)])
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

    fn first_of(length: usize, prefix: Option<&str>, words: &[u64]) -> String {
        let mut words = words.iter().copied();
        let mut order = CodeOrder::new(length, prefix, &mut || words.next().expect("as many words as it takes"));
        assert_eq!(words.next(), None, "twelve characters come from each word");
        assert!(order.next_tail().is_some());
        order.code().to_string()
    }

    #[test]
    fn drawn_codes_use_every_bit_of_the_words_and_only_the_alphabet() {
        let words = [0, u64::MAX, 0x0084_2108_4210_8421, 0];
        assert_eq!(first_of(26, None, &words), "222222222222ZZ333333333333");
    }

    #[test]
    fn drawn_codes_keep_their_length_under_a_prefix() {
        for (length, prefix, code) in [
            (6, "eu", "EU2222"),
            (6, "", "222222"),
            (2, "eu1", "EU"),
            (14, "eu", "EU222222222222"),
        ] {
            let drawn = first_of(length, Some(prefix), &[0, 0]);
            assert_eq!(drawn, code);
            assert!(RoomCode::parse(&drawn, length).is_ok());
        }
    }

    #[test]
    fn each_code_comes_once_and_then_there_are_no_more() {
        for step in [0, 7, u64::MAX] {
            let mut words = [u64::MAX, step].into_iter();
            let mut order = CodeOrder::new(4, Some("EU"), &mut || words.next().expect("two words"));
            let mut seen = std::collections::BTreeSet::new();
            while order.next_tail().is_some() {
                seen.insert(order.code());
            }
            assert_eq!(seen.len(), 32 * 32);
        }
    }
}
