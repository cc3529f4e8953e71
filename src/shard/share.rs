//! What a room may take of one turn, so that a busy one does not keep the others waiting.
//!
//! A turn serves everything that is ready and then sends. A room whose members say more than its share stops being served
//! until what the turn has for everybody else has been sent; its members' bytes wait where they are. A room that is alone in
//! its turn keeps nobody waiting and is not stopped.

/// Bytes that one room may put into outboxes in one turn before the others get theirs. At 64-byte messages some 1,700
/// deliveries, 0.3 to 0.5 ms of a shard's time (`docs/performance.md`).
pub(super) const SHARE_BYTES: usize = 256 * 1024;

/// The shard's current turn.
#[derive(Debug, Default)]
pub(super) struct Turn {
    number: u64,
    rooms_served: usize,
    /// Whether the message that is being served has used its room's share up.
    is_used_up: bool,
}

/// What a room has taken.
#[derive(Debug, Default)]
pub(super) struct Share {
    turn: u64,
    bytes: usize,
}

impl Turn {
    /// The next turn begins: everybody has a whole share again.
    pub(super) const fn begin(&mut self) {
        self.number += 1;
        self.rooms_served = 0;
    }

    /// Everybody has a whole share again, in the same turn.
    pub(super) const fn renew(&mut self) {
        self.begin();
    }

    /// How many rooms were served in this turn.
    pub(super) const fn rooms_served(&self) -> usize {
        self.rooms_served
    }

    /// Notes that a room has put so many bytes into outboxes.
    pub(super) const fn charge(&mut self, share: &mut Share, bytes: usize) {
        if share.turn != self.number {
            *share = Share {
                turn: self.number,
                bytes: 0,
            };
            self.rooms_served += 1;
        }
        share.bytes += bytes;
        self.is_used_up = share.bytes > SHARE_BYTES;
    }

    /// Whether the message that was served last has used its room's share up. Asked once per message.
    pub(super) const fn take_used_up(&mut self) -> bool {
        std::mem::replace(&mut self.is_used_up, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_lasts_for_a_turn_and_is_whole_in_the_next() {
        let (mut turn, mut busy, mut calm) = (Turn::default(), Share::default(), Share::default());
        turn.begin();
        turn.charge(&mut busy, SHARE_BYTES);
        assert!(!turn.take_used_up());
        turn.charge(&mut busy, 1);
        assert!(turn.take_used_up() && !turn.take_used_up());
        turn.charge(&mut calm, 1);
        assert!(!turn.take_used_up(), "each room has its own");
        assert_eq!(turn.rooms_served(), 2);
        turn.begin();
        turn.charge(&mut busy, SHARE_BYTES);
        assert!(!turn.take_used_up());
        assert_eq!(turn.rooms_served(), 1);
    }
}
