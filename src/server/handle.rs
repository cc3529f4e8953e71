//! What a program has of a server that runs in it.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::answer::{Answer, promise};
use super::error::AskError;
use super::launch::Held;
use super::listeners::Addresses;
use super::reload::{ReloadError, Reloaded};
use super::supervision::End;
use super::vigil;
use crate::config::Config;
use crate::control::{Refused, RoomEvents, RoomList, Silent};
use crate::protocol::{PlayerId, RoomId};
use crate::runtime::cpus::Placement;
use crate::runtime::supervisor::Outcome;
use crate::shard::{RoomDetail, World};

/// The end of a server, awaited or waited for.
pub type Ending = Answer<Outcome>;

/// A running server. It can be asked from any thread and any task; put it into an [`Arc`] to share it.
///
/// Dropping it ends the server as [`shutdown`](Self::shutdown) does and blocks until it is gone: for as long as
/// [`flush_timeout_ms`](crate::config::RuntimeConfig::flush_timeout_ms) and 2 s at most, and usually for milliseconds.
#[derive(Debug)]
pub struct ServerHandle {
    held: Held,
    end: Arc<End>,
    thread: Mutex<Option<JoinHandle<()>>>,
    room_events: Mutex<Option<RoomEvents>>,
}

type Asked<T> = Result<T, AskError>;

impl ServerHandle {
    pub(super) fn new(held: Held, end: Arc<End>, thread: JoinHandle<()>, room_events: Option<RoomEvents>) -> Self {
        Self {
            held,
            end,
            thread: Mutex::new(Some(thread)),
            room_events: Mutex::new(room_events),
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        self.held.addresses
    }

    /// How many connections it has.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.held.stopper.waits_for()
    }

    /// What it counts, as the page for Prometheus has it.
    pub fn metrics(&self) -> Answer<Asked<String>> {
        self.ask(|line, tell| line.metrics(tell))
    }

    /// Its rooms.
    pub fn rooms(&self) -> Answer<Asked<RoomList>> {
        self.ask(|line, tell| line.rooms(tell))
    }

    /// One of its rooms, if it is there, and who is in it: 1,000 spectators at most.
    pub fn room(&self, room: RoomId) -> Answer<Asked<Option<RoomDetail>>> {
        self.ask(|line, tell| line.room(room, tell))
    }

    /// Removes somebody from a room, who may join it again: a player is closed with 4007, a spectator told, and who is absent does
    /// not come back. `false`: the room is not there, or nobody of that id is in it.
    pub fn kick(&self, room: RoomId, player: PlayerId) -> Answer<Asked<bool>> {
        self.ask(|line, tell| line.kick(room, player, tell))
    }

    /// Closes a room: its players are closed with 4005, its spectators told. `false`: it is not there.
    pub fn close_room(&self, room: RoomId) -> Answer<Asked<bool>> {
        self.ask(|line, tell| line.close_room(room, tell))
    }

    /// What happens to its rooms, where [`ServerBuilder::room_events`](super::ServerBuilder::room_events) was called. They are taken
    /// by one: who asks again gets none.
    #[must_use]
    pub fn room_events(&self) -> Option<RoomEvents> {
        self.room_events.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Takes over from a changed configuration what may change while it runs: who is let in, certificates, and how webhooks are
    /// posted. Waits for the files that it names, for ten seconds at most, and for certificates as long again; certificates that do
    /// not answer then stay as they are, with a line in the log.
    ///
    /// # Errors
    ///
    /// Why nothing was changed.
    pub fn reload(&self, fresh: &Config) -> Result<Reloaded, ReloadError> {
        self.held.reloader.reload(fresh)
    }

    /// Takes nobody in any more, lets those who are here go on for
    /// [`drain_grace_secs`](crate::config::ServerConfig::drain_grace_secs), then says goodbye to them and ends. It ends at once
    /// when nobody is here. What was begun is not taken back.
    pub fn drain(&self) -> Ending {
        self.held.stopper.stop();
        self.ended()
    }

    /// Says goodbye to everybody and ends, without the grace of a [`drain`](Self::drain).
    pub fn shutdown(&self) -> Ending {
        self.held.stopper.stop();
        self.held.stopper.hurry();
        self.ended()
    }

    /// Its end, whatever brings it. Asking does not end it.
    pub fn ended(&self) -> Ending {
        self.end.awaited()
    }

    /// Blocks the thread until it has ended, and nothing of it is left. Asking does not end it.
    ///
    /// Unless the outcome is [`Outcome::Stopped`], some of its threads still run, and the process should end.
    pub fn wait(&self) -> Outcome {
        let outcome = self.ended().wait();
        self.join();
        outcome
    }

    /// What its shards share.
    #[doc(hidden)]
    #[must_use]
    pub const fn world(&self) -> &Arc<World> {
        &self.held.world
    }

    /// Which shard runs on which CPU.
    #[doc(hidden)]
    #[must_use]
    pub const fn placement(&self) -> &Placement {
        &self.held.placement
    }

    /// How long those who are here may go on when it stops.
    #[doc(hidden)]
    #[must_use]
    pub const fn drain_grace(&self) -> Duration {
        self.held.stopper.drain_grace()
    }

    /// The longest that a stop takes.
    #[doc(hidden)]
    #[must_use]
    pub const fn longest_stop(&self) -> Duration {
        self.held.longest_stop
    }

    /// What people may be shown of it, in a line.
    #[doc(hidden)]
    #[must_use]
    pub fn status(&self) -> String {
        vigil::status(&self.held.world, self.held.addresses.players)
    }

    fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&crate::control::OperatorLine, Box<dyn FnOnce(Result<T, Silent>) + Send>) -> Result<(), Refused>,
    ) -> Answer<Asked<T>> {
        let (promise, answer) = promise(|| Err(AskError::Ended));
        let tell = Box::new(move |said: Result<T, Silent>| promise.keep(said.map_err(AskError::from)));
        match ask(&self.held.operator, tell) {
            Ok(()) => answer,
            Err(refused) => {
                let (promise, answer) = super::answer::promise(|| Err(AskError::Ended));
                promise.keep(Err(refused.into()));
                answer
            }
        }
    }

    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It says how the server ended before it ends itself.
            let _ = thread.join();
        }
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        // Even when one of its shards has ended by itself: the others are told.
        self.held.stopper.stop();
        self.held.stopper.hurry();
        self.join();
    }
}
