//! How a server is told to stop.

use std::sync::Arc;
use std::time::Duration;

use crate::net::{Mail, Peers};
use crate::runtime::supervisor::StopHandle;
use crate::shard::{Priority, World};

/// Stops a server, from any thread. Stopping twice changes nothing.
#[derive(Debug, Clone)]
pub(super) struct Stopper {
    pub(super) world: Arc<World>,
    pub(super) peers: Peers,
    pub(super) supervisor: StopHandle,
    pub(super) drain_grace: Duration,
}

impl Stopper {
    /// Tells every shard to take nobody in, to let those who are here go on for the configured grace, and then to close
    /// them, flush and end. A server without connections ends at once.
    pub(super) fn stop(&self) {
        self.supervisor.request();
        self.world.begin_drain();
        let grace = if self.waits_for() == 0 {
            Duration::ZERO
        } else {
            self.drain_grace
        };
        self.tell_shards(grace);
    }

    /// Has a server that stops say goodbye at once to those who are still here.
    pub(super) fn hurry(&self) {
        self.supervisor.hurry();
        self.tell_shards(Duration::ZERO);
    }

    /// How many connections there are, for which a stop waits.
    pub(super) fn waits_for(&self) -> usize {
        self.world.ledger.admitted().connections
    }

    /// How long a stop waits for them.
    pub(super) const fn drain_grace(&self) -> Duration {
        self.drain_grace
    }

    fn tell_shards(&self, grace: Duration) {
        for peer in &*self.peers {
            // Fails when even the reserve of an inbox is full, or the shard is gone: the supervisor's deadline ends both.
            let _ = peer.try_send(Priority::Control, Mail::Drain { grace });
        }
    }
}
