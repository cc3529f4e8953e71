//! Asking a room's home for a place to watch from, and what home says.

use std::sync::Arc;

use crate::protocol::server_message::SpectatorReason;
use crate::protocol::{PlayerId, RoomId};
use crate::room::{ConnectionKey, Watcher};
use crate::shard::Shard;
use crate::shard::exchange::message::{Body, OutpostMail, Requester, ShardMessage, WatchAnswer, WatchRequest};
use crate::shard::refusal::{no_such_room, overloaded};
use crate::shard::state::connection::{Ask, State};
use crate::shard::state::transfer::PendingRequest;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// The next shard message to send. Those to one shard must be sent in the order in which they come; one that its inbox
    /// refuses must be [given back](Self::take_back_shard_message) before the next is taken. `None`: no more this turn.
    pub fn next_shard_message(&mut self, now: Now) -> Option<ShardMessage> {
        self.post.post_bulletins(&self.world.settings, now.mono_ms);
        self.post.send_queues.next()
    }

    /// Takes back a shard message whose inbox was full. A question is answered at once: the client may ask again. Everything else
    /// goes first next time.
    pub fn take_back_shard_message(&mut self, shard_message: ShardMessage, now: Now) {
        self.post.counters.letters_refused.add(1);
        match shard_message.body {
            Body::Ask(application) => {
                let Requester { at, player, .. } = application.requester;
                let answer = WatchAnswer::Refused(overloaded());
                self.event(now, |shard| shard.hear_answer(at, player, answer, now));
            }
            body => self.post.send_queues.take_back(ShardMessage { body, ..shard_message }),
        }
    }

    /// Writes the shard messages that were put off. Call it before the last shard messages are delivered and the shard is
    /// [frozen](Self::freeze).
    pub fn hurry_shard_messages(&mut self) {
        self.hurry_news_afar();
    }

    /// Whether a shard message waits to be sent.
    #[must_use]
    pub fn has_shard_messages(&self) -> bool {
        self.post.registry.is_open() || !self.post.send_queues.is_empty()
    }

    /// Reads a shard message that came for this shard. What it brings is done by [`serve_waiting`](Self::serve_waiting), in the
    /// same turn.
    pub fn read_shard_message(&mut self, shard_message: ShardMessage, now: Now) {
        debug_assert_eq!(shard_message.target, self.id, "a letter is read where it goes");
        self.event(now, |shard| shard.read(shard_message.body, now));
    }

    fn read(&mut self, body: Body, now: Now) {
        match body {
            Body::Ask(application) => self.answer_watch_request(&application, now),
            Body::Told { at, player, answer } => self.hear_answer(at, player, answer, now),
            Body::ToOutpost { room, mail } => self.outposts.receive(room, mail),
            Body::Leave { room, leaver } => self.let_leave(room, leaver, now),
            Body::Gone {
                room,
                outpost,
                player,
                is_untold,
            } => {
                if let Some(room_key) = self.post.registry.room(room) {
                    let number = outpost.0;
                    let before = self.drain.leaves_untold;
                    self.drain.leaves_untold |= is_untold;
                    let watcher = Watcher::Outpost { number, player };
                    self.end_watching(room_key, watcher, SpectatorReason::Disconnected, None, now);
                    self.drain.leaves_untold = before;
                }
            }
            Body::SignOfLife { room, heard_ms } => self.post.registry.note_heard(room, heard_ms),
        }
    }

    /// What becomes of a connection that asked for a place.
    fn hear_answer(&mut self, at: ConnectionKey, player: PlayerId, answer: WatchAnswer, now: Now) {
        let world = Arc::clone(&self.world);
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        if connection.session.player() != player {
            return;
        }
        let State::Asking(ask) = &connection.state else { return };
        let Ask::Watch(pending) = &**ask else { return };
        let pending = pending.clone();
        match answer {
            WatchAnswer::Come => {
                connection.state = State::Departing {
                    target: pending.home(&world),
                    pending: Box::new(PendingRequest::Watch(pending)),
                };
                self.departing.push(at);
            }
            WatchAnswer::Refused(why) => {
                self.answered(at, player);
                self.reply(at, &PendingRequest::Watch(pending).refused(&why), now);
            }
        }
    }

    /// Answers somebody on another shard who wants to watch a room that lives here.
    fn answer_watch_request(&mut self, application: &WatchRequest, now: Now) {
        let WatchRequest {
            requester,
            address,
            pending,
            ..
        } = application;
        let found = self.look_up(*address, &pending.game_name, &pending.room_code, now);
        let answer = match found {
            Err(why) => WatchAnswer::Refused(why),
            Ok(None) => WatchAnswer::Refused(no_such_room()),
            Ok(Some(room_key)) if !self.is_crowded(room_key) => WatchAnswer::Come,
            Ok(Some(room_key)) => match self.admit_to_outpost(room_key, application, now) {
                Ok(()) => return,
                Err(why) => WatchAnswer::Refused(why),
            },
        };
        let body = Body::Told {
            at: requester.at,
            player: requester.player,
            answer,
        };
        let target = requester.shard;
        self.post.send_queues.send(ShardMessage { target, body });
    }

    /// Lets a spectator leave an outpost of a room that lives here.
    fn let_leave(&mut self, room: RoomId, leaver: Requester, now: Now) {
        let watcher = Watcher::Outpost {
            number: leaver.shard.0,
            player: leaver.player,
        };
        let room_key = self.post.registry.room(room);
        let has_left = room_key.is_some_and(|room_key| {
            self.end_watching(room_key, watcher, SpectatorReason::VoluntaryLeave, Some(leaver), now)
        });
        if !has_left {
            let mail = OutpostMail::NotWatching {
                at: leaver.at,
                player: leaver.player,
            };
            self.post
                .send_queues
                .send(ShardMessage::to_outpost(leaver.shard, room, mail));
        }
    }
}
