//! What is tested: the server, the rooms, and the traffic in them. Everything here has been checked to make sense.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cli::{GeneratorArguments, Io, Phase, Threads};
use crate::delivery::Mixture;
use crate::encoding::Encoding;
use crate::payload;
use crate::server::Server;
use crate::steps::{self, Step};
use crate::tempo::Tempo;
use crate::version::Version;

/// Rooms per game name: servers cap the rooms of one game.
const ROOMS_PER_GAME: u32 = 500;
/// Room operations of one room.
const MAX_OPERATIONS_PER_SECOND: f64 = 1000.0;
const MAX_SECONDS: f64 = 24.0 * 3600.0;

/// Rooms that are alike.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) encoding: Encoding,
    pub(crate) rooms: u32,
    /// Players who stay; they send and receive.
    pub(crate) players: u32,
    /// Players who send and receive, and close their connection and come back every now and then.
    pub(crate) returning: u32,
    pub(crate) return_every: Duration,
    /// Players who never send, and read slowly.
    pub(crate) slow: u32,
    pub(crate) slow_bytes_per_second: u32,
    pub(crate) spectators: u32,
    pub(crate) version: Version,
    /// Classes of the messages; version 3 only.
    pub(crate) mixture: Mixture,
    /// In each room; version 3 only.
    pub(crate) room_operations_per_second: f64,
}

impl Group {
    /// Rooms of players and nobody else.
    pub(crate) fn plain(encoding: Encoding, rooms: u32, players: u32) -> Self {
        Self {
            name: "all".to_owned(),
            encoding,
            rooms,
            players,
            returning: 0,
            return_every: Duration::ZERO,
            slow: 0,
            slow_bytes_per_second: 0,
            spectators: 0,
            version: Version::V2,
            mixture: Mixture::default(),
            room_operations_per_second: 0.0,
        }
    }

    /// Members who send.
    pub(crate) fn senders(&self) -> u32 {
        self.players + self.returning
    }

    /// Members with a seat.
    pub(crate) fn seats(&self) -> u32 {
        self.senders() + self.slow
    }

    /// Everybody in a room.
    pub(crate) fn members(&self) -> u32 {
        self.seats() + self.spectators
    }

    /// Whether its players perform room operations.
    pub(crate) fn operates(&self) -> bool {
        self.room_operations_per_second > 0.0
    }

    fn check(&self) -> Result<()> {
        if self.version == Version::V2 {
            ensure!(
                !self.mixture.has_classes() && !self.operates(),
                "delivery classes and room operations need \"version\": 3"
            );
        }
        ensure!(
            !self.mixture.has_classes() || self.encoding == Encoding::Json,
            "delivery classes need JSON game data: binary frames are always reliable"
        );
        ensure!(
            (0.0..=MAX_OPERATIONS_PER_SECOND).contains(&self.room_operations_per_second),
            "room_operations_per_second must be 0 to {MAX_OPERATIONS_PER_SECOND}"
        );
        ensure!(self.rooms >= 1, "at least one room is needed");
        ensure!(
            self.senders() >= 1 && self.members() >= 2,
            "a room needs somebody who sends and somebody else"
        );
        // A seat more, because a returning player may be back before the server has cleared its old one.
        let seats = self.seats() + u32::from(self.returning > 0);
        ensure!(
            (2..=100).contains(&seats),
            "a room needs 2 to 100 players: the protocol's rooms hold no more"
        );
        ensure!(self.players >= 1, "at least one player of a room must stay in it");
        ensure!(
            self.returning == 0 || self.return_every >= Duration::from_millis(100),
            "players may return every 0.1 s at most"
        );
        ensure!(
            self.slow == 0 || self.slow_bytes_per_second >= 100,
            "slow players must read at least 100 bytes a second"
        );
        Ok(())
    }
}

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
        let mut connections = 0u32;
        for group in &groups {
            group.check().with_context(|| format!("group {:?}", group.name))?;
            connections = group
                .rooms
                .checked_mul(group.members())
                .and_then(|members| connections.checked_add(members))
                .filter(|&connections| connections <= payload::MAX_PLAYERS)
                .with_context(|| format!("at most {} players can be told apart", payload::MAX_PLAYERS))?;
        }
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

/// What decides when a player sends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// At fixed moments, whatever the server does.
    OpenLoop { period_ns: f64, phase: Phase },
    /// When earlier messages have landed.
    ClosedLoop { in_flight: u32 },
}

impl Pace {
    /// From a rate, or from a number of messages in flight that replaces it.
    pub(crate) fn of(rate: f64, phase: Phase, closed_loop: Option<u32>) -> Result<Self> {
        Ok(match closed_loop {
            Some(in_flight) => Self::ClosedLoop { in_flight },
            None => {
                ensure!(rate > 0.0, "the rate must be above 0");
                Self::OpenLoop {
                    period_ns: 1e9 / rate,
                    phase,
                }
            }
        })
    }
}

/// What the senders of one group send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Bytes of game data per message.
    pub(crate) size_bytes: usize,
    pub(crate) pace: Pace,
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

impl Load {
    fn check(&self, group: &Group) -> Result<()> {
        let least = payload::min_size_bytes(group.encoding);
        ensure!(
            (least..=payload::MAX_SIZE_BYTES).contains(&self.size_bytes),
            "game data must have {least} to {} bytes: it carries sender, sequence, time and checksum",
            payload::MAX_SIZE_BYTES
        );
        match self.pace {
            Pace::OpenLoop { period_ns, .. } => {
                ensure!(
                    period_ns.is_finite() && period_ns >= 1_000.0,
                    "the rate must be above 0 and at most 1,000,000"
                );
            }
            Pace::ClosedLoop { in_flight } => {
                ensure!(
                    (1..=10_000).contains(&in_flight),
                    "a closed loop needs 1 to 10000 in flight"
                );
                ensure!(
                    group.slow == 0 && group.returning == 0,
                    "a closed loop waits for every member, so none may be slow or return"
                );
            }
        }
        Ok(())
    }
}

/// A length of time given in seconds.
pub(crate) fn seconds(option: &str, value: f64) -> Result<Duration> {
    ensure!(
        (0.0..=MAX_SECONDS).contains(&value),
        "{option} must be 0 to {MAX_SECONDS} seconds"
    );
    Ok(Duration::from_secs_f64(value))
}
