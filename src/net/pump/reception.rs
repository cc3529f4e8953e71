//! From an accepted socket to a connection of the shard, or to an answer and an end.

use std::io;
use std::net::SocketAddr;

use super::super::conversation;
use super::super::greeting::GreetingRef;
use super::super::http::Answer;
use super::super::kernel::{Interest, Kernel, Received, Stream, Token};
use super::super::link::Link;
use super::super::rare_line::RareLine;
use super::super::socket::is_want_of_descriptors;
use super::Pump;
use super::line::Waiting;
use super::stage::Stage;
use crate::room::MemberRef;
use crate::session::Arrival;
use crate::shard::admission::{ConnectionPermit, ConnectionRefused};
use crate::shard::{Now, SendOutcome};

/// The most connections that are accepted from one listener in one turn.
const ACCEPTS_PER_TURN: usize = 32;

/// The most bytes after an answer that are read away.
const MAX_IGNORED_BYTES: usize = 64 * 1024;

/// Without descriptors, accepting pauses with every tick.
static ACCEPTING_PAUSES: RareLine = RareLine::new();

/// Where the kernel has no room for watches, every connection is dropped.
static NOT_WATCHED: RareLine = RareLine::new();

impl<K: Kernel> Pump<K> {
    #[inline(never)]
    pub(super) fn accept(&mut self, listener: u32, now: Now) {
        for _ in 0..ACCEPTS_PER_TURN {
            match self.kernel.accept(listener) {
                Ok(Some((socket, address))) => self.welcome(socket, address, now),
                Ok(None) => return,
                // The newcomer takes the place of the one that has the least right to its own.
                Err(error) if is_want_of_descriptors(&error) && self.greetings.give_up_one() => {}
                Err(error) => return self.pause_accepting(&error, now),
            }
        }
    }

    fn welcome(&mut self, socket: K::Socket, address: SocketAddr, now: Now) {
        let at = self.greetings.insert(socket, address.ip(), now.mono_ms);
        let greeting = self.greetings.get_mut(at).expect("inserted a moment ago");
        if let Err(error) = self.kernel.watch(&greeting.socket, Token::Greeting(at), Interest::Read) {
            self.warn_of_unwatched(&error, now);
            self.greetings.remove(at);
        }
    }

    fn warn_of_unwatched(&self, error: &io::Error, now: Now) {
        if let Some(unsaid) = NOT_WATCHED.may_say(now.mono_ms) {
            tracing::warn!(shard = %self.shard.id(), %error, unsaid, "a connection was dropped because it cannot be watched");
        }
    }

    /// Leaves connections in the kernel's queue until the next tick: asking again at once would spin.
    fn pause_accepting(&mut self, why: &io::Error, now: Now) {
        if std::mem::replace(&mut self.accepts, false) {
            self.shard.counters().accept_pauses.add(1);
            if let Some(unsaid) = ACCEPTING_PAUSES.may_say(now.mono_ms) {
                tracing::warn!(shard = %self.shard.id(), %why, unsaid, "accepting pauses until the next tick");
            }
            self.kernel.attend_listeners(false);
        }
    }

    pub(super) fn resume_accepting(&mut self) {
        if !self.accepts && self.stage == Stage::Serving {
            self.accepts = self.kernel.attend_listeners(true);
        }
    }

    /// Reads a socket that has not been upgraded, and answers it once its request is whole.
    #[inline(never)]
    pub(super) fn greet(&mut self, at: GreetingRef, now: Now) {
        if !self.greetings.may_serve() {
            return self.line.pass_over(Waiting::Greeting(at));
        }
        if let Some(greeting) = self.greetings.get_mut(at) {
            greeting.is_in_line = false;
        }
        loop {
            let Some(greeting) = self.greetings.get_mut(at) else {
                return;
            };
            let count = match greeting.socket.receive(&mut self.scratch) {
                Received::Bytes(count) => count,
                Received::Nothing => return,
                Received::End => {
                    self.greetings.remove(at);
                    return;
                }
            };
            if greeting.is_answered() {
                // What was on its way with the request is read away, so that the answer is not lost to a reset; who
                // goes on sending after that is cut off, or it could hold the shard here for ever.
                greeting.ignored_bytes += count;
                if greeting.ignored_bytes > MAX_IGNORED_BYTES {
                    self.greetings.remove(at);
                    return;
                }
                continue;
            }
            let fresh = &self.scratch[..count];
            let whole: &[u8] = if greeting.received.is_empty() {
                fresh
            } else {
                greeting.received.reserve_exact(count); // not twice as much: there may be thousands
                greeting.received.extend_from_slice(fresh);
                &greeting.received
            };
            match self.site.answer(whole, self.shard.draw_random()) {
                Answer::Wait => {
                    if greeting.received.is_empty() {
                        greeting.received = fresh.to_vec();
                    }
                }
                Answer::Close(response) => self.answer_greeting(at, &response, now),
                Answer::Upgrade {
                    response,
                    head_bytes,
                    request_id,
                    endpoint,
                    binding,
                } => {
                    let mut early = whole[head_bytes..].to_vec();
                    let admitted = self.shard.world().ledger.admit_connection(greeting.address);
                    if let Err(refusal) = &admitted
                        && !self.greetings.may_say_farewell(|at| self.shard.link(at).is_some())
                    {
                        let response = self.site.refuse(refusal, request_id);
                        self.answer_greeting(at, &response, now);
                        continue;
                    }
                    let greeting = self.greetings.remove(at).expect("looked up above");
                    if greeting.socket.send(&response) == SendOutcome::Sent(response.len()) {
                        tracing::debug!(%request_id, address = %greeting.address, "a connection was upgraded");
                        let arrival = Arrival {
                            address: greeting.address,
                            endpoint,
                            binding,
                        };
                        self.enter(greeting.socket, arrival, admitted, &mut early, now);
                    }
                    return;
                }
            }
        }
    }

    /// Sends an answer after which nothing follows.
    fn answer_greeting(&mut self, at: GreetingRef, response: &[u8], now: Now) {
        if let Some(greeting) = self.greetings.get_mut(at) {
            // An answer fits into an empty socket; a peer for which it does not has not read and need not know.
            greeting.socket.send(response);
            greeting.socket.finish_sending();
            self.greetings.note_answered(at, now.mono_ms);
        }
    }

    /// Takes an upgraded socket, which is watched, into the shard, or tells it that there is no place. `early` is what it said
    /// after its request.
    pub fn admit(&mut self, socket: K::Socket, arrival: Arrival, early: &mut [u8], now: Now) -> MemberRef {
        let admitted = self.shard.world().ledger.admit_connection(arrival.address);
        self.enter(socket, arrival, admitted, early, now)
    }

    fn enter(
        &mut self,
        socket: K::Socket,
        arrival: Arrival,
        admitted: Result<ConnectionPermit, ConnectionRefused>,
        early: &mut [u8],
        now: Now,
    ) -> MemberRef {
        let (permit, refusal) = match admitted {
            Ok(permit) => (Some(permit), None),
            Err(refusal) => (None, Some(refusal)),
        };
        let at = self.shard.admit(Link::new(socket), arrival, permit, now);
        let link = self.shard.link(at).expect("admitted a moment ago");
        // Watched anew under its new name; what arrived meanwhile is reported again.
        if let Err(error) = self.kernel.rewatch(&link.socket, Token::Connection(at), Interest::Read) {
            self.warn_of_unwatched(&error, now);
            self.shard.on_gone(at, now);
            return at;
        }
        match refusal {
            Some(refusal) => {
                self.greetings.note_farewell(at);
                self.shard.turn_away(at, refusal, now);
            }
            None => {
                let flow = conversation::feed(&mut self.shard, at, early, self.limits, now);
                self.note_flow(at, flow);
            }
        }
        at
    }
}
