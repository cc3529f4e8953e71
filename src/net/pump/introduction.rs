//! The first stage of a socket: whether a proxy says whom it speaks for.

use std::net::IpAddr;

use super::super::channel::Channel;
use super::super::kernel::Kernel;
use super::super::pending_upgrade::UpgradeKey;
use super::super::proxies::{Introduced, IntroductionFault};
use super::Pump;
use crate::session::ClientAddress;
use crate::shard::Now;
use crate::shard::refusals::{RefusalReason, Refused};

impl<K: Kernel> Pump<K> {
    /// Takes a socket in that was just accepted.
    pub(super) fn receive_newcomer(&mut self, socket: K::Socket, peer: IpAddr, now: Now) {
        let address = self.site.proxies.peer(peer);
        if self.shard.access().keeps_out(address) {
            return self.site.note_blocked(address, now);
        }
        match self.site.proxies.introduction(address) {
            Ok(introduction) => {
                // A proxy says whom it speaks for before anything else, and in the clear.
                let channel = if introduction.is_some() {
                    Channel::plain(socket)
                } else {
                    match self.channel_of(socket, now) {
                        Some(channel) => channel,
                        None => return,
                    }
                };
                if let Some(at) = self.seat(channel, address, now)
                    && let Some(pending_upgrade) = self.pending_upgrades.get_mut(at)
                {
                    pending_upgrade.introduction = introduction;
                }
            }
            Err(fault) => self.refuse_introduction(address, fault, now),
        }
    }

    /// Reads a proxy's header where one may come. `count` bytes are in the scratch, all since the socket was accepted. Returns
    /// how many of them are left for whatever comes next, in the scratch's front; `None`: more has to come, or the socket
    /// was closed.
    pub(super) fn introduce(&mut self, at: UpgradeKey, count: usize, now: Now) -> Option<usize> {
        let pending_upgrade = self.pending_upgrades.get_mut(at)?;
        let Some(introduction) = &mut pending_upgrade.introduction else {
            return Some(count);
        };
        match introduction.read(&self.scratch[..count]) {
            Ok(Introduced::NotYet) => None,
            Ok(Introduced::Nobody) => {
                pending_upgrade.introduction = None;
                self.secure(at, now).then_some(count)
            }
            Ok(Introduced::Header { bytes, client, remarks }) => {
                pending_upgrade.introduction = None;
                pending_upgrade.remarks = remarks;
                if let Some(client) = client {
                    let client = self.site.proxies.peer(client);
                    if self.shard.access().keeps_out(client) {
                        self.site.note_blocked(client, now);
                        self.pending_upgrades.remove(at);
                        return None;
                    }
                    self.pending_upgrades.introduce(at, client);
                }
                self.scratch.copy_within(bytes..count, 0);
                self.secure(at, now).then_some(count - bytes).filter(|left| *left > 0)
            }
            Err(fault) => {
                let address = pending_upgrade.address;
                self.refuse_introduction(address, fault, now);
                self.pending_upgrades.remove(at);
                None
            }
        }
    }

    fn refuse_introduction(&self, address: ClientAddress, fault: IntroductionFault, now: Now) {
        let reason = match fault {
            IntroductionFault::Untrusted => RefusalReason::ProxyUntrusted,
            IntroductionFault::Missing => RefusalReason::ProxyHeaderMissing,
            IntroductionFault::Malformed | IntroductionFault::TooLong => RefusalReason::ProxyHeaderMalformed,
        };
        let who = Refused {
            address: Some(address),
            ..Refused::default()
        };
        self.shard.world().refusals.note(reason, &who, now.mono_ms);
    }
}
