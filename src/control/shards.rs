//! What the control plane asks the shards, and how long it waits.
//!
//! Promises that no shard waits for the control plane, and that a shard which does not answer in time is known by its
//! number.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, oneshot};
use tokio::time::{Instant, timeout_at};

use super::standstill::is_our_delay;
use crate::net::{Link, Mail, Order, Peers, Question};
use crate::shard::{Now, Priority, Shard, ShardId};

/// How long a shard may take to answer. A turn lasts 20 ms at most.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// For how long what the shards' signs of life said holds: so often are they woken at most, whoever asks.
const SIGNS_HOLD: Duration = Duration::from_millis(250);

/// A shard that did not answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("shard {0} did not answer")]
pub struct Silent(pub ShardId);

/// All shards, as somebody who asks them.
#[derive(Debug)]
pub(super) struct Shards {
    peers: Peers,
    /// Shards that gave no sign of life, and when that was found.
    silent: Mutex<Option<(Instant, Vec<ShardId>)>>,
}

impl Shards {
    pub(super) fn new(peers: Peers) -> Self {
        Self {
            peers,
            silent: Mutex::new(None),
        }
    }

    /// How to reach them, by number.
    pub(super) const fn peers(&self) -> &Peers {
        &self.peers
    }

    /// The shards that give no sign of life.
    pub(super) async fn silent(&self) -> Vec<ShardId> {
        let mut known = self.silent.lock().await;
        if let Some((found, silent)) = &*known
            && found.elapsed() < SIGNS_HOLD
        {
            return silent.clone();
        }
        // All are asked before the first answer is waited for.
        let asked: Vec<_> = (0..self.peers.len() as u16)
            .map(ShardId)
            .map(|shard| (shard, tokio::spawn(ask(Arc::clone(&self.peers), shard, |_, _| ()))))
            .collect();
        let mut silent = Vec::new();
        for (shard, sign) in asked {
            if !matches!(sign.await, Ok(Some(()))) {
                silent.push(shard);
            }
        }
        *known = Some((Instant::now(), silent.clone()));
        silent
    }
}

/// Asks one shard. `None`: its inbox is full, or it did not answer in time.
pub(super) async fn ask<A: Send + 'static>(
    peers: Peers,
    shard: ShardId,
    question: impl FnOnce(&Shard<Link>, Now) -> A + Send + 'static,
) -> Option<A> {
    let (answer, answered) = oneshot::channel();
    let question = Question::new(move |shard, now| {
        // Whoever asked may have given up.
        let _ = answer.send(question(shard, now));
    });
    let peer = peers.get(shard.index())?;
    peer.try_send(Priority::Bulk, Mail::Question(question)).ok()?;
    await_answer(answered).await
}

/// Has one shard do something. `None`: its inbox is full, or it did not answer in time; then it may still do it.
pub(super) async fn order<A: Send + 'static>(
    peers: Peers,
    shard: ShardId,
    wanted: impl FnOnce(&mut Shard<Link>, Now) -> A + Send + 'static,
) -> Option<A> {
    let (answer, answered) = oneshot::channel();
    let order = Order::new(move |shard, now| {
        let _ = answer.send(wanted(shard, now));
    });
    let peer = peers.get(shard.index())?;
    peer.try_send(Priority::Bulk, Mail::Order(order)).ok()?;
    await_answer(answered).await
}

async fn await_answer<A>(mut answered: oneshot::Receiver<A>) -> Option<A> {
    loop {
        let deadline = Instant::now() + ANSWER_WITHIN;
        match timeout_at(deadline, &mut answered).await {
            Ok(answer) => return answer.ok(),
            // Then the shard stood still as well, and its answer may be on its way.
            Err(_) if is_our_delay(deadline) => {}
            Err(_) => return None,
        }
    }
}
