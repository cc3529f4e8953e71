//! Asking a room's home for a place to watch from, and what home says.

use std::sync::Arc;

use crate::protocol::server_message::SpectatorReason;
use crate::protocol::{PlayerId, RoomId};
use crate::room::{MemberRef, Watcher};
use crate::shard::Shard;
use crate::shard::exchange::message::{Answer, Application, Asker, Body, Letter, OutpostMail};
use crate::shard::refusal::{no_such_room, overloaded};
use crate::shard::state::connection::{Ask, State};
use crate::shard::state::transfer::Errand;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// The next letter to send. Letters to one shard must be sent in the order in which they come; one that its inbox
    /// refuses must be [given back](Self::take_back_letter) before the next is taken. `None`: no more this turn.
    pub fn next_letter(&mut self, now: Now) -> Option<Letter> {
        self.post.post_bulletins(&self.world.settings, now.mono_ms);
        self.post.couriers.next()
    }

    /// Takes back a letter whose inbox was full. A question is answered at once: the client may ask again. Everything else
    /// goes first next time.
    pub fn take_back_letter(&mut self, letter: Letter, now: Now) {
        self.post.counters.letters_refused.add(1);
        match letter.body {
            Body::Ask(application) => {
                let Asker { at, player, .. } = application.asker;
                let answer = Answer::Refused(overloaded());
                self.event(now, |shard| shard.hear_answer(at, player, answer, now));
            }
            body => self.post.couriers.take_back(Letter { body, ..letter }),
        }
    }

    /// Writes the letters that were put off. Call it before the last letters are delivered and the shard is
    /// [frozen](Self::freeze).
    pub fn hurry_letters(&mut self) {
        self.hurry_news_afar();
    }

    /// Whether a letter waits to be sent.
    #[must_use]
    pub fn has_letters(&self) -> bool {
        self.post.branches.is_open() || !self.post.couriers.is_empty()
    }

    /// Reads a letter that came for this shard. What it brings is done by [`serve_waiting`](Self::serve_waiting), in the
    /// same turn.
    pub fn read_letter(&mut self, letter: Letter, now: Now) {
        debug_assert_eq!(letter.target, self.id, "a letter is read where it goes");
        self.event(now, |shard| shard.read(letter.body, now));
    }

    fn read(&mut self, body: Body, now: Now) {
        match body {
            Body::Ask(application) => self.answer_application(*application, now),
            Body::Told { at, player, answer } => self.hear_answer(at, player, answer, now),
            Body::ToOutpost { room, mail } => self.outposts.receive(room, mail),
            Body::Leave { room, leaver } => self.let_leave(room, leaver, now),
            Body::Gone {
                room,
                outpost,
                player,
                is_untold,
            } => {
                if let Some(room_ref) = self.post.branches.room(room) {
                    let number = outpost.0;
                    let before = self.drain.leaves_untold;
                    self.drain.leaves_untold |= is_untold;
                    let watcher = Watcher::Outpost { number, player };
                    self.end_watching(room_ref, watcher, SpectatorReason::Disconnected, None, now);
                    self.drain.leaves_untold = before;
                }
            }
            Body::SignOfLife { room, heard_ms } => self.post.branches.note_heard(room, heard_ms),
        }
    }

    /// What becomes of a connection that asked for a place.
    fn hear_answer(&mut self, at: MemberRef, player: PlayerId, answer: Answer, now: Now) {
        let world = Arc::clone(&self.world);
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        if connection.session.player() != player {
            return;
        }
        let State::Asking(ask) = &connection.state else { return };
        let Ask::Watch(errand) = &**ask else { return };
        let errand = errand.clone();
        match answer {
            Answer::Come => {
                connection.state = State::Departing {
                    target: errand.home(&world),
                    errand: Box::new(Errand::Watch(errand)),
                };
                self.departing.push(at);
            }
            Answer::Refused(why) => {
                self.answered(at, player);
                self.reply(at, &Errand::Watch(errand).refused(&why), now);
            }
        }
    }

    /// Answers somebody on another shard who wants to watch a room that lives here.
    fn answer_application(&mut self, application: Application, now: Now) {
        let Application { asker, app, errand } = application;
        let found = self.room_named(&errand.game_name, &errand.room_code);
        let answer = match found {
            None => Answer::Refused(no_such_room()),
            Some(room_ref) if !self.is_crowded(room_ref) => Answer::Come,
            Some(room_ref) => match self.admit_to_outpost(room_ref, asker, app.as_ref(), &errand, now) {
                Ok(()) => return,
                Err(why) => Answer::Refused(why),
            },
        };
        let body = Body::Told {
            at: asker.at,
            player: asker.player,
            answer,
        };
        let target = asker.shard;
        self.post.couriers.send(Letter { target, body });
    }

    /// Lets a spectator leave an outpost of a room that lives here.
    fn let_leave(&mut self, room: RoomId, leaver: Asker, now: Now) {
        let watcher = Watcher::Outpost {
            number: leaver.shard.0,
            player: leaver.player,
        };
        let room_ref = self.post.branches.room(room);
        let has_left = room_ref.is_some_and(|room_ref| {
            self.end_watching(room_ref, watcher, SpectatorReason::VoluntaryLeave, Some(leaver), now)
        });
        if !has_left {
            let mail = OutpostMail::NotWatching {
                at: leaver.at,
                player: leaver.player,
            };
            self.post.couriers.send(Letter::to_outpost(leaver.shard, room, mail));
        }
    }
}
