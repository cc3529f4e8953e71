//! What surrounds clients that act at random.

use signal_fish_relay::shard::InboxLimits;

use crate::harness::Setup;

/// How a run differs from a calm one, whatever its clients do.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    pub shards: u16,
    pub inbox: InboxLimits,
    pub pipe_bytes: usize,
    pub speaks_tls: bool,
    pub outbox_bytes: usize,
    /// How much that may be left out waits for a receiver on version 3.
    pub droppable_frames: usize,
    /// Members above which spectators watch from outposts.
    pub outpost_members: Option<usize>,
}

/// Several shards, and room for everything.
pub const CALM: Weather = Weather {
    shards: 3,
    inbox: InboxLimits { bulk: 64, reserve: 8 },
    pipe_bytes: 1 << 20,
    speaks_tls: false,
    outbox_bytes: 1 << 20,
    droppable_frames: 1_024,
    outpost_members: None,
};

impl Weather {
    /// A run in this weather, with joins without end.
    pub fn setup(self, seed: u64) -> Setup {
        Setup {
            seed,
            shards: self.shards,
            inbox: self.inbox,
            pipe_bytes: self.pipe_bytes,
            speaks_tls: self.speaks_tls,
            ..Setup::default()
        }
        .with(|settings| {
            settings.budgets.joins = 10_000;
            settings.outbox.max_bytes = self.outbox_bytes;
            settings.delivery.droppable_frames = self.droppable_frames;
            settings.rooms.outpost_members = self.outpost_members;
        })
    }
}
