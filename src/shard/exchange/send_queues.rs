//! Messages to other shards that wait for their inbox.
//!
//! One queue per shard, handed out in order. A shard message that the other inbox refused comes back to the front, and nothing
//! behind it is handed out before the next round: so order is kept between every two shards. Bounded by what is written:
//! a connection has at most one request and one farewell on the way, and a room's bulletins to an outpost have a limit in
//! bytes, see [`OutpostRegistry`](super::registry::OutpostRegistry).

use std::collections::VecDeque;

use crate::shard::exchange::message::ShardMessage;
use crate::shard::world::id::ShardId;

/// The shard messages of one shard to all others, and to itself.
#[derive(Debug, Default)]
pub(in crate::shard) struct SendQueues {
    queues: Vec<Queue>,
    round: u64,
}

#[derive(Debug, Default)]
struct Queue {
    shard_messages: VecDeque<ShardMessage>,
    /// The round after the one in which the other inbox last was full.
    blocked_until: u64,
}

impl SendQueues {
    pub(in crate::shard) fn send(&mut self, shard_message: ShardMessage) {
        self.queue(shard_message.target).shard_messages.push_back(shard_message);
    }

    fn queue(&mut self, target: ShardId) -> &mut Queue {
        let index = target.index();
        if self.queues.len() <= index {
            self.queues.resize_with(index + 1, Queue::default);
        }
        &mut self.queues[index]
    }

    /// The next shard message whose inbox was not full in this round. `None` ends the round.
    pub(in crate::shard) fn next(&mut self) -> Option<ShardMessage> {
        let round = self.round;
        let mut open = self.queues.iter_mut().filter(|queue| queue.blocked_until <= round);
        let shard_message = open.find_map(|queue| queue.shard_messages.pop_front());
        if shard_message.is_none() {
            self.round += 1;
        }
        shard_message
    }

    /// Takes back a shard message that did not fit.
    pub(in crate::shard) fn take_back(&mut self, shard_message: ShardMessage) {
        let after = self.round + 1;
        let queue = self.queue(shard_message.target);
        queue.shard_messages.push_front(shard_message);
        queue.blocked_until = after;
    }

    /// Whether a shard message waits that was not refused in the last round.
    pub(in crate::shard) fn has_fresh(&self) -> bool {
        let is_fresh = |queue: &Queue| !queue.shard_messages.is_empty() && queue.blocked_until < self.round.max(1);
        self.queues.iter().any(is_fresh)
    }

    /// Whether any shard message waits.
    pub(in crate::shard) fn is_empty(&self) -> bool {
        self.queues.iter().all(|queue| queue.shard_messages.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Body;
    use super::*;
    use crate::protocol::RoomId;

    fn shard_message(target: u16, heard_ms: u64) -> ShardMessage {
        ShardMessage {
            target: ShardId(target),
            body: Body::SignOfLife {
                room: RoomId::from_bytes([0; 16]),
                heard_ms,
            },
        }
    }

    fn read(shard_message: &ShardMessage) -> (u16, u64) {
        match shard_message.body {
            Body::SignOfLife { heard_ms, .. } => (shard_message.target.0, heard_ms),
            _ => unreachable!("only these are written here"),
        }
    }

    #[test]
    fn a_refused_letter_stays_first_and_only_its_own_queue_waits() {
        let mut send_queues = SendQueues::default();
        for (target, number) in [(0, 1), (0, 2), (1, 3)] {
            send_queues.send(shard_message(target, number));
        }
        let first = send_queues.next().expect("three wait");
        assert_eq!(read(&first), (0, 1));
        send_queues.take_back(first);
        assert_eq!(send_queues.next().as_ref().map(read), Some((1, 3)));
        assert!(send_queues.next().is_none(), "the round is over");
        assert!(!send_queues.has_fresh() && !send_queues.is_empty());
        send_queues.send(shard_message(1, 4));
        assert!(send_queues.has_fresh());
        let rest: Vec<_> = std::iter::from_fn(|| send_queues.next())
            .map(|shard_message| read(&shard_message))
            .collect();
        assert_eq!(rest, [(0, 1), (0, 2), (1, 4)]);
        assert!(send_queues.is_empty() && !send_queues.has_fresh());
    }
}
