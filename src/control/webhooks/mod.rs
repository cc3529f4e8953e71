//! Room events, posted to somebody's server.
//!
//! Owns one batch at a time and what waits behind it. Promises that each event is posted until the server says that it has it, under
//! the same id, and those of a room in their order; or else that it is kept as a dead letter, or counted as lost. Nobody waits
//! for that server, and a stop waits for two seconds.

mod dead_letters;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use tokio::select;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use self::dead_letters::DeadLetters;
use super::feed;
use super::outbound::{Destination, Outbound, TrustError};
use crate::auth::webhook::WebhookKey;
use crate::metrics::WebhookCounts;
use crate::net::Clock;
use crate::retry::Retries;
use crate::shard::RoomEvent;

/// How long a batch that is not full waits for more.
const GATHER: Duration = Duration::from_millis(50);

/// What webhooks are made of.
#[derive(Debug)]
pub struct WebhookParts {
    /// Where they go.
    pub destination: Destination,
    /// What they are signed with: the newest first.
    pub keys: Vec<WebhookKey>,
    /// Which kinds of events.
    pub wanted: Vec<&'static str>,
    /// Events that may wait.
    pub room_for: usize,
    /// Events of one request.
    pub batch: usize,
    /// For how long a batch is tried.
    pub give_up_after: Duration,
    /// Where events are kept that were given up, and how many bytes of them.
    pub dead_letters: Option<(PathBuf, u64)>,
    /// What is counted of them.
    pub counts: Arc<WebhookCounts>,
    /// The process's clocks.
    pub clock: Clock,
}

/// Posts room events.
#[derive(Debug)]
pub struct Webhooks {
    outbound: Outbound,
    dead_letters: Option<Arc<DeadLetters>>,
    parts: WebhookParts,
}

/// When all must be over, once the server ends.
type End = watch::Receiver<Option<Instant>>;

impl Webhooks {
    /// Nothing is opened before there is something to post.
    ///
    /// # Errors
    ///
    /// When nobody is there to vouch for the other server.
    pub fn new(parts: WebhookParts) -> Result<Self, TrustError> {
        let dead_letters = parts.dead_letters.clone();
        Ok(Self {
            outbound: Outbound::new(parts.destination.clone())?,
            dead_letters: dead_letters.map(|(path, max_bytes)| Arc::new(DeadLetters::new(path, max_bytes))),
            parts,
        })
    }

    pub(super) const fn room_for(&self) -> usize {
        self.parts.room_for
    }

    pub(super) fn wanted(&self) -> Vec<&'static str> {
        self.parts.wanted.clone()
    }

    pub(super) fn counts(&self) -> Arc<WebhookCounts> {
        Arc::clone(&self.parts.counts)
    }

    /// Posts what comes, until no more does.
    pub(super) async fn run(self, mut waiting: mpsc::Receiver<RoomEvent>, mut end: End) {
        let most = self.parts.batch;
        let mut batch = Vec::new();
        while waiting.recv_many(&mut batch, most).await > 0 {
            if batch.len() < most {
                select! {
                    () = sleep(GATHER) => {}
                    () = ends(&mut end) => {}
                }
                while batch.len() < most
                    && let Ok(event) = waiting.try_recv()
                {
                    batch.push(event);
                }
            }
            self.deliver(&batch, &mut end).await;
            batch.clear();
        }
    }

    /// Posts a batch until the other server has it, or its time is over.
    async fn deliver(&self, batch: &[RoomEvent], end: &mut End) {
        let Some(first) = batch.first() else { return };
        let (id, events) = (first.id(), batch.len() as u64);
        let body = Bytes::from(feed::batch(batch));
        let counts = &self.parts.counts;
        let give_up_at = Instant::now() + self.parts.give_up_after;
        let mut retries = Retries::new();
        let why = loop {
            let failure = select! {
                outcome = self.post(&id, &body) => match outcome {
                    Ok(()) => return counts.delivered.add(events),
                    Err(failure) => failure,
                },
                () = is_over(end) => break "the server stops".to_owned(),
            };
            counts.failures.add(1);
            let retry_at = Instant::now() + retries.next_delay();
            if retry_at > give_up_at {
                break failure;
            }
            if retries.is_first() {
                tracing::warn!(id, failure, "a webhook was not taken, and is tried again");
            }
            select! {
                () = sleep_until(retry_at) => {}
                // Once more at once; and what fails then is kept.
                () = ends(end) => {
                    let last = select! {
                        outcome = self.post(&id, &body) => outcome,
                        () = is_over(end) => Err("the server stops".to_owned()),
                    };
                    match last {
                        Ok(()) => return counts.delivered.add(events),
                        Err(failure) => break failure,
                    }
                }
            }
        };
        self.bury(batch, &id, &why).await;
    }

    async fn post(&self, id: &str, body: &Bytes) -> Result<(), String> {
        let mut clock = self.parts.clock;
        let timestamp = clock.now(clock.moment()).wall.unix_secs();
        let signatures: Vec<_> = self
            .parts
            .keys
            .iter()
            .map(|key| key.sign(id, timestamp, body))
            .collect();
        let fields = [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", signatures.join(" ")),
        ];
        let fields = fields.map(|(name, value)| {
            let value = HeaderValue::from_str(&value).expect("ids, digits and base64");
            (HeaderName::from_static(name), value)
        });
        match self.outbound.post(body.clone(), &fields).await {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => Err(format!("answered with {}", answer.status.as_u16())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Keeps a batch that was given up, or counts it as lost.
    async fn bury(&self, batch: &[RoomEvent], id: &str, why: &str) {
        let events = batch.len() as u64;
        let counts = &self.parts.counts;
        let Some(dead_letters) = self.dead_letters.clone() else {
            tracing::error!(
                id,
                events,
                why,
                "webhooks were given up, and there is no webhooks.dead_letter_path"
            );
            return counts.lost.add(events);
        };
        let lines: String = batch.iter().map(|event| format!("{}\n", feed::event(event))).collect();
        // On a thread that may wait for the disk.
        let kept = tokio::task::spawn_blocking(move || dead_letters.keep(&lines)).await;
        match kept.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(()) => {
                tracing::error!(id, events, why, "webhooks were given up, and are kept as dead letters");
                counts.dead_letters.add(events);
            }
            Err(error) => {
                tracing::error!(id, events, why, %error, "webhooks were given up, and could not be kept");
                counts.lost.add(events);
            }
        }
    }
}

/// Comes when the server ends.
async fn ends(end: &mut End) {
    // Whoever says so is there for as long as this runs.
    let _ = end.wait_for(Option::is_some).await;
}

/// Comes when all must be over.
async fn is_over(end: &mut End) {
    let by = end.wait_for(Option::is_some).await.ok().and_then(|by| *by);
    if let Some(by) = by {
        sleep_until(by).await;
    }
}
