//! Game data on its way out: the payload of one player, in the envelope that each receiver reads.
//!
//! A payload is spliced, never re-encoded, except from MessagePack to JSON for a receiver that reads no MessagePack. A
//! message has at most one encoding for each of the four [`Shape`]s, however many receivers there are.

use super::message_pack::{self, NotJson};
use super::rkyv_envelope;
use super::{DeliveryClass, Dialect, FrameBuffer, FrameSpan, GameDataFormat, Opcode, PlayerId, ProtocolVersion, Stamp};

/// One accepted game-data message.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingGameData<'a> {
    /// Who sent it.
    pub sender: PlayerId,
    /// Its place in the sender's stream.
    pub stamp: Stamp,
    /// What was sent.
    pub content: Content<'a>,
}

/// What was sent.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// A JSON value in a text frame; valid, and relayed byte for byte.
    Json {
        /// The value's text as the sender wrote it.
        payload: &'a str,
        /// The class, if the sender wrote one.
        class: Option<DeliveryClass>,
        /// The key, if the sender wrote one.
        key: Option<u32>,
    },
    /// The whole of a binary frame, never looked into unless it must be converted.
    Binary {
        /// The encoding that the sender negotiated.
        format: GameDataFormat,
        /// The frame's payload.
        payload: &'a [u8],
    },
}

impl Content<'_> {
    /// The encoding of binary data; `None` for JSON.
    #[must_use]
    pub const fn format(&self) -> Option<GameDataFormat> {
        match self {
            Self::Json { .. } => None,
            Self::Binary { format, .. } => Some(*format),
        }
    }

    /// What may happen to it when a receiver is slow.
    #[must_use]
    pub const fn class(&self) -> DeliveryClass {
        match self {
            Self::Json { class: Some(class), .. } => *class,
            Self::Json { class: None, .. } | Self::Binary { .. } => DeliveryClass::Reliable,
        }
    }

    /// Which newer value replaces it; 0 where that means nothing.
    #[must_use]
    pub const fn key(&self) -> u32 {
        match self {
            Self::Json { key: Some(key), .. } => *key,
            Self::Json { key: None, .. } | Self::Binary { .. } => 0,
        }
    }

    /// How long the payload is, in bytes.
    #[must_use]
    pub const fn payload_bytes(&self) -> usize {
        match self {
            Self::Json { payload, .. } => payload.len(),
            Self::Binary { payload, .. } => payload.len(),
        }
    }
}

/// The form in which a receiver gets a message. Receivers of one shape share one encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A JSON text frame.
    Text(ProtocolVersion),
    /// A binary frame with the sender's payload untouched.
    Binary(ProtocolVersion),
    /// The same in an envelope that is an archive, for readers on version 3 that asked for it.
    Archive,
}

impl Shape {
    /// How many shapes there are.
    pub const COUNT: usize = 5;

    /// The form in which a reader of `dialect` gets game data; `format` is the encoding of binary data, `None` for JSON.
    #[must_use]
    pub fn of(format: Option<GameDataFormat>, dialect: Dialect) -> Self {
        if format != Some(dialect.format) {
            Self::Text(dialect.version)
        } else if dialect.reads_archives {
            Self::Archive
        } else {
            Self::Binary(dialect.version)
        }
    }

    /// The shape's place in a table of all shapes.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Text(ProtocolVersion::V2) => 0,
            Self::Text(ProtocolVersion::V3) => 1,
            Self::Binary(ProtocolVersion::V2) => 2,
            Self::Binary(ProtocolVersion::V3) => 3,
            Self::Archive => 4,
        }
    }
}

/// Why a payload cannot be told to a receiver of another format. The receiver must be told that something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undeliverable {
    /// The payload has no JSON form.
    #[error("the message_pack payload has no JSON form ({0})")]
    NotJson(NotJson),
    /// The format is opaque to the server.
    #[error("{} payloads cannot be converted; negotiate that format to receive them", .0.as_str())]
    Opaque(GameDataFormat),
}

impl OutgoingGameData<'_> {
    /// The form in which a receiver of `dialect` gets this message.
    #[must_use]
    pub fn shape_for(&self, dialect: Dialect) -> Shape {
        Shape::of(self.content.format(), dialect)
    }

    /// Encodes the frame of one shape.
    ///
    /// # Errors
    ///
    /// When the content has no such form.
    pub fn encode(&self, shape: Shape, frames: &mut FrameBuffer) -> Result<FrameSpan, Undeliverable> {
        match (self.content, shape) {
            (Content::Binary { payload, .. }, Shape::Archive) => Ok(frames.encode(Opcode::Binary, |out| {
                rkyv_envelope::write(out, self.sender, self.stamp, payload);
            })),
            (Content::Json { .. }, Shape::Archive) => self.encode(Shape::Text(ProtocolVersion::V3), frames),
            (Content::Json { payload, class, key }, Shape::Text(version) | Shape::Binary(version)) => {
                let class_and_key = Some((class, key)).filter(|_| version >= ProtocolVersion::V3);
                Ok(frames.encode(Opcode::Text, |out| {
                    self.write_text(version, class_and_key, out, |out| {
                        out.extend_from_slice(payload.as_bytes())
                    });
                }))
            }
            (Content::Binary { format, payload }, Shape::Binary(version)) => Ok(frames.encode(Opcode::Binary, |out| {
                match (version, format) {
                    (ProtocolVersion::V2, GameDataFormat::MessagePack) => {
                        message_pack::write_envelope(out, self.sender, format, payload, None);
                    }
                    // The protocol's own flaw: these version 2 receivers cannot tell who sent it.
                    (ProtocolVersion::V2, _) => out.extend_from_slice(payload),
                    (ProtocolVersion::V3, _) => {
                        message_pack::write_envelope(out, self.sender, format, payload, Some(self.stamp));
                    }
                }
            })),
            (
                Content::Binary {
                    format: GameDataFormat::MessagePack,
                    payload,
                },
                Shape::Text(version),
            ) => {
                let mut converted = Vec::new();
                message_pack::to_json(payload, &mut converted).map_err(Undeliverable::NotJson)?;
                Ok(frames.encode(Opcode::Text, |out| {
                    self.write_text(version, None, out, |out| out.extend_from_slice(&converted));
                }))
            }
            (Content::Binary { format, .. }, Shape::Text(_)) => Err(Undeliverable::Opaque(format)),
        }
    }

    fn write_text(
        &self,
        version: ProtocolVersion,
        class_and_key: Option<(Option<DeliveryClass>, Option<u32>)>,
        out: &mut Vec<u8>,
        write_payload: impl FnOnce(&mut Vec<u8>),
    ) {
        out.extend_from_slice(br#"{"type":"GameData","data":{"from_player":""#);
        out.extend_from_slice(self.sender.encode(&mut [0; 36]).as_bytes());
        out.extend_from_slice(br#"","data":"#);
        write_payload(out);
        if version >= ProtocolVersion::V3 {
            self.write_stamp(class_and_key, out);
        }
        out.extend_from_slice(b"}}");
    }

    fn write_stamp(&self, class_and_key: Option<(Option<DeliveryClass>, Option<u32>)>, out: &mut Vec<u8>) {
        use std::io::Write;
        const IN_MEMORY: &str = "writing to memory cannot fail";
        let (class, key) = class_and_key.unwrap_or_default();
        write!(out, r#","seq":{},"epoch":{}"#, self.stamp.seq, self.stamp.epoch).expect(IN_MEMORY);
        if let Some(class) = class {
            write!(out, r#","class":"{}""#, class.as_str()).expect(IN_MEMORY);
        }
        if let Some(key) = key {
            write!(out, r#","key":{key}"#).expect(IN_MEMORY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AL: PlayerId = PlayerId::from_bytes([0x11; 16]);
    const STAMP: Stamp = Stamp { epoch: 2, seq: 12 };

    fn json(payload: &str) -> OutgoingGameData<'_> {
        let content = Content::Json {
            payload,
            class: Some(DeliveryClass::Latest),
            key: Some(7),
        };
        OutgoingGameData {
            sender: AL,
            stamp: STAMP,
            content,
        }
    }

    fn packed(payload: &[u8]) -> OutgoingGameData<'_> {
        let content = Content::Binary {
            format: GameDataFormat::MessagePack,
            payload,
        };
        OutgoingGameData {
            sender: AL,
            stamp: STAMP,
            content,
        }
    }

    fn text_for(message: &OutgoingGameData<'_>, version: ProtocolVersion) -> String {
        let mut frames = FrameBuffer::default();
        let dialect = Dialect {
            version,
            format: GameDataFormat::Json,
            reads_archives: false,
        };
        let span = message
            .encode(message.shape_for(dialect), &mut frames)
            .expect("deliverable");
        let bytes = frames.bytes(&span);
        assert_eq!(bytes[0], 0x81, "a final text frame");
        let header = if bytes[1] < 126 { 2 } else { 4 };
        String::from_utf8(bytes[header..].to_vec()).expect("JSON is UTF-8")
    }

    #[test]
    fn json_is_spliced_byte_for_byte() {
        let odd = r#"{ "b":1, "a" : 1e2, "a":18446744073709551616 }"#;
        assert_eq!(
            text_for(&json(odd), ProtocolVersion::V2),
            format!(
                r#"{{"type":"GameData","data":{{"from_player":"11111111-1111-1111-1111-111111111111","data":{odd}}}}}"#
            )
        );
        assert_eq!(
            text_for(&json("null"), ProtocolVersion::V3),
            r#"{"type":"GameData","data":{"from_player":"11111111-1111-1111-1111-111111111111","data":null,"seq":12,"epoch":2,"class":"latest","key":7}}"#
        );
    }

    #[test]
    fn message_pack_is_enveloped_for_its_own_kind_and_converted_for_others() {
        let message = packed(&[0x81, 0xa1, b'x', 0x01]);
        let mut frames = FrameBuffer::default();
        let own = Dialect {
            version: ProtocolVersion::V2,
            format: GameDataFormat::MessagePack,
            reads_archives: false,
        };
        let span = message
            .encode(message.shape_for(own), &mut frames)
            .expect("deliverable");
        assert_eq!(frames.bytes(&span)[0], 0x82, "a final binary frame");
        assert_eq!(
            text_for(&message, ProtocolVersion::V2),
            r#"{"type":"GameData","data":{"from_player":"11111111-1111-1111-1111-111111111111","data":{"x":1}}}"#
        );
    }

    #[test]
    fn what_has_no_json_form_is_undeliverable_to_json_readers() {
        let message = packed(&[0xc4, 0x01, 0x00]);
        let shape = message.shape_for(Dialect::FLOOR);
        assert!(matches!(
            message.encode(shape, &mut FrameBuffer::default()),
            Err(Undeliverable::NotJson(_))
        ));
        let content = Content::Binary {
            format: GameDataFormat::Rkyv,
            payload: b"",
        };
        let message = OutgoingGameData {
            sender: AL,
            stamp: STAMP,
            content,
        };
        assert_eq!(
            message.encode(shape, &mut FrameBuffer::default()),
            Err(Undeliverable::Opaque(GameDataFormat::Rkyv))
        );
    }
}
