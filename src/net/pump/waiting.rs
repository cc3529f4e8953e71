//! Who is put into the line, so that it is served.

use super::super::kernel::Kernel;
use super::super::pending_upgrade::UpgradeKey;
use super::Pump;
use super::line::Waiting;
use crate::room::ConnectionKey;
use crate::shard::Flow;

impl<K: Kernel> Pump<K> {
    /// A connection has something to read, or has ended.
    pub(super) fn note_readable(&mut self, at: ConnectionKey, hung_up: bool) {
        let Some(link) = self.shard.link_mut(at) else { return };
        link.is_unread = true;
        link.is_hung_up |= hung_up;
        if !std::mem::replace(&mut link.is_in_line, true) {
            self.line.push(Waiting::Connection(at));
        }
    }

    /// A socket that has not been upgraded has something to read, or has ended.
    pub(super) fn note_upgrade(&mut self, at: UpgradeKey) {
        if let Some(pending_upgrade) = self.pending_upgrades.get_mut(at)
            && !std::mem::replace(&mut pending_upgrade.is_in_line, true)
        {
            self.line.push(Waiting::PendingUpgrade(at));
        }
    }

    /// Puts a connection into the line again if it has more that nothing will tell of: bytes that were kept, or that its socket
    /// may hold. One that waits for another shard is resumed by the answer.
    pub(super) fn note_flow(&mut self, at: ConnectionKey, flow: Flow) {
        let awaits_shard = flow == Flow::Suspend && self.shard.awaits_shard(at);
        let Some(link) = self.shard.link_mut(at) else { return };
        if awaits_shard {
            return;
        }
        link.is_suspended |= flow == Flow::Suspend;
        if (link.is_suspended || link.is_unread) && !std::mem::replace(&mut link.is_in_line, true) {
            self.line.push(Waiting::Connection(at));
        }
    }
}
