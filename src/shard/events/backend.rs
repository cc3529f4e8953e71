//! What became of questions to the game's backend.
//!
//! The connection that asked goes on with the request that it holds, or is refused; whatever it said meanwhile is served
//! behind it. One that was closed meanwhile, or has given up waiting, is not there for the answer.

use crate::protocol::{CloseCode, ErrorCode, Refusal, ServerMessage};
use crate::room::ConnectionKey;
use crate::session::{Grant, NoVerdict, Verdict};
use crate::shard::Shard;
use crate::shard::state::access_wait::{AccessWait, BackendAnswer, HeldRequest, QuestionNumber, SentQuestion};
use crate::shard::state::connection::{Ask, State};
use crate::shard::state::transfer::PendingRequest;
use crate::shard::world::now::Now;
use crate::shard::world::refusals::RefusalReason;

impl<L> Shard<L> {
    /// Questions for the game's backend that nobody has taken yet. One that finds no place is
    /// [answered](Self::on_backend_answer) with that.
    pub fn take_questions(&mut self) -> Vec<SentQuestion> {
        self.questions.take_unsent()
    }

    /// Notes what became of a question.
    pub fn on_backend_answer(&mut self, answer: BackendAnswer, now: Now) {
        let BackendAnswer {
            ticket,
            verdict,
            is_remembered,
        } = answer;
        self.event(now, |shard| {
            let Some(wait) = shard.end_wait(ticket.connection, Some(ticket.number), now) else {
                return;
            };
            shard.post.counters.access_remembered.add(u64::from(is_remembered));
            shard.follow(ticket.connection, wait, verdict, now);
        });
    }

    /// The time for an answer is over, and the control plane has not said what became of it: that is no silence of the
    /// backend's, of which it would have told before.
    pub(in crate::shard) fn give_up_on_backend(&mut self, at: ConnectionKey, now: Now) {
        if let Some(wait) = self.end_wait(at, None, now) {
            self.follow(at, wait, Err(NoVerdict::Unattended), now);
        }
    }

    /// Puts a request that was thawed to the backend of this process, or serves it if there is none.
    pub(in crate::shard) fn ask_again(&mut self, at: ConnectionKey, held: HeldRequest, now: Now) {
        match held {
            HeldRequest::Handshake(request) => self.authenticate(at, &request, now),
            HeldRequest::Entry(pending) => {
                if let Some(pending) = self.ask_about_entry(at, pending, now) {
                    self.pursue(at, pending, now);
                }
            }
        }
    }

    /// Ends the wait of a connection, for that question or for any.
    fn end_wait(&mut self, at: ConnectionKey, number: Option<QuestionNumber>, now: Now) -> Option<AccessWait> {
        let connection = self.post.connections.get_mut(at)?;
        let wait = connection.access_wait()?;
        if number.is_some_and(|number| number != wait.number) {
            return None;
        }
        connection.give_back_wait(now.mono_ms);
        let State::Asking(ask) = std::mem::replace(&mut connection.state, State::Open) else {
            unreachable!("looked at above")
        };
        let Ask::Backend(wait) = *ask else {
            unreachable!("looked at above")
        };
        self.resumed.push(at);
        self.plan_check(at);
        Some(wait)
    }

    fn follow(&mut self, at: ConnectionKey, wait: AccessWait, verdict: Result<Verdict, NoVerdict>, now: Now) {
        let counters = &self.post.counters;
        match &verdict {
            Ok(Verdict::Allowed(_)) => counters.access_allowed.add(1),
            Ok(Verdict::Denied(_)) => counters.access_denied.add(1),
            Err(NoVerdict::Crowded) => counters.access_crowded.add(1),
            Err(NoVerdict::Unattended) => counters.access_unattended.add(1),
            Err(NoVerdict::Late) => counters.access_late.add(1),
            Err(NoVerdict::Unreachable) => counters.access_unreachable.add(1),
            Err(NoVerdict::Unreadable) => counters.access_unreadable.add(1),
        }
        match verdict {
            Ok(Verdict::Allowed(grant)) => self.let_in(at, wait.held, grant, now),
            Ok(Verdict::Denied(reason)) => {
                let why = Refusal::new(ErrorCode::Unauthorized, String::from(reason));
                self.turn_down(at, &wait.held, &why, now);
            }
            // Whoever comes in numbers must not let himself in by it.
            Err(silence) if !silence.is_ours() && self.access().check.is_none_or(|rules| rules.fails_open) => {
                self.post.counters.access_failed_open.add(1);
                self.let_in(at, wait.held, Grant::default(), now);
            }
            Err(silence) => self.turn_down(at, &wait.held, &Refusal::from(silence), now),
        }
    }

    fn let_in(&mut self, at: ConnectionKey, held: HeldRequest, grant: Grant, now: Now) {
        match held {
            HeldRequest::Handshake(request) => self.finish_handshake(at, &request, grant, now),
            HeldRequest::Entry(mut pending) => {
                let Some(connection) = self.post.connections.get_mut(at) else {
                    return;
                };
                connection.session.note_grant(grant);
                match &mut pending {
                    PendingRequest::Join(join) => {
                        join.player_name = connection.session.name_in_rooms(&join.player_name).into();
                        join.asked_us = now.mono_us;
                    }
                    PendingRequest::Watch(watch) => {
                        watch.spectator_name = connection.session.name_in_rooms(&watch.spectator_name).into();
                    }
                    PendingRequest::Return(_) => {}
                }
                self.pursue(at, pending, now);
            }
        }
    }

    fn pursue(&mut self, at: ConnectionKey, pending: PendingRequest, now: Now) {
        match pending {
            PendingRequest::Watch(watch) => self.go_watching(at, watch, now),
            pending => self.go(at, pending, now),
        }
    }

    /// Refuses what was held. A handshake is not tried again: each try would be a question.
    fn turn_down(&mut self, at: ConnectionKey, held: &HeldRequest, why: &Refusal, now: Now) {
        match held {
            HeldRequest::Handshake(_) => {
                let message = ServerMessage::AuthenticationError {
                    error: &why.text,
                    error_code: why.code,
                };
                self.note_refusal(at, RefusalReason::Error(why.code), &why.text, now);
                self.tell(at, &message, now);
                self.close(at, CloseCode::Unregistered, None, now);
            }
            HeldRequest::Entry(pending) => {
                if let PendingRequest::Join(join) = pending {
                    self.post.counters.note_join_refused(join.room_code.is_none());
                }
                self.reply(at, &pending.refused(why), now);
            }
        }
    }
}
