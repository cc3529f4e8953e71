//! What every route knows.

use std::sync::Arc;

use crate::control::collector::Collector;
use crate::control::shards::Shards;
use crate::metrics::{DashboardReading, Reading};
use crate::net::Clock;
use crate::net::http::Site;
use crate::net::tls::Acceptor;
use crate::shard::Now;

/// What every route knows.
#[derive(Debug)]
pub(in crate::control) struct Known {
    pub(in crate::control) site: Arc<Site>,
    pub(in crate::control) shards: Arc<Shards>,
    pub(in crate::control) collector: Collector,
    /// What handshakes go by; `None`: TLS is off.
    pub(in crate::control) acceptor: Option<Arc<Acceptor>>,
    pub(in crate::control) clock: Clock,
}

impl Known {
    /// Everything that the metrics show.
    pub(super) async fn reading(&self) -> Reading {
        Reading {
            shards: self.collector.shards().await,
            dashboard: DashboardReading::default(),
            process: self.collector.process(),
            certificate_ends_unix_secs: self.acceptor.as_ref().map(|acceptor| acceptor.expires_unix_secs()),
            world: Arc::clone(&self.site.world),
        }
    }

    pub(super) fn now(&self) -> Now {
        let mut clock = self.clock;
        clock.now(clock.moment())
    }
}
