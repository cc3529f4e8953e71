//! Room events, posted to somebody's server.
//!
//! Owns one batch at a time and what waits behind it. Promises that each event is posted until the server says that it has it, under
//! the same id, and those of a room in their order; or else that it is kept as a dead letter, or counted as lost. Nobody waits
//! for that server, and a stop waits for two seconds.

mod body;
mod dead_letters;
mod queue;
mod terms;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use self::dead_letters::DeadLetters;
use self::queue::{Batch, Entrance, Exit, queue};
pub use self::terms::{AgreedTerms, LiveTerms, WebhookTerms};
use crate::metrics::WebhookCounts;
use crate::net::Clock;
use crate::rare_line::RareLine;
use crate::retry::Retries;
use crate::shard::RoomEvent;

/// How long a batch that is not full waits for more.
const GATHER: Duration = Duration::from_millis(50);

/// The longest wait that the other server may ask for.
const LONGEST_ASKED_WAIT: Duration = Duration::from_secs(300);

static NOT_TAKEN: RareLine = RareLine::new();
static GIVEN_UP: RareLine = RareLine::new();

/// What webhooks are made of.
#[derive(Debug)]
pub struct WebhookParts {
    /// Where they go, and how.
    pub terms: LiveTerms,
    /// Events that may wait.
    pub room_for: usize,
    /// Where events are kept that were given up, and how many bytes of them.
    pub dead_letters: Option<(PathBuf, u64)>,
    /// What is counted of them.
    pub counts: Arc<WebhookCounts>,
    /// The process's clocks.
    pub clock: Clock,
}

/// Where events wait to be posted.
#[derive(Debug)]
pub(super) struct WebhookQueue {
    entrance: Entrance,
    terms: TermsReader,
    counts: Arc<WebhookCounts>,
}

/// Posts room events.
#[derive(Debug)]
pub(super) struct Webhooks {
    waiting: Exit,
    terms: TermsReader,
    dead_letters: Option<DeadLetters>,
    /// The other server asked to be left alone until then.
    not_before: Instant,
    counts: Arc<WebhookCounts>,
    clock: Clock,
}

type TermsReader = watch::Receiver<Arc<AgreedTerms>>;

/// When all must be over, once the server ends.
type End = watch::Receiver<Option<Instant>>;

/// Why a batch was not taken.
#[derive(Debug)]
struct Failure {
    why: String,
    /// How long the other server asked to wait.
    wait: Duration,
}

impl WebhookQueue {
    /// Takes those of the events that are to be posted. What finds no room is counted.
    pub(super) fn put(&self, turns: Vec<Vec<RoomEvent>>) {
        let agreed = self.terms.borrow();
        for mut turn in turns {
            if let Some(wanted) = &agreed.terms.wanted {
                turn.retain(|event| wanted.contains(&event.what.kind()));
            }
            self.counts.dropped.add(self.entrance.put(turn));
        }
    }
}

impl Webhooks {
    /// Webhooks, and where events wait for them.
    pub(super) fn new(parts: WebhookParts) -> (WebhookQueue, Self) {
        let (entrance, waiting) = queue(parts.room_for);
        let queue = WebhookQueue {
            entrance,
            terms: parts.terms.watch(),
            counts: Arc::clone(&parts.counts),
        };
        let dead_letters = parts.dead_letters;
        let webhooks = Self {
            waiting,
            terms: parts.terms.watch(),
            dead_letters: dead_letters.map(|(path, max_bytes)| DeadLetters::new(path, max_bytes)),
            not_before: Instant::now(),
            counts: parts.counts,
            clock: parts.clock,
        };
        (queue, webhooks)
    }

    /// Posts what comes, until no more does.
    pub(super) async fn run(mut self, mut end: End) {
        while let Some(count) = self.waiting.wait().await {
            if count < self.batch_size() {
                select! {
                    () = sleep(GATHER) => {}
                    () = ends(&mut end) => {}
                }
            }
            if let Some(batch) = self.waiting.take(self.batch_size()) {
                self.deliver(&batch, &mut end).await;
            }
        }
    }

    fn batch_size(&self) -> usize {
        self.terms.borrow().terms.batch
    }

    /// Posts a batch until the other server has it, or its time is over.
    async fn deliver(&mut self, batch: &Batch, end: &mut End) {
        let Batch { id, body, .. } = batch;
        let mut retries = Retries::new();
        let mut try_at = self.not_before;
        let mut began_at = None;
        let why = loop {
            let is_last = select! {
                () = sleep_until(try_at) => false,
                // Whoever has mended the terms wants to see whether they are right; and who asked to wait was asked by others.
                Ok(()) = self.terms.changed() => {
                    self.not_before = Instant::now();
                    false
                }
                // Once more at once; and what fails then is kept.
                () = ends(end) => true,
            };
            let agreed = Arc::clone(&self.terms.borrow_and_update());
            let first_try_at = *began_at.get_or_insert_with(Instant::now);
            let failure = select! {
                outcome = self.post(&agreed, id, body) => match outcome {
                    Ok(()) => return self.counts.delivered.add(batch.events as u64),
                    Err(failure) => failure,
                },
                () = is_over(end) => break "the server stops".to_owned(),
            };
            self.counts.failures.add(1);
            let now = Instant::now();
            self.not_before = now + failure.wait.min(LONGEST_ASKED_WAIT);
            try_at = self.not_before.max(now + retries.next_delay());
            if is_last || try_at > first_try_at + agreed.terms.give_up_after {
                break failure.why;
            }
            if retries.is_first()
                && let Some(unsaid) = NOT_TAKEN.may_say(self.now_ms())
            {
                let failure = failure.why;
                tracing::warn!(id, failure, unsaid, "a webhook was not taken, and is tried again");
            }
        };
        self.bury(batch, &why).await;
    }

    async fn post(&self, agreed: &AgreedTerms, id: &str, body: &Bytes) -> Result<(), Failure> {
        let mut clock = self.clock;
        let timestamp = clock.now(clock.moment()).wall.unix_secs();
        let keys = agreed.terms.keys.iter();
        let signatures: Vec<_> = keys.map(|key| key.sign(id, timestamp, body)).collect();
        let fields = [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", signatures.join(" ")),
        ];
        let fields = fields.map(|(name, value)| {
            let value = HeaderValue::from_str(&value).expect("ids, digits and base64");
            (HeaderName::from_static(name), value)
        });
        match agreed.outbound.tell(body.clone(), &fields).await {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => Err(Failure {
                why: format!("answered with {}", answer.status.as_u16()),
                wait: asked_wait(&answer.headers),
            }),
            Err(error) => Err(Failure {
                why: error.to_string(),
                wait: Duration::ZERO,
            }),
        }
    }

    /// Keeps a batch that was given up, or counts it as lost.
    async fn bury(&mut self, batch: &Batch, why: &str) {
        let (id, events) = (&batch.id, batch.events as u64);
        let outcome = match &mut self.dead_letters {
            Some(dead_letters) => dead_letters
                .keep([&*batch.body, b"\n"].concat())
                .await
                .map_err(|error| error.to_string()),
            None => Err("there is no webhooks.dead_letter_path".to_owned()),
        };
        let count = if outcome.is_ok() {
            &self.counts.dead_letters
        } else {
            &self.counts.lost
        };
        count.add(events);
        let Some(unsaid) = GIVEN_UP.may_say(self.now_ms()) else {
            return;
        };
        match outcome {
            Ok(()) => {
                tracing::error!(
                    id,
                    events,
                    why,
                    unsaid,
                    "webhooks were given up, and are kept as dead letters"
                );
            }
            Err(error) => {
                tracing::error!(id, events, why, error, unsaid, "webhooks were given up, and are lost");
            }
        }
    }

    fn now_ms(&self) -> u64 {
        let mut clock = self.clock;
        clock.now(clock.moment()).mono_ms
    }
}

/// How long an answer asks to wait, in whole seconds. A date is passed over: clocks differ.
fn asked_wait(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    Duration::from_secs(seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(0))
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
