//! From an accepted socket to a connection of the shard, or to an answer and an end.

use std::net::SocketAddr;
use std::os::fd::AsFd;

use super::super::conversation;
use super::super::http::Answer;
use super::super::link::Link;
use super::super::poller::{Interest, Token};
use super::super::socket::{Received, Socket};
use super::{Pump, Stage};
use crate::protocol::ErrorCode;
use crate::room::MemberRef;
use crate::session::Arrival;
use crate::shard::{Now, SendOutcome};

/// The most connections that are accepted from one listener in one turn.
const ACCEPTS_PER_TURN: usize = 32;

/// The most bytes after an answer that are read away in one turn.
const MAX_IGNORED_BYTES: usize = 256 * 1024;

impl Pump {
    pub(super) fn accept(&mut self, number: usize, now: Now) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = self.listeners.get(number) else {
                return;
            };
            if self.greetings.is_full() {
                return self.pause_accepting("too many sockets are waiting for their upgrade");
            }
            match Socket::accept(listener.as_fd()) {
                Ok(Some((socket, address))) => {
                    socket.tune(self.settings.send_buffer_bytes);
                    self.welcome(socket, address, now);
                }
                Ok(None) => return,
                Err(error) => return self.pause_accepting(&error.to_string()),
            }
        }
    }

    fn welcome(&mut self, socket: Socket, address: SocketAddr, now: Now) {
        let at = self.greetings.insert(socket, address.ip(), now.mono_ms);
        let greeting = self.greetings.get_mut(at).expect("inserted a moment ago");
        if let Err(error) = self
            .poller
            .watch(greeting.socket.as_fd(), Token::Greeting(at), Interest::Read)
        {
            tracing::warn!(%error, "a connection was dropped because it cannot be watched");
            self.greetings.remove(at);
        }
    }

    /// Leaves connections in the kernel's queue until the next tick: asking again at once would spin.
    fn pause_accepting(&mut self, why: &str) {
        if std::mem::replace(&mut self.accepts, false) {
            self.shard.counters().accept_pauses.add(1);
            tracing::warn!(shard = %self.shard.id(), why, "accepting pauses until the next tick");
            for listener in &self.listeners {
                // It was watched; and if it is watched still, accepting is tried again at once and no more is lost.
                let _ = self.poller.forget(listener.as_fd());
            }
        }
    }

    pub(super) fn resume_accepting(&mut self) {
        if !self.accepts && self.stage == Stage::Serving && !self.greetings.is_full() {
            let watched = self
                .listeners
                .iter()
                .enumerate()
                .try_for_each(|(number, listener)| self.poller.watch_listener(listener.as_fd(), number as u32));
            self.accepts = watched.is_ok();
        }
    }

    /// Reads a socket that has not been upgraded, and answers it once its request is whole.
    pub(super) fn greet(&mut self, at: MemberRef, now: Now) {
        let mut ignored = 0;
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
            if greeting.is_answered {
                // What was on its way with the request is read away, so that the answer is not lost to a reset; who
                // goes on sending after that is cut off, or it could hold the shard here for ever.
                ignored += count;
                if ignored > MAX_IGNORED_BYTES {
                    self.greetings.remove(at);
                    return;
                }
                continue;
            }
            let fresh = &self.scratch[..count];
            let whole: &[u8] = if greeting.received.is_empty() {
                fresh
            } else {
                greeting.received.extend_from_slice(fresh);
                &greeting.received
            };
            match self.site.answer(whole, self.shard.draw_random()) {
                Answer::Wait => {
                    if greeting.received.is_empty() {
                        greeting.received = fresh.to_vec();
                    }
                }
                Answer::Close(response) => {
                    // An answer fits into an empty socket; a peer for which it does not has not read and need not know.
                    greeting.socket.send(&response);
                    greeting.socket.finish_sending();
                    greeting.is_answered = true;
                    greeting.received = Vec::new();
                }
                Answer::Upgrade {
                    response,
                    head_bytes,
                    request_id,
                    endpoint,
                    binding,
                } => {
                    let mut early = whole[head_bytes..].to_vec();
                    let greeting = self.greetings.remove(at).expect("looked up above");
                    if greeting.socket.send(&response) == SendOutcome::Sent(response.len()) {
                        tracing::debug!(%request_id, address = %greeting.address, "a connection was upgraded");
                        let arrival = Arrival {
                            address: greeting.address,
                            endpoint,
                            binding,
                        };
                        self.admit(greeting.socket, arrival, &mut early, now);
                    }
                    return;
                }
            }
        }
    }

    /// Takes an upgraded socket into the shard, or tells it that there is no place.
    fn admit(&mut self, socket: Socket, arrival: Arrival, early: &mut [u8], now: Now) {
        let admitted = self.shard.world().ledger.admit_connection(arrival.address);
        let (permit, refusal) = match admitted {
            Ok(permit) => (Some(permit), None),
            Err(refusal) => (None, Some(refusal)),
        };
        let at = self.shard.admit(Link::new(socket), arrival, permit, now);
        let link = self.shard.link(at).expect("admitted a moment ago");
        // Watched anew under its new name; what arrived meanwhile is reported again.
        if let Err(error) = self
            .poller
            .rewatch(link.socket.as_fd(), Token::Connection(at), Interest::Read)
        {
            tracing::warn!(%error, "a connection was dropped because it cannot be watched");
            self.shard.end(at, now);
            return;
        }
        match refusal {
            Some(refusal) => {
                self.shard
                    .close_without_code(at, (&refusal.to_string(), ErrorCode::TooManyConnections), now);
            }
            None => {
                let flow = conversation::feed(&mut self.shard, at, early, self.limits, now);
                self.note_flow(at, flow);
            }
        }
    }
}
