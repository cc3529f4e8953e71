//! Letters that wait for their inbox.
//!
//! One queue per shard, handed out in order. A letter that the other inbox refused comes back to the front, and nothing
//! behind it is handed out before the next round: so order is kept between every two shards. Bounded by what is written:
//! a connection has at most one request and one farewell on the way, and a room's bulletins to an outpost have a limit in
//! bytes, see [`Branches`](super::branches::Branches).

use std::collections::VecDeque;

use crate::shard::exchange::message::Letter;
use crate::shard::world::id::ShardId;

/// The letters of one shard to all others, and to itself.
#[derive(Debug, Default)]
pub(in crate::shard) struct Couriers {
    queues: Vec<Queue>,
    round: u64,
}

#[derive(Debug, Default)]
struct Queue {
    letters: VecDeque<Letter>,
    /// The round after the one in which the other inbox last was full.
    blocked_until: u64,
}

impl Couriers {
    pub(in crate::shard) fn send(&mut self, letter: Letter) {
        self.queue(letter.target).letters.push_back(letter);
    }

    fn queue(&mut self, target: ShardId) -> &mut Queue {
        let index = target.index();
        if self.queues.len() <= index {
            self.queues.resize_with(index + 1, Queue::default);
        }
        &mut self.queues[index]
    }

    /// The next letter whose inbox was not full in this round. `None` ends the round.
    pub(in crate::shard) fn next(&mut self) -> Option<Letter> {
        let round = self.round;
        let mut open = self.queues.iter_mut().filter(|queue| queue.blocked_until <= round);
        let letter = open.find_map(|queue| queue.letters.pop_front());
        if letter.is_none() {
            self.round += 1;
        }
        letter
    }

    /// Takes back a letter that did not fit.
    pub(in crate::shard) fn take_back(&mut self, letter: Letter) {
        let after = self.round + 1;
        let queue = self.queue(letter.target);
        queue.letters.push_front(letter);
        queue.blocked_until = after;
    }

    /// Whether a letter waits that was not refused in the last round.
    pub(in crate::shard) fn has_fresh(&self) -> bool {
        let is_fresh = |queue: &Queue| !queue.letters.is_empty() && queue.blocked_until < self.round.max(1);
        self.queues.iter().any(is_fresh)
    }

    /// Whether any letter waits.
    pub(in crate::shard) fn is_empty(&self) -> bool {
        self.queues.iter().all(|queue| queue.letters.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Body;
    use super::*;
    use crate::protocol::RoomId;

    fn letter(target: u16, heard_ms: u64) -> Letter {
        Letter {
            target: ShardId(target),
            body: Body::SignOfLife {
                room: RoomId::from_bytes([0; 16]),
                heard_ms,
            },
        }
    }

    fn read(letter: &Letter) -> (u16, u64) {
        match letter.body {
            Body::SignOfLife { heard_ms, .. } => (letter.target.0, heard_ms),
            _ => unreachable!("only these are written here"),
        }
    }

    #[test]
    fn a_refused_letter_stays_first_and_only_its_own_queue_waits() {
        let mut couriers = Couriers::default();
        for (target, number) in [(0, 1), (0, 2), (1, 3)] {
            couriers.send(letter(target, number));
        }
        let first = couriers.next().expect("three wait");
        assert_eq!(read(&first), (0, 1));
        couriers.take_back(first);
        assert_eq!(couriers.next().as_ref().map(read), Some((1, 3)));
        assert!(couriers.next().is_none(), "the round is over");
        assert!(!couriers.has_fresh() && !couriers.is_empty());
        couriers.send(letter(1, 4));
        assert!(couriers.has_fresh());
        let rest: Vec<_> = std::iter::from_fn(|| couriers.next())
            .map(|letter| read(&letter))
            .collect();
        assert_eq!(rest, [(0, 1), (0, 2), (1, 4)]);
        assert!(couriers.is_empty() && !couriers.has_fresh());
    }
}
