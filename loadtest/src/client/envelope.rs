//! Telling game data from control messages, and finding sender and test payload inside.
//!
//! The common forms are compared byte for byte without parsing; whatever deviates but means the same (other key order,
//! spaces, added keys) takes a slower way through a JSON tree, so that the test judges meaning and not spelling.

use std::borrow::Cow;

use serde_json::Value;

use crate::client::frame::Opcode;
use crate::client::stamp::WireStamp;
use crate::payload;
use crate::version::Version;

const TEXT_HEAD: &[u8] = br#"{"type":"GameData","data":{"from_player":""#;
const TEXT_MIDDLE: &[u8] = br#"","data":{"p":""#;
const TEXT_END: &[u8] = br#""}}}"#;
const STAMPED_TEXT_END: &[u8] = br#""},"#;
const BINARY_HEAD: &[u8] = b"\x83\xabfrom_player\xc4\x10";
const STAMPED_BINARY_HEAD: &[u8] = b"\x85\xabfrom_player\xc4\x10";
const BINARY_MIDDLE: &[u8] = b"\xa8encoding\xacmessage_pack\xa7payload";
const ID_CHARS: usize = 36;

/// A player's id in both of its spellings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PlayerId {
    text: [u8; ID_CHARS],
    bytes: [u8; 16],
}

impl PlayerId {
    /// Reads the usual hyphenated lower-case form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text: [u8; ID_CHARS] = text.as_bytes().try_into().ok()?;
        let mut digits = text
            .iter()
            .filter(|&&char| char != b'-')
            .map(|&char| (char as char).to_digit(16));
        let mut bytes = [0; 16];
        for byte in &mut bytes {
            *byte = (digits.next()?? << 4 | digits.next()??) as u8;
        }
        digits.next().is_none().then_some(Self { text, bytes })
    }

    /// Whether a message names this player as its sender.
    pub(crate) fn is(&self, spelled: &[u8]) -> bool {
        spelled == self.text || spelled == self.bytes
    }
}

impl std::fmt::Display for PlayerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text))
    }
}

/// What a data frame of the server means to the test.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Inbound<'a> {
    /// Game data with the sender's id (36 characters or 16 bytes) and the body of the test payload; stamped on version 3.
    Game {
        from: Cow<'a, [u8]>,
        body: Cow<'a, [u8]>,
        stamp: Option<WireStamp>,
    },
    /// Any other message, with its type.
    Control { kind: String, message: Value },
    /// Game data without a body of ours or, on version 2, with a stamp; or not a message of the protocol.
    Unreadable,
}

/// Recognises the payload of a text or binary message to a member that speaks `version`.
pub(crate) fn read(version: Version, opcode: Opcode, message: &[u8]) -> Inbound<'_> {
    match (opcode, version) {
        (Opcode::Text, Version::V2) => common_text(message).unwrap_or_else(|| any_text(version, message)),
        (Opcode::Text, Version::V3) => stamped_text(message).unwrap_or_else(|| any_text(version, message)),
        (_, Version::V2) => binary(message).unwrap_or(Inbound::Unreadable),
        (_, Version::V3) => stamped_binary(message).unwrap_or(Inbound::Unreadable),
    }
}

fn common_text(message: &[u8]) -> Option<Inbound<'_>> {
    let rest = message.strip_prefix(TEXT_HEAD)?;
    let (from, rest) = rest.split_at_checked(ID_CHARS)?;
    let body = rest.strip_prefix(TEXT_MIDDLE)?.strip_suffix(TEXT_END)?;
    Some(Inbound::Game {
        from: Cow::Borrowed(from),
        body: Cow::Borrowed(body),
        stamp: None,
    })
}

fn stamped_text(message: &[u8]) -> Option<Inbound<'_>> {
    let rest = message.strip_prefix(TEXT_HEAD)?;
    let (from, rest) = rest.split_at_checked(ID_CHARS)?;
    let rest = rest.strip_prefix(TEXT_MIDDLE)?;
    let (body, stamp) = WireStamp::cut_from_text(rest)?;
    Some(Inbound::Game {
        from: Cow::Borrowed(from),
        body: Cow::Borrowed(body.strip_suffix(STAMPED_TEXT_END)?),
        stamp: Some(stamp),
    })
}

fn any_text(version: Version, message: &[u8]) -> Inbound<'static> {
    let Ok(tree) = serde_json::from_slice::<Value>(message) else {
        return Inbound::Unreadable;
    };
    if tree["type"] != "GameData" {
        let kind = tree["type"].as_str().map(str::to_owned);
        return kind.map_or(Inbound::Unreadable, |kind| Inbound::Control { kind, message: tree });
    }
    let data = &tree["data"];
    let shown = ["seq", "epoch", "class", "key"]
        .iter()
        .any(|word| !data[word].is_null());
    if version == Version::V2 && shown {
        return Inbound::Unreadable;
    }
    let stamp = WireStamp::of_tree(data);
    match (data["from_player"].as_str(), data["data"]["p"].as_str()) {
        (Some(from), Some(body)) => Inbound::Game {
            from: Cow::Owned(from.as_bytes().to_vec()),
            body: Cow::Owned(body.as_bytes().to_vec()),
            stamp,
        },
        _ => Inbound::Unreadable,
    }
}

/// The v2 envelope is fixed to the byte.
fn binary(message: &[u8]) -> Option<Inbound<'_>> {
    let (from, carried, rest) = binary_parts(message.strip_prefix(BINARY_HEAD)?)?;
    let body = payload::message_pack_body(carried)?;
    rest.is_empty().then_some(Inbound::Game {
        from: Cow::Borrowed(from),
        body: Cow::Borrowed(body),
        stamp: None,
    })
}

/// The v3 envelope is fixed but for the width of its numbers.
fn stamped_binary(message: &[u8]) -> Option<Inbound<'_>> {
    let (from, carried, rest) = binary_parts(message.strip_prefix(STAMPED_BINARY_HEAD)?)?;
    Some(Inbound::Game {
        from: Cow::Borrowed(from),
        body: Cow::Borrowed(payload::message_pack_body(carried)?),
        stamp: Some(WireStamp::of_message_pack(rest)?),
    })
}

/// Sender, payload, and what follows them.
fn binary_parts(message: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (from, rest) = message.split_at_checked(16)?;
    let (&marker, rest) = rest.strip_prefix(BINARY_MIDDLE)?.split_first()?;
    let (length, carried) = match marker {
        0xC4 => (usize::from(*rest.first()?), rest.get(1..)?),
        0xC5 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), rest.get(2..)?),
        0xC6 => (u32::from_be_bytes(*rest.first_chunk()?) as usize, rest.get(4..)?),
        _ => return None,
    };
    let (carried, rest) = carried.split_at_checked(length)?;
    Some((from, carried, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::stamp::WireClass;
    use crate::delivery::Delivery;
    use crate::encoding::Encoding;
    use crate::payload::{self, Blank};

    const ID: &str = "3ee46824-d0bf-4517-a2e1-df9ee4ef41ee";

    #[test]
    fn ids_are_known_in_both_spellings_only() {
        let id = PlayerId::parse(ID).expect("a well-formed id");
        assert!(id.is(ID.as_bytes()));
        assert!(id.is(&[
            0x3e, 0xe4, 0x68, 0x24, 0xd0, 0xbf, 0x45, 0x17, 0xa2, 0xe1, 0xdf, 0x9e, 0xe4, 0xef, 0x41, 0xee
        ]));
        assert!(!id.is(b"3ee46824-d0bf-4517-a2e1-df9ee4ef41ef"));
        assert_eq!(PlayerId::parse("3ee46824"), None);
        assert_eq!(PlayerId::parse("zee46824-d0bf-4517-a2e1-df9ee4ef41ee"), None);
    }

    #[test]
    fn text_in_any_spelling_gives_sender_and_body() {
        let expected = Inbound::Game {
            from: Cow::Borrowed(ID.as_bytes()),
            body: Cow::Borrowed(b"body".as_slice()),
            stamp: None,
        };
        for message in [
            format!(r#"{{"type":"GameData","data":{{"from_player":"{ID}","data":{{"p":"body"}}}}}}"#),
            format!(r#"{{"data":{{"data":{{"p":"body"}},"from_player":"{ID}"}}, "type":"GameData"}}"#),
            format!(r#"{{"type":"GameData","data":{{"from_player":"{ID}","data":{{"p":"bod\u0079"}},"colour":4}}}}"#),
        ] {
            assert_eq!(
                read(Version::V2, Opcode::Text, message.as_bytes()),
                expected,
                "{message}"
            );
        }
    }

    #[test]
    fn other_text_is_control_or_unreadable() {
        let pong = Inbound::Control {
            kind: "Pong".to_owned(),
            message: serde_json::json!({"type": "Pong"}),
        };
        assert_eq!(read(Version::V2, Opcode::Text, br#"{"type":"Pong"}"#), pong);
        for message in [
            r#"{"type":"GameData","data":{"data":7}}"#,
            r#"{"type":"GameData","data":{"from_player":"x","data":{"p":"body"},"seq":4,"epoch":1}}"#,
            r#"{"kind":1}"#,
            r#"{"type":"#,
            "",
        ] {
            assert_eq!(
                read(Version::V2, Opcode::Text, message.as_bytes()),
                Inbound::Unreadable,
                "{message}"
            );
        }
    }

    #[test]
    fn the_binary_envelope_is_read_and_any_other_refused() {
        let id = PlayerId::parse(ID).expect("a well-formed id");
        for size_bytes in [40, 64, 300, 70_000] {
            let Blank {
                bytes,
                body_at,
                body_chars,
            } = payload::blank(Encoding::MessagePack, size_bytes, 1, Delivery::Reliable);
            let length = match bytes.len() {
                0..=0xFF => vec![0xC4, bytes.len() as u8],
                0x100..=0xFFFF => [&[0xC5], &(bytes.len() as u16).to_be_bytes()[..]].concat(),
                _ => [&[0xC6], &(bytes.len() as u32).to_be_bytes()[..]].concat(),
            };
            let message = [BINARY_HEAD, &id.bytes, BINARY_MIDDLE, &length, &bytes].concat();
            let Inbound::Game { from, body, .. } = read(Version::V2, Opcode::Binary, &message) else {
                panic!("the envelope of {size_bytes} bytes was not recognised");
            };
            assert!(id.is(&from));
            assert_eq!(*body, bytes[body_at..body_at + body_chars]);
            assert_eq!(
                read(Version::V2, Opcode::Binary, &message[..message.len() - 1]),
                Inbound::Unreadable
            );
            assert_eq!(
                read(Version::V2, Opcode::Binary, &bytes),
                Inbound::Unreadable,
                "a bare payload names no sender"
            );
        }
    }

    #[test]
    fn stamped_text_in_any_spelling_gives_its_stamp() {
        let game = |class, key| Inbound::Game {
            from: Cow::Borrowed(ID.as_bytes()),
            body: Cow::Borrowed(b"body".as_slice()),
            stamp: Some(WireStamp {
                seq: 12,
                epoch: 3,
                class,
                key,
            }),
        };
        let latest = game(Some(WireClass::Latest), Some(7));
        for (message, expected) in [
            (
                format!(
                    r#"{{"type":"GameData","data":{{"from_player":"{ID}","data":{{"p":"body"}},"seq":12,"epoch":3}}}}"#
                ),
                game(None, None),
            ),
            (
                format!(
                    r#"{{"type":"GameData","data":{{"from_player":"{ID}","data":{{"p":"body"}},"seq":12,"epoch":3,"class":"volatile"}}}}"#
                ),
                game(Some(WireClass::Volatile), None),
            ),
            (
                format!(
                    r#"{{"type":"GameData","data":{{"from_player":"{ID}","data":{{"p":"body"}},"seq":12,"epoch":3,"class":"latest","key":7}}}}"#
                ),
                latest,
            ),
            (
                format!(
                    r#"{{"data":{{"key":7,"epoch":3,"class":"latest","data":{{"p":"body"}},"from_player":"{ID}","seq":12}},"type":"GameData"}}"#
                ),
                game(Some(WireClass::Latest), Some(7)),
            ),
        ] {
            assert_eq!(
                read(Version::V3, Opcode::Text, message.as_bytes()),
                expected,
                "{message}"
            );
        }
        let bare = format!(r#"{{"type":"GameData","data":{{"from_player":"{ID}","data":{{"p":"body"}}}}}}"#);
        assert!(matches!(
            read(Version::V3, Opcode::Text, bare.as_bytes()),
            Inbound::Game { stamp: None, .. }
        ));
    }

    #[test]
    fn the_stamped_binary_envelope_is_read() {
        let id = PlayerId::parse(ID).expect("a well-formed id");
        let blank = payload::blank(Encoding::MessagePack, 64, 1, Delivery::Reliable);
        let head = [STAMPED_BINARY_HEAD, &id.bytes, BINARY_MIDDLE, &[0xC4, 64], &blank.bytes].concat();
        for (numbers, seq, epoch) in [
            (&b"\xa3seq\x04\xa5epoch\x01"[..], 4, 1),
            (b"\xa3seq\xcd\x01\x00\xa5epoch\xcc\xff", 256, 255),
            (b"\xa3seq\xcf\0\0\0\x01\0\0\0\0\xa5epoch\xce\0\x01\0\0", 1 << 32, 65_536),
        ] {
            let message = [&head, numbers].concat();
            let Inbound::Game { stamp, .. } = read(Version::V3, Opcode::Binary, &message) else {
                panic!("not recognised: {numbers:?}");
            };
            let plain = WireStamp {
                seq,
                epoch,
                class: None,
                key: None,
            };
            assert_eq!(stamp, Some(plain));
            let longer = [&message[..], &[0]].concat();
            assert_eq!(read(Version::V3, Opcode::Binary, &longer), Inbound::Unreadable);
            assert_eq!(read(Version::V2, Opcode::Binary, &message), Inbound::Unreadable);
        }
    }
}
