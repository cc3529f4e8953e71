//! Sockets that are not upgraded: their place, and their last answer.

use std::io;

use super::super::channel::Channel;
use super::super::kernel::{Interest, Kernel, Token};
use super::super::pending_upgrade::UpgradeKey;
use super::Pump;
use crate::rare_line::RareLine;
use crate::session::ClientAddress;
use crate::shard::Now;

/// Where the kernel has no room for watches, every connection is dropped.
static NOT_WATCHED: RareLine = RareLine::new();

impl<K: Kernel> Pump<K> {
    /// Gives a socket a place among those that are not upgraded, and watches it.
    pub(super) fn seat(&mut self, channel: Channel<K::Socket>, address: ClientAddress, now: Now) -> Option<UpgradeKey> {
        let at = self.pending_upgrades.insert(channel, address, now.mono_ms);
        let pending_upgrade = self.pending_upgrades.get_mut(at).expect("inserted a moment ago");
        let watched = self.kernel.watch(
            pending_upgrade.channel.socket(),
            Token::PendingUpgrade(at),
            Interest::Read,
        );
        if let Err(error) = watched {
            self.warn_of_unwatched(&error, now);
            self.pending_upgrades.remove(at);
            return None;
        }
        Some(at)
    }

    /// Sends an answer after which nothing follows.
    pub(super) fn answer_upgrade(&mut self, at: UpgradeKey, response: &[u8], now: Now) {
        if let Some(pending_upgrade) = self.pending_upgrades.get_mut(at) {
            // An answer fits into an empty socket; a peer for which it does not has not read and need not know.
            pending_upgrade.channel.send(response, &mut self.sealing_room);
            pending_upgrade.channel.finish_sending(&mut self.sealing_room);
            self.pending_upgrades.note_answered(at, now.mono_ms);
        }
    }

    pub(super) fn warn_of_unwatched(&self, error: &io::Error, now: Now) {
        if let Some(unsaid) = NOT_WATCHED.may_say(now.mono_ms) {
            tracing::warn!(shard = %self.shard.id(), %error, unsaid, "a connection was dropped because it cannot be watched");
        }
    }
}
