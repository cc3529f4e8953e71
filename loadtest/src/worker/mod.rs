//! A generator thread: it owns the connections and the ledger of its rooms and waits for orders.
//!
//! Threads share nothing but the clock, the scenario and a few counters for the display. Between orders the players stay
//! alive: what arrives is read and pings are answered.

pub(crate) mod intake;
mod outgoing;
mod setup;
mod traffic;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::client::connection::{Connection, End, SCRATCH_BYTES};
use crate::clock::Clock;
use crate::ledger::{Ledger, Totals};
use crate::poller::Poller;
use crate::progress::Progress;
use crate::scenario::{Scenario, Traffic};
use crate::worker::intake::Intake;
pub(crate) use crate::worker::traffic::Outcome;

/// How soon a waiting thread notices an order.
const ORDER_POLL: Duration = Duration::from_millis(10);

/// What a thread is told to do.
pub(crate) enum Order {
    /// Carry this traffic from the given moment (ns on the test's clock) on.
    Carry(Traffic, u64),
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
    pub(crate) totals: Totals,
    pub(crate) examples: Vec<String>,
    /// Connections that did not last to the end: player and how it ended.
    pub(crate) ends: Vec<(u32, End)>,
    /// `Error` messages of the server, by code.
    pub(crate) server_errors: BTreeMap<String, u64>,
}

/// The state of a generator thread.
struct Worker {
    scenario: Arc<Scenario>,
    clock: Clock,
    poller: Poller,
    scratch: Vec<u8>,
    connections: Vec<Connection>,
    intake: Intake,
    first_player: u32,
    progress: Arc<Progress>,
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
    let mut poller = Poller::new().context("cannot create an epoll set")?;
    let mut scratch = vec![0; SCRATCH_BYTES];
    let party = setup::join_all(&scenario, thread, &mut poller, &mut scratch, clock, &progress)?;
    let (first_room, rooms) = scenario.share(thread);
    let first_player = first_room * scenario.players;
    let ledger = Ledger::new(rooms, scenario.players, first_player);
    let intake = Intake::new(clock, ledger, party.roster, scenario.players, first_player);
    let connections = party.connections;
    let mut worker = Worker {
        scenario,
        clock,
        poller,
        scratch,
        connections,
        intake,
        first_player,
        progress,
    };

    let _ = replies.send(Reply::Ready);
    loop {
        match orders.try_recv() {
            Ok(Order::Carry(traffic, start_ns)) => {
                let outcome = worker.carry(&traffic, start_ns)?;
                let _ = replies.send(Reply::Carried(Box::new(outcome)));
            }
            Ok(Order::Finish) => return Ok(Some(worker.finish())),
            Err(TryRecvError::Disconnected) => return Ok(None),
            Err(TryRecvError::Empty) => {
                worker.serve(ORDER_POLL)?;
            }
        }
    }
}

impl Worker {
    /// Waits up to `timeout` for sockets and serves those that are ready; tells whether there were any.
    fn serve(&mut self, timeout: Duration) -> Result<bool> {
        let count = self
            .poller
            .wait(timeout)
            .context("epoll_pwait2 (Linux 5.11 or newer is needed)")?;
        if count > 0 {
            self.intake.relate_clocks();
        }
        for index in 0..count {
            let ready = self.poller.ready(index);
            let connection = &mut self.connections[ready.token];
            if ready.writable {
                connection.flush();
            }
            if ready.readable {
                connection.receive(&mut self.scratch, self.intake.for_receiver(ready.token));
            }
        }
        Ok(count > 0)
    }

    fn finish(mut self) -> Account {
        let ends = (self.first_player..)
            .zip(&self.connections)
            .filter_map(|(player, connection)| connection.end().map(|end| (player, end.clone())))
            .collect();
        for connection in &mut self.connections {
            connection.say_goodbye();
        }
        let (totals, examples) = self.intake.ledger.close();
        Account {
            totals,
            examples,
            ends,
            server_errors: self.intake.server_errors,
        }
    }
}
