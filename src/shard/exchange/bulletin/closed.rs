//! A bulletin on its way: one piece of memory, shared by reference, read where it lies.
//!
//! Frames, and behind them the [index](super::index) of what they tell: an archive in little-endian order, aligned to
//! [`ALIGNMENT`] counted from the first frame. Nothing in it depends on this process. Whoever gets such bytes from
//! elsewhere copies them to where they are aligned (an `AlignedVec` is) before they are read; what is damaged, or not
//! aligned, is refused. Must never panic over bytes, whatever they are.

use std::convert::Infallible;
use std::mem::size_of;

use bytes::Bytes;
use rkyv::api::{deserialize_using, low};
use rkyv::rancor::{Error, Failure, Strategy};
use rkyv::util::AlignedVec;

use super::index::{ArchivedIndex, ArchivedItem, ArchivedSpan, Index, Item, form_of};
use crate::protocol::delivery::GapReason;
use crate::protocol::game_data::Shape;
use crate::protocol::{Dialect, PlayerId};
use crate::shard::outbox::FrameOrigin;

/// What a bulletin's first byte must be aligned to.
const ALIGNMENT: usize = align_of::<ArchivedItem>();

/// A closed bulletin.
#[derive(Debug, Clone)]
pub(in crate::shard) struct Bulletin(Bytes);

/// A bulletin that was found to be whole.
#[derive(Clone, Copy)]
pub(in crate::shard) struct BulletinView<'a> {
    bytes: &'a [u8],
    index: &'a ArchivedIndex<'a>,
}

/// These bytes are no bulletin.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::shard) struct Damaged;

/// What one reader is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) enum Told<'a> {
    /// A player's game data.
    Data { origin: FrameOrigin, frame: &'a [u8] },
    /// Game data that has no form which this reader reads.
    Unreadable { origin: FrameOrigin },
    /// Game data that was left out because the outpost is behind.
    Missed { origin: FrameOrigin, reason: GapReason },
    /// A message of the server's own.
    Notice { frame: &'a [u8] },
    /// The same, unless the reader wants no advice.
    Advice { frame: &'a [u8] },
}

impl Bulletin {
    pub(super) fn of(frames: &[u8], items: &[Item]) -> Self {
        Self(Bytes::from_owner(archive(frames, items)))
    }

    /// What it costs to keep, in bytes.
    pub(in crate::shard) fn weight_bytes(&self) -> usize {
        self.0.len()
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Looks whether it is whole, which takes a few nanoseconds for each item, and reads it then.
    pub(in crate::shard) fn read(&self) -> BulletinView<'_> {
        BulletinView::of(&self.0).expect("closed here, and nobody writes to it")
    }
}

/// A bulletin's bytes, in a piece of memory that is just as large.
pub(super) fn archive(frames: &[u8], items: &[Item]) -> AlignedVec<ALIGNMENT> {
    let index = Index {
        frame_bytes: u32::try_from(frames.len()).expect("an open bulletin has less than 4 GiB"),
        items,
    };
    let items_bytes = items.len() * size_of::<ArchivedItem>();
    let frames_end = frames.len().next_multiple_of(ALIGNMENT);
    let mut bytes = AlignedVec::with_capacity(frames_end + items_bytes + size_of::<ArchivedIndex<'_>>());
    bytes.extend_from_slice(frames);
    rkyv::api::high::to_bytes_in::<_, Error>(&index, bytes).expect("an index spans less than 2 GiB")
}

impl<'a> BulletinView<'a> {
    /// Reads bytes that may have come from elsewhere.
    pub(super) fn of(bytes: &'a [u8]) -> Result<Self, Damaged> {
        let index = low::access::<ArchivedIndex<'a>, Failure>(bytes).map_err(|_| Damaged)?;
        let frame_bytes = index.frame_bytes.to_native();
        let is_within = |span: &ArchivedSpan| span.start <= span.end && span.end.to_native() <= frame_bytes;
        let is_whole =
            frame_bytes as usize <= bytes.len() && index.items.iter().flat_map(ArchivedItem::spans).all(is_within);
        if is_whole {
            Ok(Self { bytes, index })
        } else {
            Err(Damaged)
        }
    }

    /// How many things are told.
    pub(in crate::shard) fn len(&self) -> usize {
        self.index.items.len()
    }

    /// How long all frames of all shapes are together.
    pub(in crate::shard) const fn frame_bytes(&self) -> usize {
        self.index.frame_bytes.to_native() as usize
    }

    /// What a reader is told, in order.
    pub(in crate::shard) fn told_to(self, player: PlayerId, dialect: Dialect) -> impl Iterator<Item = Told<'a>> {
        let index: &'a ArchivedIndex<'a> = self.index;
        index.items.iter().filter_map(move |item| match item {
            ArchivedItem::Data { origin, format, frames } => {
                let span = frames[Shape::of(native(format), dialect).index()].as_ref();
                let origin = native(origin);
                Some(span.map_or(Told::Unreadable { origin }, |span| Told::Data {
                    origin,
                    frame: self.frame(span),
                }))
            }
            ArchivedItem::Missed { origin, reason } => Some(Told::Missed {
                origin: native(origin),
                reason: native(reason),
            }),
            ArchivedItem::Notice { forms, except } => {
                let span = forms[form_of(dialect.version)].as_ref();
                let span = span.filter(|_| native::<Option<PlayerId>>(except) != Some(player));
                span.map(|span| Told::Notice {
                    frame: self.frame(span),
                })
            }
            ArchivedItem::Advice { forms, format } => {
                let span = forms[form_of(dialect.version)].as_ref();
                let span = span.filter(|_| matches!(Shape::of(native(format), dialect), Shape::Text(_)));
                span.map(|span| Told::Advice {
                    frame: self.frame(span),
                })
            }
        })
    }

    fn frame(self, span: &ArchivedSpan) -> &'a [u8] {
        &self.bytes[span.start.to_native() as usize..span.end.to_native() as usize]
    }
}

/// The value that an archived one stands for.
fn native<T>(archived: &T::Archived) -> T
where
    T: rkyv::Archive,
    T::Archived: rkyv::Deserialize<T, Strategy<(), Infallible>>,
{
    let Ok(value) = deserialize_using::<T, (), Infallible>(archived, &mut ());
    value
}
