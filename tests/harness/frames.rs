//! WebSocket frames as a client writes and reads them. Independent of the server's own code, which is under test.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Deref;

use serde_json::Value;

use super::masked_frame::masked_frame;

/// What a client's frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// A frame from the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    Text(Message),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// Code, if any, and reason.
    Close(Option<u16>, String),
}

/// A JSON message: what it says, and how it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub value: Value,
    pub text: String,
}

impl Deref for Message {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.value
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A masked frame.
pub fn client_frame(opcode: Opcode, is_final: bool, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    masked_frame(opcode as u8 | if is_final { 0x80 } else { 0 }, payload, mask)
}

/// The payload of a close frame.
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason.as_bytes()].concat()
}

/// Takes the first whole frame off `bytes`.
///
/// # Panics
///
/// When the server sends what no server may send.
pub fn take_server_frame(bytes: &mut VecDeque<u8>) -> Option<Frame> {
    let head = bytes.make_contiguous();
    let (first, second) = (*head.first()?, *head.get(1)?);
    assert_eq!(second & 0x80, 0, "a server never masks");
    assert_eq!(
        first & 0xf0,
        0x80,
        "every server frame is whole, and no extension is negotiated"
    );
    let (header_bytes, payload_bytes) = match second {
        126 => (
            4,
            usize::from(u16::from_be_bytes(head.get(2..4)?.try_into().expect("two bytes"))),
        ),
        127 => (
            10,
            u64::from_be_bytes(head.get(2..10)?.try_into().expect("eight bytes")) as usize,
        ),
        short => (2, usize::from(short)),
    };
    let payload = head.get(header_bytes..header_bytes + payload_bytes)?.to_vec();
    bytes.drain(..header_bytes + payload_bytes);
    Some(match first & 0x0f {
        1 => {
            let text = String::from_utf8(payload).expect("text is UTF-8");
            let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"));
            Frame::Text(Message { value, text })
        }
        2 => Frame::Binary(payload),
        8 => match payload.split_first_chunk::<2>() {
            None => Frame::Close(None, String::new()),
            Some((code, reason)) => Frame::Close(
                Some(u16::from_be_bytes(*code)),
                String::from_utf8(reason.to_vec()).expect("a close reason is UTF-8"),
            ),
        },
        9 => Frame::Ping(payload),
        10 => Frame::Pong(payload),
        other => panic!("the server sent opcode {other}"),
    })
}
