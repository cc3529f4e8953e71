//! What the server writes beside game data for version 3: sequence, epoch, class and key.
//!
//! The usual spelling is read from the end of the frame without parsing it.

use serde_json::Value;

use crate::delivery::Delivery;

/// The longest spelling: `"seq":` with 20 digits, `,"epoch":` with 10, `,"class":"volatile"`, `,"key":` with 10, two braces.
const MAX_TEXT_CHARS: usize = 96;

/// The stamp of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WireStamp {
    pub(crate) seq: u64,
    pub(crate) epoch: u32,
    pub(crate) class: Option<WireClass>,
    pub(crate) key: Option<u32>,
}

/// A class as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WireClass {
    Reliable,
    Latest,
    Volatile,
}

impl WireStamp {
    /// Splits `…"seq":1,"epoch":1,"class":"latest","key":7}}` at the word `seq`.
    pub(crate) fn cut_from_text(text: &[u8]) -> Option<(&[u8], Self)> {
        let from = text.len().saturating_sub(MAX_TEXT_CHARS);
        let at = from + text[from..].windows(6).rposition(|window| window == br#""seq":"#)?;
        let (before, rest) = text.split_at(at);
        let (seq, rest) = number(&rest[6..])?;
        let (epoch, mut rest) = number(rest.strip_prefix(br#","epoch":"#)?)?;
        let mut stamp = Self {
            seq,
            epoch: u32::try_from(epoch).ok()?,
            class: None,
            key: None,
        };
        if let Some(named) = rest.strip_prefix(br#","class":""#) {
            let end = named.iter().position(|&char| char == b'"')?;
            stamp.class = Some(WireClass::named(&named[..end])?);
            rest = &named[end + 1..];
        }
        if let Some(numbered) = rest.strip_prefix(br#","key":"#) {
            let (key, after) = number(numbered)?;
            stamp.key = Some(u32::try_from(key).ok()?);
            rest = after;
        }
        (rest == b"}}").then_some((before, stamp))
    }

    /// Reads the members of a JSON `GameData`; `None` when any is missing or of another kind.
    pub(crate) fn of_tree(data: &Value) -> Option<Self> {
        let class = match &data["class"] {
            Value::Null => None,
            class => Some(WireClass::named(class.as_str()?.as_bytes())?),
        };
        let key = match &data["key"] {
            Value::Null => None,
            key => Some(u32::try_from(key.as_u64()?).ok()?),
        };
        Some(Self {
            seq: data["seq"].as_u64()?,
            epoch: u32::try_from(data["epoch"].as_u64()?).ok()?,
            class,
            key,
        })
    }

    /// Reads the end of a MessagePack envelope.
    pub(crate) fn of_message_pack(bytes: &[u8]) -> Option<Self> {
        let (seq, rest) = packed_number(bytes.strip_prefix(b"\xa3seq")?)?;
        let (epoch, rest) = packed_number(rest.strip_prefix(b"\xa5epoch")?)?;
        rest.is_empty().then_some(Self {
            seq,
            epoch: u32::try_from(epoch).ok()?,
            class: None,
            key: None,
        })
    }

    /// Whether class and key are those of a message that was sent for this delivery.
    pub(crate) fn tells(&self, delivery: Delivery) -> bool {
        match delivery {
            Delivery::Reliable => self.class.is_none() && self.key.is_none(),
            Delivery::Latest { key } => self.class == Some(WireClass::Latest) && self.key == Some(key),
            Delivery::Volatile => self.class == Some(WireClass::Volatile) && self.key.is_none(),
        }
    }
}

impl std::fmt::Display for WireStamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "epoch {} seq {}", self.epoch, self.seq)?;
        if let Some(class) = self.class {
            write!(f, " {class:?}")?;
        }
        if let Some(key) = self.key {
            write!(f, " key {key}")?;
        }
        Ok(())
    }
}

impl WireClass {
    fn named(word: &[u8]) -> Option<Self> {
        match word {
            b"reliable" => Some(Self::Reliable),
            b"latest" => Some(Self::Latest),
            b"volatile" => Some(Self::Volatile),
            _ => None,
        }
    }
}

/// A decimal number at the start of `text`, and what follows it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|char| char.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    if number.is_empty() || digits > 20 {
        return None;
    }
    let mut value = 0u64;
    for &digit in number {
        value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    Some((value, rest))
}

fn packed_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&marker, rest) = bytes.split_first()?;
    Some(match marker {
        0..=0x7F => (u64::from(marker), rest),
        0xCC => (u64::from(*rest.first()?), &rest[1..]),
        0xCD => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), &rest[2..]),
        0xCE => (u64::from(u32::from_be_bytes(*rest.first_chunk()?)), &rest[4..]),
        0xCF => (u64::from_be_bytes(*rest.first_chunk()?), &rest[8..]),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_cut_from_the_end_and_nothing_else_is_taken_for_one() {
        let (before, stamp) =
            WireStamp::cut_from_text(br#"abc"},"seq":18446744073709551615,"epoch":7}}"#).expect("a stamp");
        assert_eq!((before, stamp.seq, stamp.epoch), (&br#"abc"},"#[..], u64::MAX, 7));
        for bad in [
            &br#"abc"}}}"#[..],
            br#""seq":1}}"#,
            br#""seq":,"epoch":1}}"#,
            br#""seq":1,"epoch":4294967296}}"#,
            br#""seq":18446744073709551616,"epoch":1}}"#,
            br#""seq":1,"epoch":1,"class":"other"}}"#,
            br#""seq":1,"epoch":1}} "#,
        ] {
            assert_eq!(WireStamp::cut_from_text(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn class_and_key_are_told_exactly() {
        let stamp = |class, key| WireStamp {
            seq: 1,
            epoch: 1,
            class,
            key,
        };
        let latest = Delivery::Latest { key: 3 };
        assert!(stamp(None, None).tells(Delivery::Reliable));
        assert!(!stamp(Some(WireClass::Reliable), None).tells(Delivery::Reliable));
        assert!(stamp(Some(WireClass::Latest), Some(3)).tells(latest));
        assert!(!stamp(Some(WireClass::Latest), Some(4)).tells(latest));
        assert!(!stamp(Some(WireClass::Latest), None).tells(latest));
        assert!(!stamp(Some(WireClass::Volatile), Some(3)).tells(Delivery::Volatile));
    }
}
