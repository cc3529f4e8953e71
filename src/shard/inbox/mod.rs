//! A shard's inbox: how other threads reach it.
//!
//! One bounded channel per shard. Transfers, questions and bulletins may fill it up to its capacity; answers and farewells
//! between shards may use half of a reserve beyond that, and orders to the shard all of it: so a storm of joins cannot keep
//! a leave from arriving, and neither can keep out a stop. Sending never blocks: what does not fit comes back to the sender, who says what happens then. At most one wake per sleep.

mod doorbell;
#[cfg(test)]
mod doorbell_model;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError};

use crate::shard::inbox::doorbell::Doorbell;

/// The atomics that the doorbell is built on; its model test puts others in their place.
mod atomics {
    pub(super) use std::sync::atomic::{AtomicBool, Ordering, fence};
}

/// Wakes the shard that an inbox belongs to, from any thread. Cheap enough to be called once per sleep.
pub trait Wake: Send + Sync {
    /// Makes the shard look at its inbox soon.
    fn wake(&self);
}

/// How many messages an inbox holds.
#[derive(Debug, Clone, Copy)]
pub struct InboxLimits {
    /// Messages of the bulk kind.
    pub bulk: usize,
    /// Messages beyond that: half of it for answers, all of it for orders.
    pub reserve: usize,
}

impl InboxLimits {
    fn of(self, kind: usize) -> usize {
        match kind {
            BULK => self.bulk,
            _ => (self.reserve / 2).max(1),
        }
    }
}

/// The kinds of messages that are counted, by their place in a table.
const BULK: usize = 0;
const ANSWERS: usize = 1;

/// Which part of the inbox a message may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Transfers, questions and bulletins: refused when the bulk part is full.
    Bulk,
    /// Answers and farewells between shards: may use half of the reserve.
    Answer,
    /// Orders to the shard: may use the whole reserve.
    Control,
}

impl Priority {
    const fn counted(self) -> Option<usize> {
        match self {
            Self::Bulk => Some(BULK),
            Self::Answer => Some(ANSWERS),
            Self::Control => None,
        }
    }
}

/// Counts of what happened at an inbox since the start. Read by anyone at any time.
#[derive(Debug, Default)]
pub struct InboxCounters {
    /// Times that a sender had to wake the shard.
    pub wakes: AtomicU64,
    /// Bulk messages that came back because the bulk part was full.
    pub refused_bulk: AtomicU64,
    /// Answers and orders that came back because the reserve was full.
    pub refused_control: AtomicU64,
}

struct Shared {
    doorbell: Doorbell,
    wake: Box<dyn Wake>,
    waiting: [AtomicUsize; 2],
    limits: InboxLimits,
    counters: InboxCounters,
}

/// The sending end. Clones reach the same shard.
pub struct InboxSender<M> {
    sender: Sender<(Priority, M)>,
    shared: Arc<Shared>,
}

/// The receiving end, owned by the shard.
pub struct Inbox<M> {
    receiver: Receiver<(Priority, M)>,
    shared: Arc<Shared>,
}

/// Makes the inbox of one shard.
pub fn inbox<M>(limits: InboxLimits, wake: Box<dyn Wake>) -> (InboxSender<M>, Inbox<M>) {
    let (sender, receiver) = crossbeam_channel::bounded(limits.bulk + limits.reserve);
    let shared = Arc::new(Shared {
        doorbell: Doorbell::new(),
        wake,
        waiting: [AtomicUsize::new(0), AtomicUsize::new(0)],
        limits,
        counters: InboxCounters::default(),
    });
    (
        InboxSender {
            sender,
            shared: Arc::clone(&shared),
        },
        Inbox { receiver, shared },
    )
}

impl Shared {
    fn refuse(&self, priority: Priority) {
        if let Some(kind) = priority.counted() {
            self.waiting[kind].fetch_sub(1, Ordering::Relaxed);
        }
        let refused = match priority {
            Priority::Bulk => &self.counters.refused_bulk,
            Priority::Answer | Priority::Control => &self.counters.refused_control,
        };
        refused.fetch_add(1, Ordering::Relaxed);
    }
}

impl<M> InboxSender<M> {
    /// Puts a message into the shard's inbox without waiting.
    ///
    /// # Errors
    ///
    /// The message itself, when its part of the inbox is full or the shard is gone: it is still the caller's, who must
    /// answer for it.
    pub fn try_send(&self, priority: Priority, message: M) -> Result<(), M> {
        let shared = &*self.shared;
        if let Some(kind) = priority.counted()
            && shared.waiting[kind].fetch_add(1, Ordering::Relaxed) >= shared.limits.of(kind)
        {
            shared.refuse(priority);
            return Err(message);
        }
        match self.sender.try_send((priority, message)) {
            Ok(()) => {
                if shared.doorbell.take() {
                    shared.counters.wakes.fetch_add(1, Ordering::Relaxed);
                    shared.wake.wake();
                }
                Ok(())
            }
            Err(TrySendError::Full((_, message)) | TrySendError::Disconnected((_, message))) => {
                shared.refuse(priority);
                Err(message)
            }
        }
    }

    /// How many messages wait in it at this moment.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.sender.len()
    }

    /// What happened at this inbox.
    #[must_use]
    pub fn counters(&self) -> &InboxCounters {
        &self.shared.counters
    }
}

impl<M> Inbox<M> {
    /// Whether nothing waits in it at this moment.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// What happened at this inbox.
    #[must_use]
    pub fn counters(&self) -> &InboxCounters {
        &self.shared.counters
    }

    /// The next message, if one waits.
    pub fn try_recv(&self) -> Option<M> {
        let (priority, message) = self.receiver.try_recv().ok()?;
        if let Some(kind) = priority.counted() {
            self.shared.waiting[kind].fetch_sub(1, Ordering::Relaxed);
        }
        Some(message)
    }

    /// Call before sleeping. `false` means that a message waits and the shard must not sleep.
    #[must_use = "sleeping in spite of `false` loses a wake-up"]
    pub fn prepare_to_sleep(&self) -> bool {
        self.shared.doorbell.arm();
        let may_sleep = self.receiver.is_empty();
        if !may_sleep {
            self.shared.doorbell.disarm();
        }
        may_sleep
    }

    /// Call after sleeping, whatever ended the sleep.
    pub fn awake(&self) {
        self.shared.doorbell.disarm();
    }
}

impl<M> Clone for InboxSender<M> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<M> std::fmt::Debug for InboxSender<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboxSender")
            .field("waiting", &self.sender.len())
            .finish_non_exhaustive()
    }
}

impl<M> std::fmt::Debug for Inbox<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox")
            .field("waiting", &self.receiver.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts how often it was rung.
    struct Bell(Arc<AtomicUsize>);

    impl Wake for Bell {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn inbox_of(bulk: usize, reserve: usize) -> (InboxSender<u32>, Inbox<u32>, Arc<AtomicUsize>) {
        let rung = Arc::new(AtomicUsize::new(0));
        let (sender, inbox) = inbox(InboxLimits { bulk, reserve }, Box::new(Bell(Arc::clone(&rung))));
        (sender, inbox, rung)
    }

    #[test]
    fn a_storm_of_transfers_leaves_room_for_control() {
        let (sender, inbox, _) = inbox_of(2, 1);
        assert_eq!(sender.try_send(Priority::Bulk, 1), Ok(()));
        assert_eq!(sender.try_send(Priority::Bulk, 2), Ok(()));
        assert_eq!(sender.try_send(Priority::Bulk, 3), Err(3));
        assert_eq!(sender.try_send(Priority::Control, 4), Ok(()));
        assert_eq!(sender.try_send(Priority::Control, 5), Err(5));
        assert_eq!(sender.counters().refused_bulk.load(Ordering::Relaxed), 1);
        assert_eq!(sender.counters().refused_control.load(Ordering::Relaxed), 1);
        assert_eq!(inbox.try_recv(), Some(1));
        assert_eq!(sender.try_send(Priority::Bulk, 6), Ok(()));
        let rest: Vec<_> = std::iter::from_fn(|| inbox.try_recv()).collect();
        assert_eq!(rest, [2, 4, 6]);
    }

    #[test]
    fn a_storm_of_answers_leaves_room_for_orders() {
        let (sender, inbox, _) = inbox_of(1, 4);
        for answer in 0..2 {
            assert_eq!(sender.try_send(Priority::Answer, answer), Ok(()));
        }
        assert_eq!(sender.try_send(Priority::Answer, 3), Err(3));
        assert_eq!(sender.try_send(Priority::Bulk, 4), Ok(()));
        for order in 5..7 {
            assert_eq!(sender.try_send(Priority::Control, order), Ok(()));
        }
        assert_eq!(inbox.try_recv(), Some(0));
        assert_eq!(sender.try_send(Priority::Answer, 7), Ok(()));
    }

    #[test]
    fn a_sleeping_shard_is_woken_once_and_a_waking_one_never() {
        let (sender, inbox, rung) = inbox_of(8, 1);
        sender.try_send(Priority::Bulk, 1).expect("there is room");
        assert!(!inbox.prepare_to_sleep(), "a message waits");
        assert_eq!(inbox.try_recv(), Some(1));
        assert!(inbox.prepare_to_sleep());
        sender.try_send(Priority::Bulk, 2).expect("there is room");
        sender.try_send(Priority::Bulk, 3).expect("there is room");
        assert_eq!(rung.load(Ordering::Relaxed), 1);
        inbox.awake();
        sender.try_send(Priority::Bulk, 4).expect("there is room");
        assert_eq!(rung.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_message_to_a_shard_that_is_gone_comes_back() {
        let (sender, inbox, _) = inbox_of(8, 1);
        drop(inbox);
        assert_eq!(sender.try_send(Priority::Bulk, 1), Err(1));
    }
}
