//! The system under a simulated shard: pipes for sockets, edges in an order that the schedule decides, a clock by hand.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use signal_fish_relay::net::{Interest, Kernel, Readiness, Token, Waited};
use signal_fish_relay::protocol::WallTime;
use signal_fish_relay::room::ConnectionKey;
use signal_fish_relay::shard::Now;

use super::pipe::{ClientEnd, Pipe, Plug};
use super::schedule::Schedule;
use super::simulation::ClientId;

/// A clock that moves when it is told to.
#[derive(Debug, Clone)]
pub struct VirtualClock(Rc<Cell<u64>>);

impl VirtualClock {
    pub fn at(mono_ms: u64) -> Self {
        Self(Rc::new(Cell::new(mono_ms)))
    }

    pub fn mono_ms(&self) -> u64 {
        self.0.get()
    }

    pub fn set(&self, mono_ms: u64) {
        self.0.set(mono_ms);
    }

    pub fn now(&self) -> Now {
        Now {
            mono_ms: self.mono_ms(),
            mono_us: self.mono_ms() * 1_000,
            wall: WallTime {
                unix_nanos: 1_795_397_463_000_000_000 + self.mono_ms() * 1_000_000,
            },
        }
    }
}

/// Counts the turns of all shards: one is under way at a time.
pub type TurnCount = Rc<Cell<u64>>;

/// A watched pipe.
#[derive(Debug)]
struct Watched {
    pipe: Rc<RefCell<Pipe>>,
    token: Token,
    interest: Interest,
}

impl Watched {
    fn has_edge(&self) -> bool {
        let pipe = self.pipe.borrow();
        (pipe.has_news && pipe.is_readable()) || (self.interest == Interest::ReadAndWrite && pipe.has_room_again())
    }

    /// Tells of everything, once.
    fn tell(&self) -> Readiness {
        let mut pipe = self.pipe.borrow_mut();
        let readable = std::mem::take(&mut pipe.has_news) && pipe.is_readable();
        let writable = self.interest == Interest::ReadAndWrite && pipe.has_room_again();
        if writable {
            pipe.wants_room = false;
        }
        Readiness {
            token: self.token,
            readable,
            writable,
            hung_up: pipe.client_end != ClientEnd::Open,
        }
    }
}

/// The system of one simulated shard.
#[derive(Debug)]
pub struct Pipes {
    clock: VirtualClock,
    schedule: Rc<RefCell<Schedule>>,
    turns: TurnCount,
    watched: BTreeMap<ClientId, Watched>,
    /// What is ready, in the order in which it became so.
    ready: VecDeque<ClientId>,
    told: Vec<Readiness>,
}

impl Pipes {
    pub fn new(clock: VirtualClock, schedule: Rc<RefCell<Schedule>>, turns: TurnCount) -> Self {
        Self {
            clock,
            schedule,
            turns,
            watched: BTreeMap::new(),
            ready: VecDeque::new(),
            told: Vec::new(),
        }
    }

    /// Whether a client's connection is here.
    pub fn holds(&self, client: ClientId) -> bool {
        let watched = self.watched.get(&client);
        watched.is_some_and(|watched| !watched.pipe.borrow().server_closed)
    }

    /// The connections that are here.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionKey> {
        self.watched.values().filter_map(|watched| match watched.token {
            Token::Connection(at) => Some(at),
            _ => None,
        })
    }

    /// Whether there is something that was not told.
    pub fn has_edges(&self) -> bool {
        self.watched
            .values()
            .any(|watched| !watched.pipe.borrow().server_closed && watched.has_edge())
    }

    /// Whose pipe has bytes that nobody will read, of those who do not wait for somebody else.
    pub fn stuck(&self, waits: impl Fn(ConnectionKey) -> bool) -> Option<ClientId> {
        let is_stuck = |watched: &Watched| {
            if let Token::Connection(at) = watched.token
                && waits(at)
            {
                return false;
            }
            let pipe = watched.pipe.borrow();
            !pipe.server_closed && pipe.is_readable()
        };
        self.watched
            .iter()
            .find_map(|(client, watched)| is_stuck(watched).then_some(*client))
    }

    fn raise(&mut self, client: ClientId) {
        let mut pipe = self.watched[&client].pipe.borrow_mut();
        pipe.has_news = true;
        pipe.wants_room = true;
    }
}

impl Kernel for Pipes {
    type Socket = Plug;

    fn moment(&self) -> Duration {
        Duration::from_millis(self.clock.mono_ms())
    }

    fn cpu_time(&self) -> Duration {
        Duration::ZERO
    }

    fn now(&mut self, _: Duration) -> Now {
        self.clock.now()
    }

    fn pause(&mut self, _: Duration) {}

    fn wait(&mut self, _: Duration) -> io::Result<Waited> {
        self.turns.set(self.turns.get() + 1);
        self.watched.retain(|_, watched| !watched.pipe.borrow().server_closed);
        let watched = &self.watched;
        self.ready.retain(|client| watched.contains_key(client));
        let mut fresh: Vec<ClientId> = watched
            .iter()
            .filter(|(client, watched)| watched.has_edge() && !self.ready.contains(client))
            .map(|(client, _)| *client)
            .collect();
        let mut schedule = self.schedule.borrow_mut();
        while !fresh.is_empty() {
            let next = fresh.swap_remove(schedule.below(fresh.len()));
            self.ready.push_back(next);
        }
        let count = if schedule.once_in(8) {
            0 // interrupted
        } else {
            schedule.share_of(self.ready.len())
        };
        self.told = self
            .ready
            .drain(..count)
            .map(|client| watched[&client].tell())
            .collect();
        Ok(Waited {
            ready: self.told.len(),
            has_more: !self.ready.is_empty(),
        })
    }

    fn ready(&self, index: usize) -> Readiness {
        self.told[index]
    }

    fn hush(&mut self) {}

    fn listeners(&self) -> u32 {
        0
    }

    fn accept(&mut self, _: u32) -> io::Result<Option<(Plug, SocketAddr)>> {
        Ok(None)
    }

    fn attend_listeners(&mut self, attend: bool) -> bool {
        attend
    }

    fn close_listeners(&mut self) {}

    fn watch(&mut self, socket: &Plug, token: Token, interest: Interest) -> io::Result<()> {
        let watched = Watched {
            pipe: Rc::clone(&socket.pipe),
            token,
            interest,
        };
        self.watched.insert(socket.client, watched);
        self.raise(socket.client);
        Ok(())
    }

    fn rewatch(&mut self, socket: &Plug, token: Token, interest: Interest) -> io::Result<()> {
        self.watch(socket, token, interest)
    }

    fn forget(&mut self, socket: &Plug) -> io::Result<()> {
        self.watched.remove(&socket.client);
        Ok(())
    }
}
