//! How much a turn takes up before the rest waits for the next.

use std::time::Duration;

use super::super::kernel::Kernel;
use super::Pump;

/// Connections that end, and connections that are let go, in one turn. Of each a room is told, and a socket closed: up to 20 µs.
pub(super) const ENDS_PER_TURN: usize = 64;

/// How long a turn goes on taking up work, the sends that it has caused included. What is left waits for the next turn, which
/// first takes what has come meanwhile. Not shorter: where everybody is busy, the length of turns is what lets frames share
/// sends. With 8 ms 500 rooms of 4 at 30 Hz, a full core, waited 27 ms in the middle instead of 16 (`compare` of both).
const TURN_SPAN: Duration = Duration::from_millis(20);

/// Bytes put into outboxes after which a turn takes up no more work: a storm of newcomers to a large gallery reads a roster each.
const TURN_BYTES: u64 = 8 * 1024 * 1024;

/// What a send costs, roughly.
const SEND_SPAN: Duration = Duration::from_micros(5);

impl<K: Kernel> Pump<K> {
    /// Whether the turn has put enough into outboxes.
    pub(super) const fn is_full(&self) -> bool {
        self.shard.queued_bytes() - self.queued_before > TURN_BYTES
    }

    /// Whether the turn has gone on for long enough, or put enough into outboxes.
    pub(super) fn is_long(&self) -> bool {
        if self.is_full() {
            return true;
        }
        let sends = SEND_SPAN * u32::try_from(self.shard.to_flush()).unwrap_or(u32::MAX);
        self.kernel.moment().saturating_sub(self.turn_began) + sends > TURN_SPAN
    }
}
