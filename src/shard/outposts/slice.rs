//! Telling an outpost's watchers what their room says, a slice of them at a time.

use crate::protocol::delivery::GapReason;
use crate::protocol::game_data::Shape;
use crate::protocol::{CloseCode, ProtocolVersion};
use crate::shard::exchange::bulletin::{Bulletin, Item};
use crate::shard::exchange::message::Consignment;
use crate::shard::exchange::outpost::{Outpost, Watching};
use crate::shard::outbox::{FrameMark, Lane};
use crate::shard::post::Post;
use crate::shard::world::settings::Settings;

/// Bytes that count as one frame at least.
const FRAME_BYTES: usize = 256;

impl<L> Post<L> {
    /// Tells the bulletins of an outpost's pass to as many watchers as so many frames allow, at least one. Returns how many
    /// frames that was.
    pub(super) fn tell_slice(&mut self, outpost: &mut Outpost, frames: usize, settings: &Settings) -> usize {
        let consignments: Vec<&Consignment> = outpost.pass().collect();
        let cost = |bulletin: &Bulletin| bulletin.items.len().max(bulletin.frame_bytes() / FRAME_BYTES);
        let cost: usize = consignments.iter().map(|known| cost(&known.bulletin)).sum();
        let untold = outpost.untold();
        let slice = &untold[..(frames / cost.max(1)).max(1).min(untold.len())];
        let mut deliveries = 0;
        for watching in slice {
            for consignment in &consignments {
                deliveries += self.tell_watcher(watching, &consignment.bulletin, consignment.posted_at_ms, settings);
            }
        }
        self.counters.deliveries.add(deliveries);
        let told = slice.len();
        outpost.note_told(told);
        (told * cost).max(1)
    }

    /// Tells one watcher a bulletin. Returns how many messages of players it got.
    fn tell_watcher(&mut self, to: &Watching, bulletin: &Bulletin, at_ms: u64, settings: &Settings) -> u64 {
        let (link, dialect) = (to.member.link, to.member.dialect);
        let is_accountable = dialect.version >= ProtocolVersion::V3;
        let mut deliveries = 0;
        for item in &bulletin.items {
            match item {
                Item::Data { origin, format, frames } => match &frames[Shape::of(*format, dialect).index()] {
                    Some(place) => {
                        let mark = FrameMark {
                            queued_at_ms: at_ms,
                            lane: Lane::Data,
                            origin: Some(*origin),
                        };
                        deliveries += u64::from(self.deliver_bytes(link, bulletin.frame(place), mark, settings));
                    }
                    None => {
                        self.counters.undeliverable.add(1);
                        if is_accountable {
                            self.miss(link, origin, GapReason::UnsupportedFormat);
                        }
                    }
                },
                Item::Missed { origin, reason } if is_accountable => {
                    self.counters.note_missed(*reason);
                    self.miss(link, origin, *reason);
                }
                // Version 2 knows no data that may be left out.
                Item::Missed { .. } => self.doom(link, CloseCode::SlowConsumer),
                Item::Notice { forms, except } => {
                    if *except != Some(to.player)
                        && let Some(place) = forms.of(dialect)
                    {
                        let mark = FrameMark::in_order(at_ms);
                        self.deliver_bytes(link, bulletin.frame(&place), mark, settings);
                    }
                }
                Item::Advice { forms, format } => {
                    if matches!(Shape::of(*format, dialect), Shape::Text(_))
                        && let Some(place) = forms.of(dialect)
                        && self.may_advise(link)
                    {
                        let mark = FrameMark::in_order(at_ms);
                        self.deliver_bytes(link, bulletin.frame(&place), mark, settings);
                    }
                }
            }
        }
        deliveries
    }
}
