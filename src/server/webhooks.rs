//! From the operator's configuration to what webhooks are made of.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::webhook::WebhookKey;
use crate::config::{Config, EventKind};
use crate::control::{AgreedTerms, Destination, LiveTerms, TrustError, WebhookParts, WebhookTerms};
use crate::metrics::WebhookCounts;
use crate::net::Clock;

/// The most that is read of an answer: nothing in it matters.
const ANSWER_BYTES: usize = 64 * 1024;

/// Webhooks, as they may change while the server runs.
#[derive(Debug)]
pub(super) struct Posting {
    /// `None`: nothing is posted.
    live: Option<LiveTerms>,
}

impl Posting {
    pub(super) fn start(config: &Config) -> Result<Self, TrustError> {
        let live = Self::of(config)?.map(LiveTerms::new);
        Ok(Self { live })
    }

    /// What they are made of.
    pub(super) fn parts(&self, config: &Config, counts: Arc<WebhookCounts>, clock: Clock) -> Option<WebhookParts> {
        let webhooks = &config.webhooks;
        let dead_letter_path = webhooks.dead_letter_path.clone();
        Some(WebhookParts {
            terms: self.live.clone()?,
            room_for: webhooks.queue_capacity,
            dead_letters: dead_letter_path.map(|path| (path, webhooks.dead_letter_max_bytes)),
            counts,
            clock,
        })
    }

    /// The terms of a configuration, if anything is posted.
    pub(super) fn of(config: &Config) -> Result<Option<AgreedTerms>, TrustError> {
        terms(config).map(AgreedTerms::new).transpose()
    }

    /// Posts by them from now on.
    pub(super) fn take_over(&self, terms: Option<AgreedTerms>) {
        if let (Some(live), Some(terms)) = (&self.live, terms) {
            live.replace(terms);
        }
    }
}

/// What is posted where; `None`: nothing.
fn terms(config: &Config) -> Option<WebhookTerms> {
    let webhooks = &config.webhooks;
    let keys = [&webhooks.secret, &webhooks.previous_secret].into_iter().flatten();
    Some(WebhookTerms {
        destination: Destination {
            // The configuration's checks let only such pass as can be parsed.
            url: webhooks.url.as_ref()?.parse().ok()?,
            ca_path: webhooks.ca_path.clone(),
            timeout: Duration::from_millis(webhooks.timeout_ms),
            requests: 1,
            answer_bytes: ANSWER_BYTES,
            headers: Vec::new(),
        },
        keys: keys
            .filter_map(|secret| WebhookKey::parse(secret.expose()).ok())
            .collect(),
        wanted: wanted(&webhooks.events),
        batch: webhooks.batch_size,
        give_up_after: Duration::from_secs(webhooks.give_up_secs),
    })
}

/// The names of kinds, unless all are wanted.
fn wanted(kinds: &[EventKind]) -> Option<Vec<&'static str>> {
    let is_complete = EventKind::ALL.iter().all(|kind| kinds.contains(kind));
    (!is_complete).then(|| kinds.iter().map(|kind| kind.name()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn both_secrets_sign_and_without_a_url_nothing_is_posted() {
        let mut config = Config::default();
        assert!(terms(&config).is_none());
        config.webhooks.url = Some("https://game.example/webhooks".to_owned());
        config.webhooks.secret = Some(Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        config.webhooks.previous_secret = Some(Secret::new("whsec_AAAA9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        let terms = terms(&config).expect("there is a URL");
        assert_eq!(terms.keys.len(), 2);
        assert_eq!(terms.wanted, None, "all");
        let shown = format!("{terms:?}");
        assert!(!shown.contains("whsec") && !shown.contains("MfKQ"), "{shown}");
    }

    #[test]
    fn some_kinds_are_named() {
        let but_one = &EventKind::ALL[1..];
        let named: Vec<_> = but_one.iter().map(|kind| kind.name()).collect();
        assert_eq!(wanted(but_one), Some(named));
        let twice = [EventKind::ALL, EventKind::ALL].concat();
        assert_eq!(wanted(&twice), None);
    }
}
