//! Offering every socket what it is owed.

use super::super::kernel::{Interest, Kernel, Token};
use super::Pump;
use crate::room::ConnectionKey;
use crate::shard::{AfterSend, Now};

impl<K: Kernel> Pump<K> {
    /// Sends once to everybody who has something to say, and closes those for whom too much waits after that.
    pub(super) fn flush(&mut self, now: Now) {
        let mut dirty = std::mem::take(&mut self.dirty);
        self.shard.take_dirty(&mut dirty);
        for at in &dirty {
            self.offer(*at, now);
        }
        self.dirty = dirty;
        self.shard.close_overrun(now);
    }

    fn offer(&mut self, at: ConnectionKey, now: Now) {
        while let Some((link, bytes)) = self.shard.unsent(at, now) {
            let outcome = link.channel.send(bytes, &mut self.sealing_room);
            self.shard.counters().kernel_entries.add(1);
            match self.shard.sent(at, outcome, now) {
                AfterSend::SendMore => continue,
                AfterSend::Nothing => {}
                AfterSend::AwaitRead => self.watch_for(at, Interest::Read, now),
                AfterSend::AwaitWritable => self.watch_for(at, Interest::ReadAndWrite, now),
                AfterSend::FinishSending => {
                    if let Some(link) = self.shard.link_mut(at) {
                        link.channel.finish_sending(&mut self.sealing_room);
                    }
                    self.watch_for(at, Interest::Read, now);
                }
                AfterSend::Remove => self.shard.on_gone(at, now),
            }
            return;
        }
    }

    /// Watches a connection for what it now waits for; most never wait for room to write.
    #[inline(never)]
    fn watch_for(&mut self, at: ConnectionKey, interest: Interest, now: Now) {
        let Some(link) = self.shard.link_mut(at) else { return };
        if link.interest == interest {
            return;
        }
        link.interest = interest;
        if let Err(error) = self
            .kernel
            .rewatch(link.channel.socket(), Token::Connection(at), interest)
        {
            self.warn_of_unwatched(&error, now);
            self.shard.on_gone(at, now);
        }
    }
}
