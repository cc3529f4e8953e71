//! What every route knows.

use std::sync::Arc;

use crate::control::collector::Collector;
use crate::control::dashboard::Dashboard;
use crate::control::sessions::Sessions;
use crate::control::shards::Shards;
use crate::control::work_window::WorkWindow;
use crate::logging;
use crate::metrics::{self, Capacity, Reading, TextFormat, WebhookCounts};
use crate::net::Clock;
use crate::net::http::Site;
use crate::net::tls::Acceptor;
use crate::shard::Now;

/// What every route knows.
#[derive(Debug)]
pub(in crate::control) struct Known {
    pub(in crate::control) site: Arc<Site>,
    pub(in crate::control) shards: Arc<Shards>,
    /// What handshakes go by; `None`: TLS is off.
    pub(in crate::control) acceptor: Option<Arc<Acceptor>>,
    pub(in crate::control) collector: Arc<Collector>,
    pub(in crate::control) dashboard: Dashboard,
    pub(in crate::control) sessions: Sessions,
    pub(in crate::control) work: WorkWindow,
    /// What the operator calls the place where the server is.
    pub(in crate::control) region: String,
    pub(in crate::control) clock: Clock,
    /// What has become of webhooks.
    pub(in crate::control) webhooks: Arc<WebhookCounts>,
}

impl Known {
    /// Everything that the metrics show.
    pub(in crate::control) async fn reading(&self) -> Reading {
        let mut reading = self.collected().await;
        reading.capacity = Some(self.work.forecast(&reading));
        reading
    }

    /// How many more rooms fit.
    pub(super) async fn capacity(&self) -> Capacity {
        self.work.forecast(&self.collected().await)
    }

    /// What is read of others, before anything is told from it.
    async fn collected(&self) -> Reading {
        Reading {
            shards: self.collector.shards().await,
            dashboard: self.dashboard.reading(),
            process: self.collector.process(),
            certificate_ends_unix_secs: self.acceptor.as_ref().map(|acceptor| acceptor.expires_unix_secs()),
            log_lines_lost: logging::lost_lines(),
            webhooks: Arc::clone(&self.webhooks),
            world: Arc::clone(&self.site.world),
            capacity: None,
        }
    }

    /// The page for Prometheus.
    pub(in crate::control) async fn page(&self) -> String {
        metrics::write(&metrics::of(&self.reading().await), TextFormat::Prometheus)
    }

    pub(in crate::control) fn now(&self) -> Now {
        let mut clock = self.clock;
        clock.now(clock.moment())
    }
}
