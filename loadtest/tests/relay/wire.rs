//! What the relay puts on the wire: frames, and game data as either version reads it.

use serde_json::Value;

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum Version {
    Two,
    Three,
}

/// How a sender wants its message to be treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Reliable,
    Latest { key: u64 },
    Volatile,
}

impl Class {
    /// As a `GameData` message says it; `None` is `Reliable` without the word.
    pub(super) fn read(data: &Value) -> Option<Self> {
        match data["class"].as_str() {
            None => None,
            Some("reliable") => Some(Self::Reliable),
            Some("volatile") => Some(Self::Volatile),
            Some("latest") => Some(Self::Latest {
                key: data["key"].as_u64().expect("a key beside latest"),
            }),
            Some(other) => panic!("unknown class {other:?}"),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    Json(String),
    MessagePack(Vec<u8>),
}

/// One message of a sender, on its way to one receiver.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) from: String,
    pub(super) epoch: u64,
    pub(super) seq: u64,
    pub(super) class: Option<Class>,
    pub(super) content: Content,
}

impl Delivery {
    pub(super) fn frame(&self, version: Version) -> Vec<u8> {
        match &self.content {
            Content::Json(data) => frame(TEXT, self.text(data, version).as_bytes()),
            Content::MessagePack(payload) => frame(BINARY, &self.envelope(payload, version)),
        }
    }

    fn text(&self, data: &str, version: Version) -> String {
        let Self { from, epoch, seq, .. } = self;
        let mut text = format!(r#"{{"type":"GameData","data":{{"from_player":"{from}","data":{data}"#);
        if version == Version::Three {
            text += &format!(r#","seq":{seq},"epoch":{epoch}"#);
            match self.class {
                None => {}
                Some(Class::Reliable) => text += r#","class":"reliable""#,
                Some(Class::Volatile) => text += r#","class":"volatile""#,
                Some(Class::Latest { key }) => text += &format!(r#","class":"latest","key":{key}"#),
            }
        }
        text + "}}"
    }

    fn envelope(&self, payload: &[u8], version: Version) -> Vec<u8> {
        let entries = if version == Version::Three { 0x85 } else { 0x83 };
        let mut carried = vec![entries];
        carried.extend_from_slice(b"\xabfrom_player\xc4\x10");
        let digits = self.from.replace('-', "").into_bytes();
        carried.extend(digits.chunks(2).map(|pair| {
            u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal digits")
        }));
        carried.extend_from_slice(b"\xa8encoding\xacmessage_pack\xa7payload\xc4");
        carried.push(u8::try_from(payload.len()).expect("a short payload"));
        carried.extend_from_slice(payload);
        if version == Version::Three {
            carried.extend_from_slice(b"\xa3seq");
            push_integer(&mut carried, self.seq);
            carried.extend_from_slice(b"\xa5epoch");
            push_integer(&mut carried, self.epoch);
        }
        carried
    }
}

fn push_integer(bytes: &mut Vec<u8>, value: u64) {
    match value {
        0..=0x7F => bytes.push(value as u8),
        0x80..=0xFF => bytes.extend_from_slice(&[0xCC, value as u8]),
        _ => {
            bytes.push(0xCD);
            bytes.extend_from_slice(&u16::try_from(value).expect("a short test").to_be_bytes());
        }
    }
}

/// A message that is no game data.
pub(super) fn message(tree: &Value) -> Vec<u8> {
    frame(TEXT, tree.to_string().as_bytes())
}

pub(super) fn close(code: u16, reason: &str) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes()[..], reason.as_bytes()].concat())
}

fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..=125 => frame.push(short as u8),
        long => {
            frame.push(126);
            frame.extend_from_slice(&u16::try_from(long).expect("a short message").to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}
