//! The index of a bulletin: what is told, to whom, and which of the frames tell it.
//!
//! An archive that is read in place, perhaps elsewhere one day: numbers have the same size everywhere, frames are named by
//! where they lie, and nothing is said that only this process could understand. Promises that formats, classes and reasons
//! keep their codes: a test holds them.

use crate::protocol::delivery::GapReason;
use crate::protocol::game_data::Shape;
use crate::protocol::{GameDataFormat, PlayerId, ProtocolVersion};
use crate::shard::outbox::FrameOrigin;

/// What lies behind the frames, and ends the bulletin.
#[derive(Debug, rkyv::Archive, rkyv::Serialize)]
pub(super) struct Index<'a> {
    /// How long all frames are together.
    pub(super) frame_bytes: u32,
    /// In the order in which they are told.
    #[rkyv(with = rkyv::with::InlineAsBox)]
    pub(super) items: &'a [Item],
}

/// One thing that is told.
#[derive(Debug, Clone, rkyv::Archive, rkyv::Serialize)]
pub(super) enum Item {
    /// A player's game data. A reader whose shape has no frame must be told that it misses something.
    Data {
        origin: FrameOrigin,
        format: Option<GameDataFormat>,
        frames: [Option<Span>; Shape::COUNT],
    },
    /// Game data that was left out because the outpost is behind.
    Missed { origin: FrameOrigin, reason: GapReason },
    /// A message of the server's own, for everybody but one.
    Notice {
        forms: [Option<Span>; 2],
        except: Option<PlayerId>,
    },
    /// The same for those whom game data of this format only reaches as text, as far as they want advice.
    Advice {
        forms: [Option<Span>; 2],
        format: Option<GameDataFormat>,
    },
}

/// Where a frame lies, in bytes from the first of the bulletin.
#[derive(Debug, Clone, Copy, rkyv::Archive, rkyv::Serialize)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// The place of a version's form among those of a message.
pub(super) const fn form_of(version: ProtocolVersion) -> usize {
    match version {
        ProtocolVersion::V2 => 0,
        ProtocolVersion::V3 => 1,
    }
}

impl ArchivedItem {
    /// Where all its frames lie.
    pub(super) fn spans(&self) -> impl Iterator<Item = &ArchivedSpan> {
        let spans = match self {
            Self::Data { frames, .. } => &frames[..],
            Self::Missed { .. } => &[],
            Self::Notice { forms, .. } | Self::Advice { forms, .. } => &forms[..],
        };
        spans.iter().filter_map(|span| span.as_ref())
    }
}
