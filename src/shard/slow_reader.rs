//! What is spared a reader on version 3 that falls behind: `latest` values that newer ones replace, and `volatile` data.
//!
//! A reader that keeps up gets everything. One whose socket is full is spared what its senders said may be left out, and is
//! told exactly what; only when what must not be left out piles up is it closed. Version 2 has no such classes: everything
//! is as good as reliable there.

use super::connection::Connection;
use super::outbox::FrameOrigin;
use super::post::is_full;
use super::{CounterSet, Settings};
use crate::protocol::DeliveryClass;
use crate::protocol::delivery::GapReason;

/// Gaps that a reader may have been told, or have to be told, since its queue was last empty. A published client keeps up
/// to 1,024 until later data explains them; who has more holes than fit is beyond being told.
pub(super) const MAX_GAPS: usize = 768;

/// What becomes of a message for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It can be queued.
    Clear,
    /// It is left out; the reader must be told.
    Missed(GapReason),
    /// It must not be left out and there is no room: close the reader.
    Blocked,
}

/// Makes room for a message of `bytes`, by taking back older ones that may be left out.
pub(super) fn make_way<L>(
    connection: &mut Connection<L>,
    origin: &FrameOrigin,
    bytes: usize,
    settings: &Settings,
    counters: &CounterSet,
) -> Way {
    let is_behind = connection.stalled_since_ms.is_some();
    // Within a turn nothing is superseded: a report would be longer than the frame that it replaces.
    if is_behind && origin.class == DeliveryClass::Latest && connection.outbox.supersede(origin) {
        connection.account.note_missed(DeliveryClass::Latest, true);
        counters.note_missed(GapReason::LatestSuperseded);
    }
    loop {
        let has_no_bytes = is_full(&connection.outbox, bytes, settings);
        let has_no_place = is_behind && connection.outbox.unsent_frames() >= settings.delivery.droppable_frames;
        let is_in_the_way = match origin.class {
            DeliveryClass::Reliable => has_no_bytes,
            DeliveryClass::Latest | DeliveryClass::Volatile => has_no_bytes || has_no_place,
        };
        if !is_in_the_way {
            return if connection.outbox.gaps_outstanding() > MAX_GAPS {
                Way::Blocked
            } else {
                Way::Clear
            };
        }
        if !connection.outbox.evict_oldest_volatile() {
            return match origin.class {
                DeliveryClass::Reliable => Way::Blocked,
                DeliveryClass::Latest => Way::Missed(GapReason::LatestDroppedFull),
                DeliveryClass::Volatile => Way::Missed(GapReason::VolatileDropped),
            };
        }
        connection.account.note_missed(DeliveryClass::Volatile, true);
        counters.note_missed(GapReason::VolatileDropped);
    }
}
