//! The loop of one shard, written once over its [`Kernel`]: the server runs it on sockets, the tests on pipes.
//!
//! Owns a shard, what its sockets hold, and the order of a [turn](turn). Promises that the work of a turn is bounded, per
//! connection, per room and as a whole; that nobody is judged before it was read and offered what waits; that nothing waits
//! but the one wait at a turn's begin. Must never know a room's rules.
//!
//! The shard waits in its own epoll set rather than in the executor: parking through the executor costs 15–17 µs of CPU
//! per delivery at 50 rooms × 4 × 60 Hz against 8–10 µs (`benches/socket_layer`). The executor runs once per tick.

mod exchange;
mod greeting;
mod guessing;
mod handover;
mod introduction;
mod length;
mod line;
mod pending;
mod question;
mod reading;
mod reception;
mod run;
mod sending;
mod stage;
mod stop;
mod turn;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use self::line::Line;
pub use self::question::{Order, Question};
use self::stage::Stage;
pub use self::turn::Turned;
use super::conversation::inbound_limits;
use super::guest::{FrontDesk, Guest};
use super::http::Site;
use super::kernel::Kernel;
use super::link::Link;
use super::pace::{Pace, TurnWindows};
use super::pending_upgrade::{PendingUpgrades, UpgradeLimits};
use super::socket::Socket;
use super::tls::Greeter;
use super::websocket::InboundLimits;
use crate::clock::whole_ms;
use crate::room::ConnectionKey;
use crate::shard::{BackendAnswer, Inbox, InboxSender, Shard, ShardMessage, Transfer};

/// What reaches a shard from other threads. `S` is a connection's socket.
#[derive(Debug)]
pub enum Mail<S = Socket> {
    /// A connection whose room lives here, and the moment at which it set out.
    Transfer(Box<Transfer<Link<S>>>, Duration),
    /// What another shard has to say about a room with outposts.
    ShardMessage(ShardMessage),
    /// A socket that the control plane has served, and that now asks for a WebSocket.
    Returned(Box<Guest<S>>),
    /// Something that the control plane wants to know.
    Question(Question<S>),
    /// Something that the operator wants done.
    Order(Order<S>),
    /// What became of a question to the game's backend.
    Backend(Box<BackendAnswer>),
    /// The process is about to stop: take nobody in any more, say goodbye after so long, flush, end. A second one without a
    /// grace hurries.
    Drain {
        /// How long those who are here may go on.
        grace: Duration,
    },
}

/// How to reach every shard of the process, by its number.
pub type Peers<S = Socket> = Arc<[InboxSender<Mail<S>>]>;

/// How a pump runs.
#[derive(Debug, Clone)]
pub struct PumpSettings {
    /// How often deadlines are looked at.
    pub tick: Duration,
    /// The most that turns are stretched.
    pub turn_windows: TurnWindows,
    /// From which gap between two turns on the shard is taken to have stood still: nobody is judged by that time. Longer than any
    /// wait, or nobody would ever be judged.
    pub standstill: Duration,
    /// How long a socket may take to be upgraded.
    pub upgrade_timeout: Duration,
    /// Sockets of one shard that may be on their way to an upgrade.
    pub max_pending_upgrades: usize,
    /// Connections of one shard that may have been upgraded only to be told that there is no place.
    pub max_farewells: usize,
    /// How long connections may go on after a stop was asked for.
    pub drain_grace: Duration,
    /// The longest that closing everybody after that may take.
    pub drain_spread: Duration,
    /// How long a stop may spend on sending what is queued.
    pub flush_timeout: Duration,
}

/// Everything that one shard needs to run.
#[derive(Debug)]
pub struct PumpParts<K: Kernel> {
    /// The shard itself.
    pub shard: Shard<Link<K::Socket>>,
    /// The system under it.
    pub kernel: K,
    /// What is answered before an upgrade.
    pub site: Arc<Site>,
    /// Where requests go that are for no shard.
    pub desk: Arc<dyn FrontDesk<K::Socket>>,
    /// Begins handshakes; `None`: nothing is spoken below HTTP.
    pub greeter: Option<Greeter>,
    /// How other threads reach it.
    pub inbox: Inbox<Mail<K::Socket>>,
    /// How it reaches the others, and itself, by shard.
    pub peers: Peers<K::Socket>,
    /// How it runs.
    pub settings: PumpSettings,
}

/// The loop of one shard.
#[derive(Debug)]
pub struct Pump<K: Kernel> {
    shard: Shard<Link<K::Socket>>,
    kernel: K,
    site: Arc<Site>,
    desk: Arc<dyn FrontDesk<K::Socket>>,
    inbox: Inbox<Mail<K::Socket>>,
    peers: Peers<K::Socket>,
    settings: PumpSettings,
    pending_upgrades: PendingUpgrades<K::Socket>,
    limits: InboundLimits,
    /// What every socket is read into. Never cleared: a read says how much of it counts.
    scratch: Box<[u8]>,
    /// Where records are sealed before they are sent. Empty without TLS.
    sealing_room: Vec<u8>,
    /// Begins handshakes; `None`: nothing is spoken below HTTP.
    greeter: Option<Greeter>,
    dirty: Vec<ConnectionKey>,
    line: Line,
    /// Connections that are held back for others who cannot keep up with them.
    paced: Vec<ConnectionKey>,
    /// Whether the listeners are watched. They are not while descriptors are short.
    accepts: bool,
    stage: Stage,
    pace: Pace,
    /// Bytes that had been put into outboxes before the current turn.
    queued_before: u64,
    /// Connections that turned out to have ended, in this turn.
    ended_in_turn: usize,
    /// When the current turn began.
    turn_began: Duration,
    /// How long arrivals were let gather before the current turn.
    gathered: Duration,
    /// The shard's clock at the begin of the last turn.
    turned_at_ms: u64,
    next_tick: Duration,
    /// Things that may have been ready since before the last time that all that was ready had been told.
    untold: usize,
}

/// The most bytes that are read from one connection in one turn.
const READ_BYTES_PER_TURN: usize = 64 * 1024;

impl<K: Kernel> Pump<K> {
    /// A pump that watches its listeners. Call it on the shard's own thread.
    pub fn new(parts: PumpParts<K>) -> Self {
        let PumpParts {
            shard,
            mut kernel,
            site,
            desk,
            greeter,
            inbox,
            peers,
            settings,
        } = parts;
        let limits = inbound_limits(&shard.world().settings);
        let pending_upgrades = UpgradeLimits {
            timeout_ms: whole_ms(settings.upgrade_timeout),
            sockets: settings.max_pending_upgrades,
            sources: shard.world().ledger.sources(),
            farewells: settings.max_farewells,
        };
        let moment = kernel.moment();
        let now = kernel.now(moment);
        Self {
            pending_upgrades: PendingUpgrades::new(pending_upgrades),
            next_tick: moment + settings.tick,
            scratch: vec![0; READ_BYTES_PER_TURN].into_boxed_slice(),
            sealing_room: Vec::new(),
            greeter,
            dirty: Vec::new(),
            line: Line::default(),
            paced: Vec::new(),
            accepts: true,
            stage: Stage::Serving,
            pace: Pace::new(settings.turn_windows, moment),
            queued_before: 0,
            ended_in_turn: 0,
            turn_began: moment,
            gathered: Duration::ZERO,
            turned_at_ms: now.mono_ms,
            untold: 0,
            shard,
            kernel,
            site,
            desk,
            inbox,
            peers,
            settings,
            limits,
        }
    }

    /// The shard that is driven.
    #[must_use]
    pub const fn shard(&self) -> &Shard<Link<K::Socket>> {
        &self.shard
    }

    /// The shard that is driven, for what no socket brings.
    pub const fn shard_mut(&mut self) -> &mut Shard<Link<K::Socket>> {
        &mut self.shard
    }

    /// The system under it.
    pub const fn kernel_mut(&mut self) -> &mut K {
        &mut self.kernel
    }
}
