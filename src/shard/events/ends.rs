//! How connections end: by the caller, by the peer, or because their socket is gone.

use crate::protocol::{CloseCode, Opcode, Refusal};
use crate::room::ConnectionKey;
use crate::shard::Shard;
use crate::shard::state::connection::State;
use crate::shard::world::admission::ConnectionRefused;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Takes a connection out, whatever it was doing; its room mates are told. Dropping the link ends it.
    pub fn remove(&mut self, at: ConnectionKey, now: Now) -> Option<L> {
        self.event(now, |shard| shard.vacate(at, shard.keeps_seat(None), now));
        let connection = self.post.connections.remove(at)?;
        let lost = connection.outbox.unsent_frames() as u64;
        self.post.counters.lost_frames.add(lost);
        self.post.counters.note_abandoned(connection.outbox.unsent_by_class());
        self.post.counters.disconnections.add(1);
        self.note_ended(&connection, now);
        Some(connection.link)
    }

    /// Notes that a connection's socket is gone: its room mates are told, and it waits to be [removed](Self::remove). What
    /// they are told counts against the room's share. What it said before and was not yet served is ignored: another
    /// connection may have its player's id from now on.
    pub fn on_gone(&mut self, at: ConnectionKey, now: Now) {
        let (room, queued_before) = (self.room_of(at), self.post.outgoing.queued_bytes());
        self.event(now, |shard| {
            shard.vacate(at, shard.keeps_seat(None), now);
            if let Some(connection) = shard.post.connections.get_mut(at) {
                connection.state = State::Closing {
                    gives_up_at_ms: now.mono_ms,
                    peer_has_closed: true,
                };
            }
        });
        self.ended.push(at);
        if let Some(room) = room {
            let queued = (self.post.outgoing.queued_bytes() - queued_before) as usize;
            self.rooms.charge_turn(room, &mut self.turn, queued);
            self.turn.take_used_up();
        }
    }

    /// Up to so many connections that are over and wait to be [removed](Self::remove).
    pub fn take_ended(&mut self, limit: usize) -> Vec<ConnectionKey> {
        if self.ended.is_empty() {
            return Vec::new();
        }
        let rest = self.ended.split_off(self.ended.len().min(limit));
        std::mem::replace(&mut self.ended, rest)
    }

    /// Closes a connection whose peer broke the framing.
    pub fn on_violation(&mut self, at: ConnectionKey, code: CloseCode, now: Now) {
        self.event(now, |shard| shard.close(at, code, None, now));
    }

    /// Closes a connection for which there is no place: by the protocol's rule the close frame gives no code.
    pub fn turn_away(&mut self, at: ConnectionKey, why: ConnectionRefused, now: Now) {
        let refusal = Refusal::from(why);
        self.note_refusal(at, why.into(), &refusal.text, now);
        self.event(now, |shard| shard.close_with(at, None, Some(refusal), now));
    }

    /// Serves a close frame. `payload` is valid and comes back unchanged, unless the server had closed first.
    pub fn on_peer_close(&mut self, at: ConnectionKey, payload: &[u8], now: Now) {
        self.event(now, |shard| shard.serve_close(at, payload, now));
    }

    fn serve_close(&mut self, at: ConnectionKey, payload: &[u8], now: Now) {
        if let Some(connection) = self.post.connections.get_mut(at)
            && let State::Closing { peer_has_closed, .. } = &mut connection.state
        {
            *peer_has_closed = true;
            if connection.has_said_all() {
                self.ended.push(at);
            }
            return;
        }
        self.vacate(at, self.keeps_seat(None), now);
        let gives_up_at_ms = now.mono_ms.saturating_add(self.world.settings.close_timeout_ms);
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        connection.state = State::Closing {
            gives_up_at_ms,
            peer_has_closed: true,
        };
        self.post.frames.clear();
        let frame = self
            .post
            .frames
            .encode(Opcode::Close, |out| out.extend_from_slice(payload));
        self.post.deliver_last(at, &frame, now.mono_ms);
        self.plan_check(at);
    }
}
