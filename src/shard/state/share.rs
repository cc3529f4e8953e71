//! What a room may take of one turn, so that a busy one does not keep the others waiting.
//!
//! A turn serves, and then offers to every socket what it owes it. A room whose members say more than its share is not served
//! further, no member of it, until what it has queued was offered: so nobody's queue grows by more than a share, and a
//! message, before its socket was asked. Its members' bytes wait where they are, and whoever waited longest goes first.

/// Bytes that one room may put into outboxes in one turn, with [`FRAME_COST_BYTES`] for each frame. At 64-byte messages some
/// 1,200 deliveries, 0.2 to 0.4 ms of a shard's time (`docs/performance.md`).
pub(in crate::shard) const SHARE_BYTES: usize = 256 * 1024;

/// What queuing a frame costs beside its bytes: however small they are, frames take time and places in an index.
pub(in crate::shard) const FRAME_COST_BYTES: usize = 64;

/// The shard's current turn.
#[derive(Debug, Default)]
pub(in crate::shard) struct TurnShares {
    number: u64,
    /// Whether the message that is being served has used its room's share up.
    is_used_up: bool,
}

/// What a room has taken.
#[derive(Debug, Default)]
pub(in crate::shard) struct Share {
    turn: u64,
    bytes: usize,
}

impl TurnShares {
    /// The next turn begins: everybody has a whole share again.
    pub(in crate::shard) const fn begin(&mut self) {
        self.number += 1;
    }

    /// Notes that a room has put so many bytes into outboxes.
    pub(in crate::shard) const fn charge(&mut self, share: &mut Share, bytes: usize) {
        if share.turn != self.number {
            *share = Share {
                turn: self.number,
                bytes: 0,
            };
        }
        share.bytes = share.bytes.saturating_add(bytes);
        self.is_used_up = share.bytes > SHARE_BYTES;
    }

    /// Whether a room has used up its share.
    pub(in crate::shard) const fn has_used_up(&self, share: &Share) -> bool {
        share.turn == self.number && share.bytes > SHARE_BYTES
    }

    /// Whether the message that was served last has used its room's share up. Asked once per message.
    pub(in crate::shard) const fn take_used_up(&mut self) -> bool {
        std::mem::replace(&mut self.is_used_up, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_lasts_for_a_turn_and_is_whole_in_the_next() {
        let (mut turn, mut busy, mut calm) = (TurnShares::default(), Share::default(), Share::default());
        turn.begin();
        turn.charge(&mut busy, SHARE_BYTES);
        assert!(!turn.take_used_up() && !turn.has_used_up(&busy));
        turn.charge(&mut busy, 1);
        assert!(turn.take_used_up() && !turn.take_used_up());
        assert!(turn.has_used_up(&busy));
        turn.charge(&mut calm, 1);
        assert!(
            !turn.take_used_up() && !turn.has_used_up(&calm),
            "each room has its own"
        );
        turn.begin();
        assert!(!turn.has_used_up(&busy));
        turn.charge(&mut busy, SHARE_BYTES);
        assert!(!turn.take_used_up());
    }
}
