//! A bulletin that home still adds to.

use crate::protocol::delivery::GapReason;
use crate::protocol::game_data::Shape;
use crate::protocol::{DeliveryClass, GameDataFormat, PlayerId};
use crate::shard::exchange::bulletin::closed::Bulletin;
use crate::shard::exchange::bulletin::index::{Item, Span};
use crate::shard::outbox::FrameOrigin;

/// Frames in the order in which they are told.
#[derive(Debug, Default)]
pub(in crate::shard) struct OpenBulletin {
    frames: Vec<u8>,
    items: Vec<Item>,
}

impl OpenBulletin {
    pub(in crate::shard) const fn is_empty(&self) -> bool {
        self.items.is_empty()
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

    /// Adds a message of the server's own, in the form of each version that is read.
    pub(in crate::shard) fn add_notice(&mut self, forms: [Option<&[u8]>; 2], except: Option<PlayerId>) {
        let forms = forms.map(|frame| frame.map(|frame| self.keep(frame)));
        self.items.push(Item::Notice { forms, except });
    }

    /// Adds one for those who read only text of game data of a format.
    pub(in crate::shard) fn add_advice(&mut self, forms: [Option<&[u8]>; 2], format: Option<GameDataFormat>) {
        let forms = forms.map(|frame| frame.map(|frame| self.keep(frame)));
        self.items.push(Item::Advice { forms, format });
    }

    /// What was said so far, for outposts.
    pub(in crate::shard) fn closed(&self) -> Bulletin {
        Bulletin::of(&self.frames, &self.items)
    }

    /// The same without what may be left out; that it is missing is told instead.
    pub(in crate::shard) fn thinned(&self) -> Self {
        let mut thin = Self::default();
        for item in &self.items {
            let item = match item {
                Item::Data { origin, format, frames } => match left_out_as(origin.class) {
                    Some(reason) => Item::Missed {
                        origin: *origin,
                        reason,
                    },
                    None => Item::Data {
                        origin: *origin,
                        format: *format,
                        frames: thin.keep_all(frames, self),
                    },
                },
                Item::Missed { origin, reason } => Item::Missed {
                    origin: *origin,
                    reason: *reason,
                },
                Item::Notice { forms, except } => Item::Notice {
                    forms: thin.keep_all(forms, self),
                    except: *except,
                },
                Item::Advice { forms, format } => Item::Advice {
                    forms: thin.keep_all(forms, self),
                    format: *format,
                },
            };
            thin.items.push(item);
        }
        thin
    }

    fn keep(&mut self, frame: &[u8]) -> Span {
        let start = self.end();
        self.frames.extend_from_slice(frame);
        Span { start, end: self.end() }
    }

    fn keep_all<const N: usize>(&mut self, spans: &[Option<Span>; N], from: &Self) -> [Option<Span>; N] {
        spans.map(|span| span.map(|span| self.keep(&from.frames[span.start as usize..span.end as usize])))
    }

    fn end(&self) -> u32 {
        u32::try_from(self.frames.len()).expect("a turn has no time to say 4 GiB")
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
