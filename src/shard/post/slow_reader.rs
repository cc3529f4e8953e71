//! What becomes of a reader that falls behind: what it is spared, and when it has too much waiting.
//!
//! A reader that keeps up gets everything, and so does one whose socket was not yet asked: nobody is spared anything, or
//! closed, for bytes that its socket was not offered. One whose socket is full is spared, on version 3, what its senders said may be
//! left out, and is told exactly what. Once more waits than may, whatever may be left out makes way for whatever may not;
//! only when that is not enough is it closed. Version 2 has no such classes: everything is as good as reliable there.

use crate::protocol::delivery::GapReason;
use crate::protocol::{DeliveryClass, ProtocolVersion};
use crate::shard::outbox::{FrameOrigin, Outbox};
use crate::shard::state::connection::Connection;
use crate::shard::world::counters::CounterSet;
use crate::shard::world::settings::Settings;

/// Gaps that a reader may have to be told, or was told and keeps: a told one counts until later data of its sender has left. A
/// published client keeps up to 1,024; who has more holes than fit is beyond being told.
pub(in crate::shard) const MAX_GAPS: usize = 768;

/// Decides about a message for a reader on version 3 that is behind: queued (`None`), or left out and why. Older ones that
/// may be left out make way for it.
pub(in crate::shard) fn spare<L>(
    connection: &mut Connection<L>,
    origin: &FrameOrigin,
    bytes: usize,
    settings: &Settings,
    counters: &CounterSet,
) -> Option<GapReason> {
    // Only of a reader that is behind: otherwise a report would be longer than the frame that it replaces.
    if origin.class == DeliveryClass::Latest && connection.outbox.supersede(origin) {
        connection.account.note_missed(DeliveryClass::Latest, true);
        counters.note_missed(GapReason::LatestSuperseded);
    }
    let left_out_as = match origin.class {
        DeliveryClass::Reliable => return None,
        DeliveryClass::Latest => GapReason::LatestDroppedFull,
        DeliveryClass::Volatile => GapReason::VolatileDropped,
    };
    while is_full(&connection.outbox, bytes, settings)
        || connection.outbox.unsent_frames() >= settings.delivery.droppable_frames
    {
        if !connection.outbox.evict_oldest_volatile() {
            return Some(left_out_as);
        }
        connection.account.note_missed(DeliveryClass::Volatile, true);
        counters.note_missed(GapReason::VolatileDropped);
    }
    None
}

/// Whether more waits for a reader than may, or more holes than it can be told of. A single frame is never too much.
pub(in crate::shard) fn has_too_much<L>(connection: &Connection<L>, settings: &Settings) -> bool {
    let outbox = &connection.outbox;
    (is_full(outbox, 0, settings) && outbox.unsent_frames() > 1) || outbox.gaps_outstanding() > MAX_GAPS
}

/// Judges a reader whose socket was just offered what waits and did not take it: what may be left out makes way. Says
/// whether too much waits all the same: then it must be closed.
pub(in crate::shard) fn is_beyond_help<L>(
    connection: &mut Connection<L>,
    settings: &Settings,
    counters: &CounterSet,
) -> bool {
    let is_accountable = connection.session.dialect().version >= ProtocolVersion::V3;
    while has_too_much(connection, settings) {
        let evicted = if is_accountable {
            connection.outbox.evict_oldest_droppable()
        } else {
            None
        };
        let Some((class, reason)) = evicted else { return true };
        connection.account.note_missed(class, true);
        counters.note_missed(reason);
    }
    false
}

/// Whether so many bytes more are too many. A single frame always fits: the cap is on what piles up.
fn is_full(outbox: &Outbox, bytes: usize, settings: &Settings) -> bool {
    outbox.unsent_bytes() > 0 && outbox.weight_bytes_with(bytes) > settings.outbox.max_bytes
}
