//! Sockets that ask for something else than a WebSocket, on their way to the control plane.

use bytes::Bytes;

use super::super::guest::Guest;
use super::super::kernel::Kernel;
use super::super::pending_upgrade::UpgradeKey;
use super::Pump;
use crate::session::ClientAddress;
use crate::shard::Now;

impl<K: Kernel> Pump<K> {
    /// Gives a socket that asks for something else than a WebSocket to the control plane, with all that was read of it. `client`
    /// is whom the request comes from.
    pub(super) fn show_to_the_desk(&mut self, at: UpgradeKey, client: ClientAddress, received: Bytes, now: Now) {
        let Some(pending_upgrade) = self.pending_upgrades.remove(at) else {
            return;
        };
        if let Err(error) = self.kernel.forget(pending_upgrade.channel.socket()) {
            return self.warn_of_unwatched(&error, now);
        }
        let guest = Guest {
            channel: pending_upgrade.channel,
            address: pending_upgrade.address,
            client,
            fingerprint: pending_upgrade.fingerprint,
            received,
            shard: self.shard.id(),
        };
        match self.desk.take(guest) {
            Ok(()) => self.shard.counters().control_handovers.add(1),
            Err(guest) => {
                self.shard.counters().control_refused.add(1);
                let answer = self.site.crowded_out(guest.client, now);
                if let Some(at) = self.seat(guest.channel, guest.address, now) {
                    self.answer_upgrade(at, &answer, now);
                }
            }
        }
    }
}
