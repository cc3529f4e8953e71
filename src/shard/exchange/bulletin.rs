//! What a room has to say in a turn, encoded once, for all its outposts together.

use std::mem::size_of;
use std::ops::Range;

use crate::protocol::delivery::GapReason;
use crate::protocol::game_data::Shape;
use crate::protocol::{DeliveryClass, Dialect, GameDataFormat, PlayerId, ProtocolVersion};
use crate::shard::outbox::FrameOrigin;

/// Where a frame lies in its bulletin.
type Place = Range<usize>;

/// Frames in the order in which they are told. Shared by reference once it is closed, and never changed then.
#[derive(Debug, Default)]
pub(in crate::shard) struct Bulletin {
    bytes: Vec<u8>,
    pub(in crate::shard) items: Vec<Item>,
}

/// One thing that is told.
#[derive(Debug, Clone)]
pub(in crate::shard) enum Item {
    /// A player's game data. A reader whose shape has no frame must be told that it misses something.
    Data {
        origin: FrameOrigin,
        format: Option<GameDataFormat>,
        frames: [Option<Place>; Shape::COUNT],
    },
    /// Game data that was left out because the outpost is behind.
    Missed { origin: FrameOrigin, reason: GapReason },
    /// A message of the server's own, for everybody but one.
    Notice { forms: Forms, except: Option<PlayerId> },
    /// The same for those whom game data of this format only reaches as text, as far as they want advice.
    Advice {
        forms: Forms,
        format: Option<GameDataFormat>,
    },
}

/// A message in the form of each version that is read.
#[derive(Debug, Clone, Default)]
pub(in crate::shard) struct Forms([Option<Place>; 2]);

impl Forms {
    pub(in crate::shard) fn of(&self, dialect: Dialect) -> Option<Place> {
        self.0[version_index(dialect.version)].clone()
    }
}

const fn version_index(version: ProtocolVersion) -> usize {
    match version {
        ProtocolVersion::V2 => 0,
        ProtocolVersion::V3 => 1,
    }
}

impl Bulletin {
    pub(in crate::shard) const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What it costs to keep, in bytes.
    pub(in crate::shard) const fn weight(&self) -> usize {
        self.bytes.capacity() + self.items.capacity() * size_of::<Item>()
    }

    /// How long all frames of all shapes are together.
    pub(in crate::shard) const fn frame_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(in crate::shard) fn frame(&self, place: &Place) -> &[u8] {
        &self.bytes[place.clone()]
    }

    fn keep(&mut self, frame: &[u8]) -> Place {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(frame);
        start..self.bytes.len()
    }

    /// Adds game data: a frame for each shape that is read at outposts and that the data has.
    pub(in crate::shard) fn add_data(
        &mut self,
        origin: FrameOrigin,
        format: Option<GameDataFormat>,
        frames: [Option<&[u8]>; Shape::COUNT],
    ) {
        let frames = frames.map(|frame| frame.map(|frame| self.keep(frame)));
        self.items.push(Item::Data { origin, format, frames });
    }

    pub(in crate::shard) fn add_notice(&mut self, forms: [Option<&[u8]>; 2], except: Option<PlayerId>) {
        let forms = Forms(forms.map(|frame| frame.map(|frame| self.keep(frame))));
        self.items.push(Item::Notice { forms, except });
    }

    pub(in crate::shard) fn add_advice(&mut self, forms: [Option<&[u8]>; 2], format: Option<GameDataFormat>) {
        let forms = Forms(forms.map(|frame| frame.map(|frame| self.keep(frame))));
        self.items.push(Item::Advice { forms, format });
    }

    /// The same without what may be left out; that it is missing is told instead.
    pub(in crate::shard) fn thinned(&self) -> Self {
        let mut thin = Self::default();
        for item in &self.items {
            let mut keep = |place: &Option<Place>| place.as_ref().map(|place| thin.keep(self.frame(place)));
            let item = match item {
                Item::Data { origin, format, frames } => match left_out_as(origin.class) {
                    Some(reason) => Item::Missed {
                        origin: *origin,
                        reason,
                    },
                    None => Item::Data {
                        origin: *origin,
                        format: *format,
                        frames: std::array::from_fn(|shape| keep(&frames[shape])),
                    },
                },
                Item::Notice { forms, except } => Item::Notice {
                    forms: Forms(std::array::from_fn(|version| keep(&forms.0[version]))),
                    except: *except,
                },
                Item::Advice { forms, format } => Item::Advice {
                    forms: Forms(std::array::from_fn(|version| keep(&forms.0[version]))),
                    format: *format,
                },
                missed @ Item::Missed { .. } => missed.clone(),
            };
            thin.items.push(item);
        }
        thin
    }
}

/// As what a message is reported that is left out; `None` if it may not be.
const fn left_out_as(class: DeliveryClass) -> Option<GapReason> {
    match class {
        DeliveryClass::Reliable => None,
        DeliveryClass::Latest => Some(GapReason::LatestDroppedFull),
        DeliveryClass::Volatile => Some(GapReason::VolatileDropped),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(seq: u64, class: DeliveryClass) -> FrameOrigin {
        FrameOrigin {
            sender: PlayerId::from_bytes([1; 16]),
            epoch: 1,
            seq,
            class,
            key: 0,
        }
    }

    #[test]
    fn thinning_leaves_out_what_may_be_and_names_it_and_keeps_the_rest_in_order() {
        let mut bulletin = Bulletin::default();
        let mut read: [Option<&[u8]>; Shape::COUNT] = [None; Shape::COUNT];
        read[1] = Some(b"said");
        bulletin.add_data(origin(1, DeliveryClass::Volatile), None, read);
        bulletin.add_notice([None, Some(b"notice")], None);
        bulletin.add_data(origin(2, DeliveryClass::Reliable), None, read);
        bulletin.add_data(origin(3, DeliveryClass::Latest), None, read);
        let thin = bulletin.thinned();
        assert!(thin.weight() < bulletin.weight());
        let told: Vec<_> = thin
            .items
            .iter()
            .map(|item| match item {
                Item::Data { origin, frames, .. } => {
                    (origin.seq, frames[1].as_ref().map(|place| thin.frame(place)), None)
                }
                Item::Notice { forms, .. } => {
                    let v3 = Dialect::unnegotiated(ProtocolVersion::V3);
                    (0, forms.of(v3).map(|place| thin.frame(&place)), None)
                }
                Item::Missed { origin, reason } => (origin.seq, None, Some(*reason)),
                Item::Advice { .. } => unreachable!("none was given"),
            })
            .collect();
        assert_eq!(
            told,
            [
                (1, None, Some(GapReason::VolatileDropped)),
                (0, Some(&b"notice"[..]), None),
                (2, Some(&b"said"[..]), None),
                (3, None, Some(GapReason::LatestDroppedFull)),
            ]
        );
    }
}
