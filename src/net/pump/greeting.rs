//! TLS handshakes of sockets that are not upgraded: so long in a turn, and no longer.

use std::time::Duration;

use super::super::channel::{Channel, Greeted};
use super::super::kernel::{Interest, Kernel, Token};
use super::super::pending_upgrade::UpgradeKey;
use super::Pump;
use crate::rare_line::RareLine;
use crate::shard::{Now, SendOutcome};

/// Without randomness there are no handshakes.
static NOT_BEGUN: RareLine = RareLine::new();

#[cold]
fn note_not_begun(error: &rustls::Error, now: Now) {
    if let Some(unsaid) = NOT_BEGUN.may_say(now.mono_ms) {
        tracing::error!(%error, unsaid, "a connection was dropped because its TLS handshake cannot begin");
    }
}

/// Whether to go on reading.
pub(super) enum Greeting {
    Goes,
    Waits,
    /// The peer has said something behind its last words: so many bytes, in the scratch.
    Said(usize),
}

impl<K: Kernel> Pump<K> {
    /// What is spoken on a socket that was just accepted.
    pub(super) fn channel_of(&mut self, socket: K::Socket, now: Now) -> Option<Channel<K::Socket>> {
        let Some(greeter) = &mut self.greeter else {
            return Some(Channel::plain(socket));
        };
        match greeter.greet() {
            Ok(handshake) => Some(Channel::greeting(socket, handshake)),
            Err(error) => {
                note_not_begun(&error, now);
                None
            }
        }
    }

    /// Begins what is spoken on a socket whose proxy has said whom it speaks for. `false`: it was closed.
    pub(super) fn secure(&mut self, at: UpgradeKey, now: Now) -> bool {
        let Some(greeter) = &mut self.greeter else {
            return true;
        };
        let Some(pending_upgrade) = self.pending_upgrades.get_mut(at) else {
            return false;
        };
        match greeter.greet() {
            Ok(handshake) => {
                pending_upgrade.channel.secure(handshake);
                true
            }
            Err(error) => {
                note_not_begun(&error, now);
                self.pending_upgrades.remove(at);
                false
            }
        }
    }

    /// Goes on with a handshake, once. When the turn has spent enough on others, it stands in line for the next.
    pub(super) fn greet(&mut self, at: UpgradeKey, now: Now) -> Greeting {
        if !self.pending_upgrades.may_greet() {
            self.note_upgrade(at);
            return Greeting::Waits;
        }
        let Some(pending_upgrade) = self.pending_upgrades.get_mut(at) else {
            return Greeting::Waits;
        };
        let began = self.kernel.moment();
        let greeted = pending_upgrade.channel.greet(&mut self.scratch, &mut self.sealing_room);
        self.note_greeted(at, began, greeted, now)
    }

    /// The same with so many bytes that were read already and lie in the scratch.
    pub(super) fn greet_with(&mut self, at: UpgradeKey, count: usize, now: Now) -> Greeting {
        let Some(pending_upgrade) = self.pending_upgrades.get_mut(at) else {
            return Greeting::Waits;
        };
        let began = self.kernel.moment();
        let fresh = &self.scratch[..count];
        let greeted = pending_upgrade.channel.greet_with(fresh, &mut self.sealing_room);
        self.note_greeted(at, began, greeted, now)
    }

    /// Notes what came of it before the peer hears of it: what is told has been counted.
    fn note_greeted(&mut self, at: UpgradeKey, began: Duration, greeted: Greeted, now: Now) -> Greeting {
        let greeting = match greeted {
            Greeted::Waits => {
                self.watch_greeting(at, now);
                Greeting::Waits
            }
            Greeted::Goes => self.say_greeting(at, Greeting::Goes),
            Greeted::Done(welcome) => {
                let counters = self.shard.counters();
                counters.tls_handshakes.add(1);
                counters.tls_resumptions.add(u64::from(welcome.resumed));
                if let Some(pending_upgrade) = self.pending_upgrades.get_mut(at) {
                    pending_upgrade.fingerprint = welcome.fingerprint;
                }
                let early = &welcome.early;
                self.scratch[..early.len()].copy_from_slice(early);
                let next = if early.is_empty() {
                    Greeting::Goes
                } else {
                    Greeting::Said(early.len())
                };
                self.say_greeting(at, next)
            }
            Greeted::Refused(why) => {
                let Some(pending_upgrade) = self.pending_upgrades.get_mut(at) else {
                    return Greeting::Waits;
                };
                self.site.note_no_handshake(pending_upgrade.address, &why, now);
                self.pending_upgrades.note_answered(at, now.mono_ms);
                let next = self.say_greeting(at, Greeting::Goes);
                if let Some(pending_upgrade) = self.pending_upgrades.get_mut(at) {
                    pending_upgrade.channel.finish_sending(&mut self.sealing_room);
                }
                next
            }
            Greeted::End => {
                self.pending_upgrades.remove(at);
                Greeting::Waits
            }
        };
        self.pending_upgrades
            .note_greeted(self.kernel.moment().saturating_sub(began));
        greeting
    }

    /// Sends what the handshake has to say; `next`, if the socket is sound.
    fn say_greeting(&mut self, at: UpgradeKey, next: Greeting) -> Greeting {
        let Some(pending_upgrade) = self.pending_upgrades.get_mut(at) else {
            return Greeting::Waits;
        };
        if pending_upgrade.channel.send(&[], &mut self.sealing_room) == SendOutcome::Broken {
            self.pending_upgrades.remove(at);
            return Greeting::Waits;
        }
        next
    }

    /// Has the kernel say when there is room for the rest of a flight, which it almost always takes at once.
    fn watch_greeting(&mut self, at: UpgradeKey, now: Now) {
        let Some(pending_upgrade) = self.pending_upgrades.get_mut(at) else {
            return;
        };
        if !pending_upgrade.channel.holds_back() {
            return;
        }
        let watched = self.kernel.rewatch(
            pending_upgrade.channel.socket(),
            Token::PendingUpgrade(at),
            Interest::ReadAndWrite,
        );
        if let Err(error) = watched {
            self.warn_of_unwatched(&error, now);
            self.pending_upgrades.remove(at);
        }
    }
}
