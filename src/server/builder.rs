//! What a server is started with.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use crossbeam_channel::bounded;

use super::error::ServeError;
use super::handle::ServerHandle;
use super::launch::{Launched, Start, launch};
use super::supervision::{End, THREAD_NAME};
use crate::config::Config;
use crate::control::AccessCheck;
use crate::control::room_event_queue;
use crate::net::Clock;
use crate::runtime::NotifySocket;

/// A relay within this process.
#[derive(Debug)]
pub struct Server(());

impl Server {
    /// Says what a server is started with.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }
}

/// What a server is started with. Everything has a default.
#[derive(Debug, Default)]
#[must_use = "a server is there once it was started"]
pub struct ServerBuilder {
    config: Config,
    sockets: Vec<OwnedFd>,
    wall_clock: Option<SystemTime>,
    seed: Option<[u8; 32]>,
    notify: Arc<NotifySocket>,
    access_check: Option<Arc<dyn AccessCheck>>,
    /// For how many room events there is room.
    room_events: Option<usize>,
}

impl ServerBuilder {
    /// How it is configured; [`Config::default`] unless this is called. [`start`](Self::start) judges it.
    ///
    /// [`logging`](Config::logging) is for the program that comes with the library: a server writes its log through `tracing`,
    /// and where that goes is the process's to say.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// A socket that it accepts players from, instead of opening its own; call it once for each. Each must listen for TCP where
    /// [`bind`](Config::bind) and [`port`](Config::port) say, or at any port where that is 0. With fewer sockets than shards, all
    /// shards accept from all of them; with more, each has its own.
    pub fn socket(mut self, socket: TcpListener) -> Self {
        self.sockets.push(socket.into());
        self
    }

    /// Keeps room events for the program, so many at a time: [`ServerHandle::room_events`] has them. More than that are lost, and
    /// counted. Unless this is called, none are made, but for webhooks.
    pub const fn room_events(mut self, capacity: usize) -> Self {
        self.room_events = Some(capacity);
        self
    }

    /// What its wall clock shows when it starts; it goes on from there with the system's steady clock. For tests.
    pub const fn wall_clock(mut self, shows: SystemTime) -> Self {
        self.wall_clock = Some(shows);
        self
    }

    /// Where all its randomness comes from, but for that of TLS: with one seed and one shard, the same requests get the same codes
    /// and ids. For tests; whoever knows the seed knows every room's code.
    pub const fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Who says whether clients may play, in place of the backend that [`access_check`](Config::access_check) names; how long it may
    /// take, what it is asked and what becomes of no answer is still said there.
    pub fn access_check(mut self, check: Arc<dyn AccessCheck>) -> Self {
        self.access_check = Some(check);
        self
    }

    /// Sockets that the service manager has passed.
    #[doc(hidden)]
    pub fn passed_sockets(mut self, sockets: Vec<OwnedFd>) -> Self {
        self.sockets.extend(sockets);
        self
    }

    /// Whom to give signs of life.
    #[doc(hidden)]
    pub fn notify(mut self, notify: Arc<NotifySocket>) -> Self {
        self.notify = notify;
        self
    }

    /// Checks the configuration and the machine, and starts the server. It blocks for some tens of milliseconds, and for
    /// [`start_timeout_ms`](crate::config::RuntimeConfig::start_timeout_ms) at most once sockets are open.
    ///
    /// The process's limit of open files may be raised; signals, the log and panics are left alone.
    ///
    /// # Errors
    ///
    /// What stands in the way, with the cure. Nothing is left running.
    pub fn start(self) -> Result<ServerHandle, ServeError> {
        let Self {
            config,
            sockets,
            wall_clock,
            seed,
            notify,
            access_check,
            room_events,
        } = self;
        let (queue, room_events) = room_events.map(room_event_queue).unzip();
        let start = Start {
            sockets,
            clock: wall_clock.map_or_else(Clock::start, Clock::start_showing),
            seed,
            notify,
            check_of_program: access_check,
            room_events: queue,
        };
        let end = Arc::new(End::default());
        let ending = Arc::clone(&end);
        let (tell, told) = bounded(1);
        // On a thread of its own from the first: probing for io_uring leaves work that may interrupt one later read of its thread.
        let thread = thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .spawn(move || match launch(config, start) {
                Ok(Launched { supervised, held }) => {
                    if tell.send(Ok(held)).is_ok() {
                        supervised.run(&ending);
                    }
                }
                Err(error) => {
                    // Whoever starts it waits for this.
                    let _ = tell.send(Err(error));
                }
            })
            .map_err(ServeError::Resource)?;
        match told.recv() {
            Ok(Ok(held)) => Ok(ServerHandle::new(held, end, thread, room_events)),
            Ok(Err(error)) => {
                let _ = thread.join();
                Err(error)
            }
            Err(_) => match thread.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => unreachable!("the thread says how the start went"),
            },
        }
    }
}
