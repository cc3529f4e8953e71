//! Serving outposts: their mail is taken in order, in a turn as much as delays nobody for long.

use crate::protocol::server_message::SpectatorReason;
use crate::protocol::{CloseCode, ErrorCode, PlayerId, Refusal, RoomId, ServerMessage};
use crate::room::{ConnectionKey, Member};
use crate::shard::Shard;
use crate::shard::exchange::message::{Body, OutpostMail, ShardMessage};
use crate::shard::exchange::outpost::{Outpost, Watching};
use crate::shard::outbox::FrameMark;
use crate::shard::refusal::not_watching;
use crate::shard::state::connection::Connection;
use crate::shard::state::standing::Place;
use crate::shard::world::now::Now;
use crate::shard::world::slots::Slot;

/// Frames that are put into outboxes of watchers in one turn, about: what is left waits for the next turn. Large frames
/// count as several.
const FRAMES_PER_TURN: usize = 1_024;

impl<L> Shard<L> {
    /// Refuses to end a watching that is over already.
    fn refuse_leaving(&mut self, at: ConnectionKey, now: Now) {
        debug_assert!(
            !matches!(
                self.post.connections.get(at).and_then(Connection::place),
                Some(Place::Posted(_))
            ),
            "home forgets nobody in silence"
        );
        self.refuse(at, not_watching(), now);
    }

    /// Tells watchers what has come for them, as far as a turn allows.
    pub(in crate::shard) fn serve_outposts(&mut self, now: Now) {
        self.serve_outposts_within(FRAMES_PER_TURN, now);
    }

    /// The same without a bound.
    pub(in crate::shard) fn serve_outposts_wholly(&mut self, now: Now) {
        self.outposts.release(u64::MAX);
        while self.outposts.has_mail() {
            self.serve_outposts_within(usize::MAX, now);
        }
    }

    fn serve_outposts_within(&mut self, frames: usize, now: Now) {
        self.outposts.release(now.mono_ms);
        let mut left = frames;
        while left > 0
            && let Some(room) = self.outposts.take_busy()
        {
            left = left.saturating_sub(self.serve_outpost(room, left, now));
            self.outposts.put_back(room, now.mono_ms);
        }
    }

    /// Takes the first mail of an outpost, or goes on with it. Returns how many frames that was.
    fn serve_outpost(&mut self, room: RoomId, frames: usize, now: Now) -> usize {
        let Some(outpost) = self.outposts.get_mut(room) else {
            return 0;
        };
        let Some(mail) = outpost.take_mail() else {
            if !outpost.begin_pass(now.mono_ms) {
                return 0;
            }
            return self.post.tell_slice(outpost, frames, &self.world.settings);
        };
        match mail {
            OutpostMail::Bulletin(_) => unreachable!("bulletins are told in passes"),
            OutpostMail::Seat { at, player, frame } => self.take_place(room, at, player, &frame, now),
            OutpostMail::Left { at, player, frame } => {
                self.outposts_member_gone(room, at);
                if let Some(connection) = self.answered(at, player) {
                    connection.operation = None;
                    self.deliver_answer(at, &frame, now);
                }
            }
            OutpostMail::NotWatching { at, player } => {
                if self.answered(at, player).is_some() {
                    self.refuse_leaving(at, now);
                }
            }
            OutpostMail::Removed { player } => {
                let is_it = |watching: &&Watching| watching.player == player;
                let at = outpost
                    .watchers()
                    .iter()
                    .find(is_it)
                    .map(|watching| watching.member.connection);
                if let Some(at) = at {
                    self.send_away(room, at, SpectatorReason::Removed, now);
                }
            }
            OutpostMail::Closed => {
                for at in links(outpost) {
                    self.send_away(room, at, SpectatorReason::RoomClosed, now);
                }
            }
            OutpostMail::Cut => {
                let text = "your server core could not keep up with the room";
                let why = Refusal::new(ErrorCode::SlowConsumer, text);
                for at in links(outpost) {
                    self.close(at, CloseCode::SlowConsumer, Some(why.clone()), now);
                }
            }
        }
        1
    }

    /// Gives a place to a connection that asked for one.
    fn take_place(&mut self, room: RoomId, at: ConnectionKey, player: PlayerId, frame: &[u8], now: Now) {
        let Some(connection) = self.answered(at, player) else {
            return self.send_gone(room, player); // it did not wait
        };
        connection.operation = None;
        let dialect = connection.session.dialect();
        let member = Member {
            connection: at,
            dialect,
        };
        if let Some(outpost) = self.outposts.get_mut(room) {
            outpost.add(Watching { member, player });
        }
        self.occupy(at, Place::Posted(room));
        self.deliver_answer(at, frame, now);
    }

    fn deliver_answer(&mut self, at: ConnectionKey, frame: &[u8], now: Now) {
        let mark = FrameMark::in_order(now.mono_ms);
        self.post.deliver_bytes(at, frame, &mark, &self.world.settings);
    }

    /// Ends the watching of a connection that stays, and tells it why.
    fn send_away(&mut self, room: RoomId, at: ConnectionKey, reason: SpectatorReason, now: Now) {
        self.outposts_member_gone(room, at);
        let left = ServerMessage::SpectatorLeft {
            room_id: Some(room),
            room_code: None,
            reason,
            current_spectators: Vec::new(),
        };
        self.tell(at, &left, now);
    }

    /// Takes a connection out of an outpost; home knows, or is told by the caller.
    fn outposts_member_gone(&mut self, room: RoomId, at: ConnectionKey) {
        if self.outposts.remove(room, at).is_some() {
            self.release(at);
        }
    }

    /// Tells the homes of rooms when their watchers here were last heard of.
    pub(in crate::shard) fn report_signs_of_life(&mut self) {
        for (room, outpost) in self.outposts.iter_mut() {
            let connections = &self.post.connections;
            let heard = |watching: &Watching| {
                let known = connections.get(watching.member.connection);
                known.map_or(0, |known| known.last_inbound_ms)
            };
            let heard_ms = outpost.watchers().iter().map(heard).max().unwrap_or(0);
            if outpost.note_heard(heard_ms) {
                let target = self.world.slots.owner(Slot::new(room.slot()));
                let body = Body::SignOfLife { room: *room, heard_ms };
                self.post.send_queues.send(ShardMessage { target, body });
            }
        }
    }
}

fn links(outpost: &Outpost) -> Vec<ConnectionKey> {
    outpost
        .watchers()
        .iter()
        .map(|watching| watching.member.connection)
        .collect()
}
