//! The envelope `{"type": …, "data": …}`, in any key order, at the top of a frame and inside a room operation.

use std::borrow::Cow;

use serde::Deserialize;

use super::game_data::{self, GameData};
use super::malformed::MalformedMessage;
use crate::protocol::json::Scanner;

/// An envelope: its tag, and where its payload is.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub(super) tag: Cow<'a, str>,
    pub(super) data: Data<'a>,
}

/// The value under `data`, valid JSON whatever it is.
#[derive(Debug)]
pub(super) enum Data<'a> {
    Absent,
    /// Game data, read in the same pass because its tag came first.
    GameData(GameData<'a>),
    Raw(&'a str),
}

impl<'a> Data<'a> {
    /// `message`, which takes no payload: `data` must be absent or `null`.
    pub(super) fn none<M>(&self, message: M) -> Result<M, MalformedMessage> {
        match self {
            Self::Absent | Self::Raw("null") => Ok(message),
            Self::Raw(_) | Self::GameData(_) => Err(MalformedMessage),
        }
    }

    /// The payload, which must be an object with the fields of `T`.
    pub(super) fn object<T: Deserialize<'a>>(&self) -> Result<T, MalformedMessage> {
        match self {
            Self::Raw(raw) => object(raw),
            Self::Absent | Self::GameData(_) => Err(MalformedMessage),
        }
    }
}

/// Decodes validated JSON that must be an object: derived decoders alone would take an array of the fields as well.
pub(super) fn object<'a, T: Deserialize<'a>>(raw: &'a str) -> Result<T, MalformedMessage> {
    if !raw.starts_with('{') {
        return Err(MalformedMessage);
    }
    serde_json::from_str(raw).map_err(|_| MalformedMessage)
}

/// Reads an envelope. The whole of it is valid JSON when this returns.
#[inline]
pub(super) fn read<'a>(scanner: &mut Scanner<'a>) -> Result<Envelope<'a>, MalformedMessage> {
    let mut tag = None;
    let mut data = Data::Absent;
    let mut key = if scanner.skip(game_data::USUAL_START) {
        tag = Some(Cow::Borrowed("GameData"));
        data = Data::GameData(game_data::read_usual(scanner)?);
        scanner.next_key()?
    } else {
        scanner.first_key()?
    };
    while let Some(name) = key {
        match &*name {
            "type" => {
                if tag.is_some() {
                    return Err(MalformedMessage);
                }
                tag = Some(scanner.string()?.decode());
            }
            "data" => {
                if !matches!(data, Data::Absent) {
                    return Err(MalformedMessage);
                }
                data = if tag.as_deref() == Some("GameData") {
                    Data::GameData(game_data::read(scanner)?)
                } else {
                    Data::Raw(scanner.value(1)?)
                };
            }
            _ => {
                scanner.value(1)?;
            }
        }
        key = scanner.next_key()?;
    }
    let tag = tag.ok_or(MalformedMessage)?;
    Ok(Envelope { tag, data })
}
