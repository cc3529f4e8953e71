//! The doorbell under loom: every interleaving that the memory model allows.

mod atomics {
    pub(super) use loom::sync::atomic::{AtomicBool, Ordering, fence};
}

#[path = "doorbell.rs"]
#[expect(clippy::duplicate_mod, reason = "the same source, on other atomics")]
mod doorbell;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use self::doorbell::Doorbell;

/// The queue is a bare count with the weakest orderings that any queue has, so that the bell cannot lean on it.
#[derive(Debug)]
struct Rig {
    doorbell: Doorbell,
    waiting: AtomicUsize,
}

fn send(rig: &Rig) -> usize {
    rig.waiting.fetch_add(1, Ordering::Release);
    usize::from(rig.doorbell.take())
}

/// Runs `senders` against one receiver that tries to fall asleep, in every interleaving.
fn explore(senders: usize) {
    loom::model(move || {
        let rig = Arc::new(Rig {
            doorbell: Doorbell::new(),
            waiting: AtomicUsize::new(0),
        });
        let threads: Vec<_> = (0..senders)
            .map(|_| {
                let rig = Arc::clone(&rig);
                thread::spawn(move || send(&rig))
            })
            .collect();
        rig.doorbell.arm();
        let sleeps = rig.waiting.load(Ordering::Acquire) == 0;
        if !sleeps {
            rig.doorbell.disarm();
        }
        let wakes: usize = threads
            .into_iter()
            .map(|thread| thread.join().expect("senders do not panic"))
            .sum();
        assert!(wakes <= 1, "a sleep is ended by at most one wake");
        assert!(
            !sleeps || wakes == 1,
            "a receiver that sleeps while a message waits is woken"
        );
    });
}

#[test]
fn one_sender_never_leaves_the_receiver_asleep() {
    explore(1);
}

#[test]
fn two_senders_wake_the_receiver_once() {
    explore(2);
}
