//! What happens to rooms, on its way from the shards to whoever takes it.
//!
//! Owns the receiving ends of the shards' queues. They are looked into every few milliseconds, so that no shard wakes anybody. Promises
//! that the events of a room keep their order, and that whoever takes them slowly holds up neither shards nor others who take
//! them: what does not fit is counted where it did not.

mod stream;

use std::time::Duration;

use tokio::select;
use tokio::sync::{oneshot, watch};
use tokio::task::{spawn_local, yield_now};
use tokio::time::{Instant, sleep};

pub use self::stream::{RoomEventQueue, RoomEvents, room_event_queue};
use super::webhooks::{WebhookParts, Webhooks};
use crate::shard::RoomEventReceiver;

/// How often the shards' queues are looked into. In a storm of joins, with 110,000 events a second, they fill to a quarter
/// between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a stop leaves to webhooks that were not delivered by then.
const LAST_DELIVERIES: Duration = Duration::from_secs(2);

/// Where room events come from and go to.
#[derive(Debug)]
pub struct Feed {
    /// One for each shard.
    pub shards: Vec<RoomEventReceiver>,
    /// The program that the server runs in.
    pub program: Option<RoomEventQueue>,
    /// Somebody's server.
    pub webhooks: Option<WebhookParts>,
}

impl Feed {
    /// Feeds whoever takes them until the server ends, and then what is left.
    pub(super) async fn run(self, mut ends: oneshot::Receiver<()>) {
        let Self {
            shards,
            program,
            webhooks,
        } = self;
        let (tell_end, end) = watch::channel(None);
        let mut webhooks = webhooks.map(|parts| {
            let (queue, webhooks) = Webhooks::new(parts);
            (queue, spawn_local(webhooks.run(end)))
        });
        let mut is_over = false;
        while !is_over {
            is_over = select! {
                () = sleep(LOOK_EVERY) => false,
                _ = &mut ends => true,
            };
            for shard in &shards {
                // What a shard says meanwhile is for the next look, and what others want of this thread is not behind all of it.
                let turns = shard.take_waiting();
                match (&webhooks, &program) {
                    (Some((queue, _)), Some(program)) => {
                        queue.put(turns.clone());
                        program.put(turns);
                    }
                    (Some((queue, _)), None) => queue.put(turns),
                    (None, Some(program)) => program.put(turns),
                    // Nobody would have been asked to say any.
                    (None, None) => {}
                }
                yield_now().await;
            }
        }
        drop(program);
        // It fails when there are none.
        let _ = tell_end.send(Some(Instant::now() + LAST_DELIVERIES));
        if let Some((queue, delivering)) = webhooks.take() {
            drop(queue);
            let _ = delivering.await;
        }
    }
}
