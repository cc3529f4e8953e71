//! Game data: the one message that is hot. Located by scanning, its payload is a slice of the frame.

use std::borrow::Cow;

use super::malformed::MalformedMessage;
use crate::protocol::json::Scanner;
use crate::protocol::tokens::DeliveryClass;

/// Game data as it stands in the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GameData<'a> {
    /// The value under `data`, byte for byte: valid JSON that opens at most 125 containers at once.
    pub payload: &'a str,
    /// `class` as given; which pairings with `key` and which versions may give it is judged by the session.
    pub class: Option<DeliveryClass>,
    /// `key` as given.
    pub key: Option<u32>,
}

/// The containers around the payload: the envelope and its `data`.
const OPEN: u32 = 2;

/// How nearly every client begins game data: a frame that starts so has said its tag and stands before the payload.
pub(super) const USUAL_START: &str = r#"{"type":"GameData","data":{"data":"#;

/// Reads the payload of a `GameData` message.
#[inline]
pub(super) fn read<'a>(scanner: &mut Scanner<'a>) -> Result<GameData<'a>, MalformedMessage> {
    let first = scanner.first_key()?;
    read_members(scanner, first)
}

/// Reads on behind [`USUAL_START`].
#[inline]
pub(super) fn read_usual<'a>(scanner: &mut Scanner<'a>) -> Result<GameData<'a>, MalformedMessage> {
    read_members(scanner, Some(Cow::Borrowed("data")))
}

/// Reads the members of the payload from the one whose key `name` has just been consumed.
#[inline]
fn read_members<'a>(
    scanner: &mut Scanner<'a>,
    mut name: Option<Cow<'a, str>>,
) -> Result<GameData<'a>, MalformedMessage> {
    let mut payload = None;
    let mut class = None;
    let mut replace_key = None;
    while let Some(member) = name {
        // A second value for a known member refuses the frame.
        let repeated = match &*member {
            "data" => payload.replace(scanner.value(OPEN)?).is_some(),
            "class" => {
                let token = scanner.string()?.decode();
                class
                    .replace(DeliveryClass::from_token(&token).ok_or(MalformedMessage)?)
                    .is_some()
            }
            "key" => replace_key.replace(unsigned(scanner.value(OPEN)?)?).is_some(),
            _ => {
                scanner.value(OPEN)?;
                false
            }
        };
        if repeated {
            return Err(MalformedMessage);
        }
        name = scanner.next_key()?;
    }
    let payload = payload.ok_or(MalformedMessage)?;
    Ok(GameData {
        payload,
        class,
        key: replace_key,
    })
}

/// The integer that a valid JSON value spells, if it is one without sign, fraction and exponent and fits.
fn unsigned(raw: &str) -> Result<u32, MalformedMessage> {
    // `str::parse` would take a plus sign; JSON has none, so the value cannot start with one.
    raw.parse().map_err(|_| MalformedMessage)
}
