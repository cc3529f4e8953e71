//! What clients write, and what they read with the randomness taken out.

use crate::harness::{MASK, masked_frame};

/// Random ids and codes, each written as its number in order of appearance.
#[derive(Default)]
pub struct Names {
    seen: Vec<Vec<u8>>,
}

impl Names {
    /// The same bytes with every id and every room code rewritten in place.
    pub fn mask(&mut self, bytes: &[u8]) -> Vec<u8> {
        const CODE: &[u8] = b"\"room_code\":\"";
        let is_id = |window: &[u8]| {
            window.iter().enumerate().all(|(index, byte)| match index {
                8 | 13 | 18 | 23 => *byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
        };
        let mut masked = bytes.to_vec();
        let mut at = 0;
        while at < masked.len() {
            if masked[at..].len() >= 36 && is_id(&masked[at..at + 36]) {
                self.rename(&mut masked[at..at + 36]);
                at += 36;
            } else if masked[at..].starts_with(CODE) && masked.len() >= at + CODE.len() + 6 {
                at += CODE.len();
                self.rename(&mut masked[at..at + 6]);
            } else {
                at += 1;
            }
        }
        masked
    }

    fn rename(&mut self, name: &mut [u8]) {
        let number = self.seen.iter().position(|seen| seen == name).unwrap_or_else(|| {
            self.seen.push(name.to_vec());
            self.seen.len() - 1
        });
        name.fill(b'#');
        name[0] = b'A' + (number % 26) as u8;
        name[1] = b'0' + (number / 26) as u8;
    }
}

/// A client's frame, masked.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    masked_frame(first, payload, MASK)
}

pub fn text(message: &str) -> Vec<u8> {
    frame(0x81, message.as_bytes())
}

pub fn join(game: &str, code: Option<&str>, name: &str) -> Vec<u8> {
    let code = code.map_or("null".to_owned(), |code| format!("\"{code}\""));
    text(&format!(
        r#"{{"type":"JoinRoom","data":{{"game_name":"{game}","player_name":"{name}","room_code":{code}}}}}"#
    ))
}

pub fn game_data(payload: &str) -> Vec<u8> {
    text(&format!(r#"{{"type":"GameData","data":{{"data":{payload}}}}}"#))
}
