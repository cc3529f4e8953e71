//! What every route knows.

use std::sync::Arc;

use crate::control::shards::Shards;
use crate::net::Clock;
use crate::net::http::Site;
use crate::shard::Now;

/// What every route knows.
#[derive(Debug)]
pub(in crate::control) struct Known {
    pub(in crate::control) site: Arc<Site>,
    pub(in crate::control) shards: Shards,
    pub(in crate::control) clock: Clock,
}

impl Known {
    pub(super) fn now(&self) -> Now {
        let mut clock = self.clock;
        clock.now(clock.moment())
    }
}
