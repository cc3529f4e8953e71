//! A generator thread: it owns the connections and the ledger of its rooms and waits for orders.
//!
//! Threads share nothing but the clock, the scenario and a few counters for the display. Between orders the players stay
//! alive: what arrives is read and pings are answered.

mod blows;
mod entrance;
mod front;
pub(crate) mod intake;
mod messages;
pub(crate) mod meter;
mod notices;
mod operating;
pub(crate) mod operations;
mod outgoing;
mod returning;
mod returns;
mod setup;
mod state;
mod storms;
mod tending;
mod traffic;
mod unsteady;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Duration;

use anyhow::Result;

use crate::client::desk::Wait;
use crate::client::milestones::Openings;
use crate::client::sockets::Sockets;
use crate::clock::Clock;
use crate::interruption::Curfew;
use crate::ledger::Closed;
use crate::progress::Progress;
use crate::random::Random;
use crate::scenario::{Scenario, Traffic};
use crate::seating::Seating;
use crate::vigil::Vigil;
use crate::worker::entrance::Entrance;
use crate::worker::front::Front;
use crate::worker::intake::Intake;
use crate::worker::state::Worker;
pub(crate) use crate::worker::traffic::Outcome;
use crate::worker::unsteady::Unsteady;

/// How soon a waiting thread notices an order.
const ORDER_POLL: Duration = Duration::from_millis(10);

/// What a thread is told to do.
pub(crate) enum Order {
    /// Carry this traffic from the given moment (ns on the test's clock) on, until its end or an earlier curfew.
    Carry(Traffic, u64, Arc<Curfew>),
    /// Close the account and the connections.
    Finish,
}

/// What a thread has to tell.
pub(crate) enum Reply {
    /// All players have joined.
    Ready,
    /// A stretch of traffic is over.
    Carried(Box<Outcome>),
    /// The thread's last word.
    Finished(Box<Account>),
    /// The thread has given up.
    Failed(anyhow::Error),
}

/// The closed account of a thread.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) closed: Closed,
    /// Deliveries lost, by the slot of the timeline in which their messages were due.
    pub(crate) lost_by_slot: Vec<u64>,
    /// Connections that did not last to the end: player and how it ended.
    pub(crate) ends: Vec<(u32, String)>,
    /// How connections of slow players ended.
    pub(crate) slow_ends: BTreeMap<String, u64>,
    /// How often players came back.
    pub(crate) returns: u64,
    /// Somebody spoke version 3.
    pub(crate) version_3: bool,
    /// `Error` messages of the server, by code.
    pub(crate) server_errors: BTreeMap<String, u64>,
    /// What its connections took to open.
    pub(crate) openings: Openings,
}

/// Runs a generator thread until it is told to finish, or `orders` is closed.
pub(crate) fn run(
    scenario: Arc<Scenario>,
    thread: u32,
    clock: Clock,
    progress: Arc<Progress>,
    orders: &Receiver<Order>,
    replies: &Sender<Reply>,
) {
    // The other end may have gone away because another thread failed; then there is nobody to tell.
    let _ = match work(scenario, thread, clock, progress, orders, replies) {
        Ok(Some(account)) => replies.send(Reply::Finished(Box::new(account))),
        Ok(None) => Ok(()),
        Err(error) => replies.send(Reply::Failed(error)),
    };
}

fn work(
    scenario: Arc<Scenario>,
    thread: u32,
    clock: Clock,
    progress: Arc<Progress>,
    orders: &Receiver<Order>,
    replies: &Sender<Reply>,
) -> Result<Option<Account>> {
    crate::sys::tighten_timer_slack();
    let seating = Seating::new(&scenario, thread);
    let entrance = Entrance::new(Arc::clone(&scenario), seating.clone());
    let mut worker = Worker {
        clock,
        vigil: Vigil::begin(clock.now_ns()),
        sockets: Sockets::new(scenario.io, scenario.gathers())?,
        front: Front::new(Intake::new(clock, seating.clone()), entrance),
        unsteady: Unsteady::new(&scenario, &seating),
        random: Random::seeded(scenario.seed ^ u64::from(thread) << 32),
        progress,
        seating,
        scenario,
    };
    worker.bring_all_in()?;

    let _ = replies.send(Reply::Ready);
    loop {
        match orders.try_recv() {
            Ok(Order::Carry(traffic, start_ns, curfew)) => {
                let outcome = worker.carry(&traffic, start_ns, &curfew)?;
                let _ = replies.send(Reply::Carried(Box::new(outcome)));
            }
            Ok(Order::Finish) => return Ok(Some(worker.finish())),
            Err(TryRecvError::Disconnected) => return Ok(None),
            Err(TryRecvError::Empty) => {
                worker.turn(Wait::For(ORDER_POLL))?;
            }
        }
    }
}

impl Worker {
    fn finish(mut self) -> Account {
        self.note_who_is_missing();
        self.front.intake.close_operations();
        self.sockets.say_goodbye();
        let Intake {
            ledger,
            stretch,
            server_errors,
            ..
        } = self.front.intake;
        let mut lost_by_slot = vec![0; stretch.timeline.slots()];
        ledger.missing(|sender, sequences| stretch.due_book.count(sender, sequences, &mut lost_by_slot));
        Account {
            closed: ledger.close(),
            lost_by_slot,
            ends: self.unsteady.mishaps,
            slow_ends: self.unsteady.slow_ends,
            returns: self.unsteady.times_back,
            version_3: self.seating.has_version_3(),
            server_errors,
            openings: self.sockets.openings(),
        }
    }
}
