//! Who is read, and who waits: for its room's next share of a turn, or for readers that cannot keep up with it.
//!
//! Asked once per connection and turn, before its socket is. What has been read is served, whatever is said here.

use crate::clock::{ClockChange, Moments};
use crate::room::ConnectionKey;
use crate::shard::Shard;
use crate::shard::state::connection::{Connection, State};
use crate::shard::state::standing::Place;
use crate::shard::state::traveller::Unfinished;
use crate::shard::world::now::Now;

/// Whether a connection is read now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Read it.
    Now,
    /// Its room has used up its share of the turn: ask again in the next one.
    NextTurn,
    /// It says more than others who read can take: ask again when one of them has taken something, or with the next tick.
    Paced,
    /// It is about to move, or waits for another shard: what arrives stays in its socket.
    Elsewhere,
    /// It is gone.
    Never,
}

impl<L> Shard<L> {
    /// Whether a connection is read now. One of which bytes were read and not yet served is never paced.
    pub fn may_read(&mut self, at: ConnectionKey, has_kept: bool, now: Now) -> Reading {
        let Some(connection) = self.post.connections.get_mut(at) else {
            return Reading::Never;
        };
        if let State::Departing { .. } | State::Asking(_) = connection.state {
            return Reading::Elsewhere;
        }
        let Some(Place::Seated(room) | Place::Watching(room)) = connection.place() else {
            return Reading::Now;
        };
        let was_paced = connection.paced_since_ms.is_some();
        let is_above_rate = !has_kept && connection.free_rate.is_spent(&self.world.settings.pacing, now.mono_ms);
        if self.rooms.has_used_up(room, &self.turn) {
            return Reading::NextTurn;
        }
        let is_paced = is_above_rate && self.is_waited_for(at);
        if was_paced {
            self.let_timers_stand(at, now);
        }
        if is_paced {
            if let Some(connection) = self.post.connections.get_mut(at) {
                connection.paced_since_ms = Some(now.mono_ms);
            }
            return Reading::Paced;
        }
        Reading::Now
    }

    /// Whether somebody else in the room of a player has much waiting and reads.
    fn is_waited_for(&self, at: ConnectionKey) -> bool {
        let Some(Place::Seated(room_key)) = self.post.connections.get(at).and_then(Connection::place) else {
            return false;
        };
        let limits = &self.world.settings.outbox;
        let has_much_waiting = |member: &crate::room::Member| {
            member.connection != at
                && self.post.connections.get(member.connection).is_some_and(|reader| {
                    reader.uptake.is_behind()
                        && !reader.uptake.is_slow()
                        && !reader.is_closing()
                        // What waits, and not what is held for it: a queue that has shrunk keeps some of its room.
                        && reader.outbox.weight_bytes_with(0) > limits.max_bytes / 2
                })
        };
        let [players, _] = self.rooms.get(room_key).map_or([&[][..], &[]], |room| room.audience());
        players.iter().any(has_much_waiting)
    }

    /// For the timers of a connection that was paced no time has passed.
    fn let_timers_stand(&mut self, at: ConnectionKey, now: Now) {
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        if let Some(since_ms) = connection.paced_since_ms.take() {
            let span_ms = now.mono_ms.saturating_sub(since_ms);
            self.post.counters.paced_ms.add(span_ms);
            connection.paced_ms += span_ms;
            connection.last_inbound_ms = now.mono_ms.min(connection.last_inbound_ms + span_ms);
            connection.last_activity_ms = now.mono_ms.min(connection.last_activity_ms + span_ms);
            if let Some(unfinished) = &mut connection.unfinished {
                unfinished.since_ms = unfinished.since_ms.saturating_add(span_ms);
            }
            connection.probe = None;
        }
    }

    /// Whether a message of which a part has arrived was noted.
    #[must_use]
    pub fn is_unfinished(&self, at: ConnectionKey) -> bool {
        let connection = self.post.connections.get(at);
        connection.is_some_and(|connection| connection.unfinished.is_some())
    }

    /// Notes how much of a message has arrived that is not yet complete, if one is not: how long it will be. Its bytes are a
    /// sign of life while it has time.
    pub fn note_unfinished(&mut self, at: ConnectionKey, bytes: Option<usize>, now: Now) {
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        let Some(bytes) = bytes else {
            connection.unfinished = None;
            return;
        };
        let since_ms = connection.unfinished.map_or(now.mono_ms, |known| known.since_ms);
        let unfinished = Unfinished {
            since_ms,
            bytes: bytes as u64,
        };
        connection.unfinished = Some(unfinished);
        if now.mono_ms < unfinished.deadline_ms() {
            connection.last_inbound_ms = now.mono_ms;
            connection.probe = None;
        }
        self.plan_check(at);
    }

    /// Notes that the process stood still for so long: nobody is blamed for that time, neither who is silent nor who does not
    /// read. Costs something for each connection and room, and follows a pause that cost everybody more.
    pub fn forgive(&mut self, span_ms: u64) {
        let change = ClockChange::standstill(span_ms);
        self.post
            .connections
            .iter_mut()
            .for_each(|connection| connection.change_clock(change));
        self.rooms.iter_mut().for_each(|room| room.change_clock(change));
        self.post.counters.standstills.add(1);
    }
}
