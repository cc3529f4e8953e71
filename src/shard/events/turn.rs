//! A turn begins, and whether more of a connection may be served in it.

use crate::room::ConnectionKey;
use crate::shard::Shard;
use crate::shard::world::now::Now;

/// Whether the caller may go on serving bytes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "bytes that are served after a suspension are lost to the shard that the connection moves to, or unfair"]
pub enum Flow {
    /// Go on.
    Continue,
    /// Keep the bytes. The connection is about to move, and they are served where it arrives; or it waits for another shard,
    /// and they are served after the answer; or it or its room has used up its share of the turn, and they are served in the next.
    Suspend,
}

impl<L> Shard<L> {
    /// Whether more may be served after game data, which sends nobody away.
    pub(in crate::shard) const fn flow_of_data(&mut self) -> Flow {
        if self.turn.take_used_up() {
            Flow::Suspend
        } else {
            Flow::Continue
        }
    }

    pub(in crate::shard) fn flow(&mut self, at: ConnectionKey) -> Flow {
        if self.turn.take_used_up() || self.awaits_shard(at) {
            Flow::Suspend
        } else {
            Flow::Continue
        }
    }

    /// A turn has ended now, which took so long, longer by `gathered_us` if arrivals were let gather before it: all that was
    /// relayed and sent in it is noted as having taken that long, and what has happened to rooms is told.
    pub fn end_turn(&mut self, took_us: u64, gathered_us: u64, now: Now) {
        let counters = &self.post.counters;
        if self.load.note_turn(took_us, now.mono_us) {
            counters.busy_permille.set((self.load.busy() * 1e3) as u64);
        }
        counters.deliveries_enqueued.set(self.post.outgoing.queued_frames());
        self.timings
            .end_turn(took_us, gathered_us, counters.game_data_messages.get(), now.mono_us);
        if let Some(room_events) = &mut self.room_events {
            counters.room_events_dropped.add(room_events.end_turn());
        }
    }

    /// A turn begins: every room has its whole share of it.
    pub fn begin_turn(&mut self) {
        self.post.counters.turns.add(1);
        self.turn.begin();
        self.rooms.last_decisions().serve(None);
    }
}
