//! What is tested: the server, the rooms, and the traffic in them. Everything here has been checked to make sense.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cli::{GeneratorArguments, Io, Threads};
use crate::group::{self, Group};
use crate::load::{Load, Pace};
use crate::server::Server;
use crate::steps::{self, Step};
use crate::tempo::Tempo;
use crate::unit::seconds;

/// Rooms per game name: servers cap the rooms of one game.
const ROOMS_PER_GAME: u32 = 500;

/// The players and where they connect.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) server: Server,
    /// The release that the server says it is, once it has been met.
    pub(crate) server_version: Option<String>,
    pub(crate) app_id: String,
    pub(crate) groups: Vec<Group>,
    pub(crate) threads: u32,
    /// Why there are so many.
    pub(crate) threads_because: String,
    pub(crate) io: Io,
    pub(crate) spin: bool,
    /// How long what arrives is left in the sockets, to be read together.
    pub(crate) gather: Duration,
    pub(crate) seed: u64,
    pub(crate) setup_concurrency: u32,
    pub(crate) drain: Duration,
}

impl Scenario {
    /// Checks the arguments against each other. With `prompt`, what arrives is read at once, for it decides what is sent.
    pub(crate) fn new(url: &str, common: &GeneratorArguments, groups: Vec<Group>, prompt: bool) -> Result<Self> {
        let connections = group::check(&groups)?;
        let rooms: u32 = groups.iter().map(|group| group.rooms).sum();
        let (threads, because) = match common.threads {
            Threads::Auto => (1, "one to begin with"),
            Threads::Exactly(threads) => (threads, "asked for"),
        };
        ensure!(threads <= rooms, "--threads must be 1 to the number of rooms ({rooms})");
        ensure!(common.gather_us <= 10_000, "--gather-us must be at most 10000");
        ensure!(common.setup_concurrency >= 1, "--setup-concurrency must be at least 1");
        Ok(Self {
            server: Server::new(url, &common.wire, connections)?,
            server_version: None,
            app_id: common.app_id.clone(),
            groups,
            threads,
            threads_because: because.to_owned(),
            io: common.io,
            spin: common.spin,
            gather: Duration::from_micros(if prompt { 0 } else { common.gather_us }),
            seed: common.seed,
            setup_concurrency: common.setup_concurrency,
            drain: seconds("--drain-seconds", common.drain_seconds)?,
        })
    }

    /// Whether messages are read some time after they arrived, so that the kernel has to say when that was.
    pub(crate) fn gathers(&self) -> bool {
        !self.gather.is_zero()
    }

    pub(crate) fn rooms(&self) -> u32 {
        self.groups.iter().map(|group| group.rooms).sum()
    }

    pub(crate) fn connections(&self) -> u32 {
        self.groups.iter().map(|group| group.rooms * group.members()).sum()
    }

    /// The game that a room is created under.
    pub(crate) fn game_name(&self, room: u32) -> String {
        format!("loadtest-{}", room / ROOMS_PER_GAME)
    }
}

/// One stretch of traffic.
#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    /// One for each group.
    pub(crate) loads: Vec<Load>,
    /// Traffic before the measured window.
    pub(crate) warmup: Duration,
    /// The measured window.
    pub(crate) measured: Duration,
    /// What changes within it, in order of time.
    pub(crate) steps: Vec<Step>,
}

impl Traffic {
    pub(crate) fn check(&self, groups: &[Group]) -> Result<()> {
        for (load, group) in self.loads.iter().zip(groups) {
            load.check(group).with_context(|| format!("group {:?}", group.name))?;
        }
        ensure!(!self.measured.is_zero(), "the measured window must be longer than 0");
        steps::check(&self.steps, groups, &self.loads, self.measured)
    }

    /// How fast a group plays, from the beginning of the traffic on.
    pub(crate) fn tempo(&self, group: usize) -> Tempo {
        steps::tempo(&self.steps, group, self.warmup)
    }

    /// How much of its rate a group plays over the measured window.
    pub(crate) fn mean_factor(&self, group: usize) -> f64 {
        let tempo = self.tempo(group);
        let played_ns = |at: Duration| tempo.played_ns(at.as_nanos() as u64);
        (played_ns(self.warmup + self.measured) - played_ns(self.warmup)) / self.measured.as_nanos() as f64
    }

    /// Every sender waits for what it sent to land before it sends again.
    pub(crate) fn is_closed_loop(&self) -> bool {
        self.loads
            .iter()
            .any(|load| matches!(load.pace, Pace::ClosedLoop { .. }))
    }
}
