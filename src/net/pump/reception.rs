//! From an accepted socket to a connection of the shard, or to an answer and an end.

use std::io;

use bytes::Bytes;

use super::super::channel::Channel;
use super::super::conversation;
use super::super::guest::Guest;
use super::super::http::Answer;
use super::super::kernel::{Interest, Kernel, Received, Token};
use super::super::link::Link;
use super::super::pending_upgrade::UpgradeKey;
use super::super::socket::is_want_of_descriptors;
use super::Pump;
use super::greeting::Greeting;
use super::line::Waiting;
use super::stage::Stage;
use crate::rare_line::RareLine;
use crate::room::ConnectionKey;
use crate::session::Arrival;
use crate::shard::admission::{ConnectionPermit, ConnectionRefused};
use crate::shard::{Now, SendOutcome};

/// The most connections that are accepted from one listener in one turn.
const ACCEPTS_PER_TURN: usize = 32;

/// The most bytes after an answer that are read away.
const MAX_IGNORED_BYTES: usize = 64 * 1024;

/// Without descriptors, accepting pauses with every tick.
static ACCEPTING_PAUSES: RareLine = RareLine::new();

impl<K: Kernel> Pump<K> {
    /// Says whether more may wait.
    #[inline(never)]
    pub(super) fn accept(&mut self, listener: u32, now: Now) -> bool {
        for _ in 0..ACCEPTS_PER_TURN {
            match self.kernel.accept(listener) {
                Ok(Some((socket, address))) => {
                    self.receive_newcomer(socket, address.ip(), now);
                }
                Ok(None) => return false,
                // The newcomer takes the place of the one that has the least right to its own.
                Err(error) if is_want_of_descriptors(&error) && self.pending_upgrades.give_up_one() => {}
                Err(error) => {
                    self.pause_accepting(&error, now);
                    return false;
                }
            }
        }
        true
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
    pub(super) fn serve_upgrade(&mut self, at: UpgradeKey, now: Now) {
        if !self.pending_upgrades.may_serve() {
            return self.line.pass_over(Waiting::PendingUpgrade(at));
        }
        let Some(pending_upgrade) = self.pending_upgrades.get_mut(at) else {
            return;
        };
        pending_upgrade.is_in_line = false;
        if std::mem::take(&mut pending_upgrade.is_unjudged) {
            self.answer_request(at, 0, now);
        }
        loop {
            let Some(pending_upgrade) = self.pending_upgrades.get_mut(at) else {
                return;
            };
            if pending_upgrade.channel.is_greeting() {
                match self.greet(at, now) {
                    Greeting::Said(count) => self.answer_request(at, count, now),
                    Greeting::Goes => {}
                    Greeting::Waits => return,
                }
                continue;
            }
            let introduction = pending_upgrade.introduction.as_ref();
            let kept = introduction.map_or(0, |introduction| introduction.recall(&mut self.scratch));
            let arrived = pending_upgrade
                .channel
                .receive(&mut self.scratch[kept..], &mut self.sealing_room);
            let count = match arrived.received {
                Received::Bytes(0) => continue, // a record that has not come completely
                Received::Bytes(count) => kept + count,
                Received::Nothing => return,
                Received::End => {
                    pending_upgrade.channel.say_end(&mut self.sealing_room);
                    self.pending_upgrades.remove(at);
                    return;
                }
            };
            if pending_upgrade.is_answered() {
                // What was on its way with the request is read away, so that the answer is not lost to a reset; who
                // goes on sending after that is cut off, or it could hold the shard here for ever.
                pending_upgrade.ignored_bytes += count;
                if pending_upgrade.ignored_bytes > MAX_IGNORED_BYTES {
                    self.pending_upgrades.remove(at);
                    return;
                }
                continue;
            }
            let Some(count) = self.introduce(at, count, now) else {
                continue;
            };
            let is_greeting = self
                .pending_upgrades
                .get_mut(at)
                .is_some_and(|it| it.channel.is_greeting());
            if is_greeting {
                if let Greeting::Said(count) = self.greet_with(at, count, now) {
                    self.answer_request(at, count, now);
                }
            } else {
                self.answer_request(at, count, now);
            }
        }
    }

    /// Looks at a request of which so many bytes more have come, into the scratch.
    pub(super) fn answer_request(&mut self, at: UpgradeKey, count: usize, now: Now) {
        let Some(pending_upgrade) = self.pending_upgrades.get_mut(at) else {
            return;
        };
        let fresh = &self.scratch[..count];
        let whole: &[u8] = if pending_upgrade.received.is_empty() {
            fresh
        } else {
            pending_upgrade.received.reserve_exact(count); // not twice as much: there may be thousands
            pending_upgrade.received.extend_from_slice(fresh);
            &pending_upgrade.received
        };
        let address = pending_upgrade.address;
        let random = self.shard.draw_random();
        match self.site.answer(whole, address, self.shard.access(), random, now) {
            Answer::Wait => {
                if pending_upgrade.received.is_empty() {
                    pending_upgrade.received = fresh.to_vec();
                }
            }
            Answer::Close(response) => self.answer_upgrade(at, &response, now),
            Answer::Elsewhere { client } => {
                let received = Bytes::copy_from_slice(whole);
                self.show_to_the_desk(at, client, received, now);
            }
            Answer::Upgrade {
                response,
                head_bytes,
                request_id,
                client,
                endpoint,
                binding,
            } => {
                let mut early = whole[head_bytes..].to_vec();
                let admitted = self.shard.world().ledger.admit_connection(client);
                if let Err(refusal) = &admitted
                    && !self
                        .pending_upgrades
                        .may_say_farewell(|at| self.shard.link(at).is_some())
                {
                    let response = self.site.refuse(*refusal, request_id, client, now);
                    self.shard.counters().upgrades_crowded_out.add(1);
                    return self.answer_upgrade(at, &response, now);
                }
                self.shard.counters().upgrades_accepted.add(1);
                let mut pending_upgrade = self.pending_upgrades.remove(at).expect("looked up above");
                let sent = pending_upgrade.channel.send(&response, &mut self.sealing_room);
                if sent == SendOutcome::Sent(response.len()) {
                    let remarks = pending_upgrade.remarks.as_deref();
                    tracing::debug!(
                        %request_id,
                        address = %client,
                        server_name = remarks.and_then(|remarks| remarks.server_name.as_deref()),
                        tls_version = remarks.and_then(|remarks| remarks.tls_version.as_deref()),
                        "a connection was upgraded"
                    );
                    let arrival = Arrival {
                        request_id,
                        address: client,
                        endpoint,
                        binding,
                        certificate: pending_upgrade.fingerprint,
                    };
                    self.enter(pending_upgrade.channel, arrival, admitted, &mut early, now);
                } else {
                    self.shard.counters().upgrades_failed.add(1);
                }
            }
        }
    }

    /// Takes back a socket that has asked for a WebSocket after all. It is judged like any other, and stands in line for it.
    pub(super) fn take_back_guest(&mut self, guest: Guest<K::Socket>, now: Now) {
        let Some(at) = self.seat(guest.channel, guest.address, now) else {
            return;
        };
        if let Some(pending_upgrade) = self.pending_upgrades.get_mut(at) {
            pending_upgrade.fingerprint = guest.fingerprint;
            pending_upgrade.received = guest.received.to_vec();
            pending_upgrade.is_unjudged = true;
        }
        self.note_upgrade(at);
    }

    /// Takes an upgraded socket, which is watched, into the shard, or tells it that there is no place. `early` is what it said
    /// after its request.
    pub fn admit(
        &mut self,
        channel: Channel<K::Socket>,
        arrival: Arrival,
        early: &mut [u8],
        now: Now,
    ) -> ConnectionKey {
        let admitted = self.shard.world().ledger.admit_connection(arrival.address);
        self.enter(channel, arrival, admitted, early, now)
    }

    fn enter(
        &mut self,
        channel: Channel<K::Socket>,
        arrival: Arrival,
        admitted: Result<ConnectionPermit, ConnectionRefused>,
        early: &mut [u8],
        now: Now,
    ) -> ConnectionKey {
        let (permit, refusal) = match admitted {
            Ok(permit) => (Some(permit), None),
            Err(refusal) => (None, Some(refusal)),
        };
        let at = self.shard.admit(Link::new(channel), arrival, permit, now);
        let link = self.shard.link(at).expect("admitted a moment ago");
        // Watched anew under its new name; what arrived meanwhile is reported again.
        if let Err(error) = self
            .kernel
            .rewatch(link.channel.socket(), Token::Connection(at), Interest::Read)
        {
            self.warn_of_unwatched(&error, now);
            self.shard.on_gone(at, now);
            return at;
        }
        match refusal {
            Some(refusal) => {
                self.pending_upgrades.note_farewell(at);
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
