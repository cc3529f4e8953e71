//! Telling an outpost's watchers what their room says, a slice of them at a time.

use crate::protocol::delivery::GapReason;
use crate::protocol::{CloseCode, ProtocolVersion};
use crate::shard::exchange::bulletin::closed::{BulletinView, Told};
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
        let views: Vec<_> = outpost
            .pass()
            .map(|in_flight| (in_flight.read(), in_flight.posted_at_ms()))
            .collect();
        let cost = |view: &BulletinView<'_>| view.len().max(view.frame_bytes() / FRAME_BYTES);
        let cost: usize = views.iter().map(|(view, _)| cost(view)).sum();
        let untold = outpost.untold();
        let slice = &untold[..(frames / cost.max(1)).max(1).min(untold.len())];
        let mut deliveries = 0;
        for watching in slice {
            for (view, posted_at_ms) in &views {
                deliveries += self.tell_watcher(watching, *view, *posted_at_ms, settings);
            }
        }
        self.counters.deliveries.add(deliveries);
        let told = slice.len();
        outpost.note_told(told);
        (told * cost).max(1)
    }

    /// Tells one watcher a bulletin. Returns how many messages of players it got.
    fn tell_watcher(&mut self, to: &Watching, view: BulletinView<'_>, at_ms: u64, settings: &Settings) -> u64 {
        let (link, dialect) = (to.member.connection, to.member.dialect);
        let is_accountable = dialect.version >= ProtocolVersion::V3;
        let in_order = FrameMark::in_order(at_ms);
        let mut deliveries = 0;
        for told in view.told_to(to.player, dialect) {
            if let Told::Data { origin, .. } | Told::Unreadable { origin } | Told::Missed { origin, .. } = &told {
                self.counters.game_data[origin.class as usize].attempted.add(1);
            }
            match told {
                Told::Data { origin, frame } => {
                    let mark = FrameMark {
                        queued_at_ms: at_ms,
                        lane: Lane::Data,
                        origin: Some(origin),
                    };
                    deliveries += u64::from(self.deliver_bytes(link, frame, &mark, settings));
                }
                Told::Unreadable { origin } => {
                    self.counters.undeliverable.add(1);
                    if is_accountable {
                        self.miss(link, &origin, GapReason::UnsupportedFormat);
                    }
                }
                Told::Missed { origin, reason } if is_accountable => {
                    self.counters.note_missed(reason);
                    self.miss(link, &origin, reason);
                }
                // Version 2 knows no data that may be left out.
                Told::Missed { origin, .. } => {
                    self.counters.game_data[origin.class as usize].abandoned.add(1);
                    self.mark_for_close(link, CloseCode::SlowConsumer);
                }
                Told::Notice { frame } => {
                    self.deliver_bytes(link, frame, &in_order, settings);
                }
                Told::Advice { frame } => {
                    if self.may_advise(link) {
                        self.deliver_bytes(link, frame, &in_order, settings);
                    }
                }
            }
        }
        deliveries
    }
}
