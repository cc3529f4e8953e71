//! From the operator's configuration to what webhooks are made of.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::webhook::WebhookKey;
use crate::config::Config;
use crate::control::{Destination, WebhookParts};
use crate::metrics::WebhookCounts;
use crate::net::Clock;

/// The most that is read of an answer: nothing in it matters.
const ANSWER_BYTES: usize = 64 * 1024;

/// What is posted where; `None`: nothing.
pub(super) fn parts(config: &Config, counts: Arc<WebhookCounts>, clock: Clock) -> Option<WebhookParts> {
    let webhooks = &config.webhooks;
    let keys = [&webhooks.secret, &webhooks.previous_secret].into_iter().flatten();
    Some(WebhookParts {
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
        wanted: webhooks.events.iter().map(|kind| kind.name()).collect(),
        room_for: webhooks.queue_capacity,
        batch: webhooks.batch_size,
        give_up_after: Duration::from_secs(webhooks.give_up_secs),
        dead_letters: webhooks
            .dead_letter_path
            .clone()
            .map(|path| (path, webhooks.dead_letter_max_bytes)),
        counts,
        clock,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn both_secrets_sign_and_without_a_url_nothing_is_posted() {
        let mut config = Config::default();
        let parts_of = |config: &Config| parts(config, Arc::default(), Clock::start());
        assert!(parts_of(&config).is_none());
        config.webhooks.url = Some("https://game.example/webhooks".to_owned());
        config.webhooks.secret = Some(Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        config.webhooks.previous_secret = Some(Secret::new("whsec_AAAA9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        let parts = parts_of(&config).expect("there is a URL");
        assert_eq!(parts.keys.len(), 2);
        assert!(parts.wanted.contains(&"player.too_slow"));
        let shown = format!("{parts:?}");
        assert!(!shown.contains("whsec") && !shown.contains("MfKQ"), "{shown}");
    }
}
