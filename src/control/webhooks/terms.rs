//! Where webhooks go and how, as it may change while the server runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::auth::webhook::WebhookKey;
use crate::control::outbound::{Destination, Outbound, TrustError};

/// Where webhooks go, and how.
#[derive(Debug)]
pub struct WebhookTerms {
    /// Where they go.
    pub destination: Destination,
    /// What they are signed with: the newest first.
    pub keys: Vec<WebhookKey>,
    /// Which kinds of events; `None`: all.
    pub wanted: Option<Vec<&'static str>>,
    /// Events of one request.
    pub batch: usize,
    /// For how long a batch is tried.
    pub give_up_after: Duration,
}

/// The terms, with a way to where they lead.
#[derive(Debug)]
pub struct AgreedTerms {
    pub(super) terms: WebhookTerms,
    pub(super) outbound: Outbound,
}

impl AgreedTerms {
    /// Nothing is opened before there is something to post.
    ///
    /// # Errors
    ///
    /// When nobody is there to vouch for the other server.
    pub fn new(terms: WebhookTerms) -> Result<Self, TrustError> {
        let outbound = Outbound::new(terms.destination.clone())?;
        Ok(Self { terms, outbound })
    }
}

/// The terms that hold now.
#[derive(Debug, Clone)]
pub struct LiveTerms(watch::Sender<Arc<AgreedTerms>>);

impl LiveTerms {
    /// These, until others take their place.
    #[must_use]
    pub fn new(terms: AgreedTerms) -> Self {
        Self(watch::Sender::new(Arc::new(terms)))
    }

    /// Others, from the next try on. A batch that waits to be tried again is tried at once.
    pub fn replace(&self, terms: AgreedTerms) {
        self.0.send_replace(Arc::new(terms));
    }

    pub(super) fn watch(&self) -> watch::Receiver<Arc<AgreedTerms>> {
        self.0.subscribe()
    }
}
