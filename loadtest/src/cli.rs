//! The command line. Parsing only: what the values mean together is checked in [`crate::scenario`].

mod examples;
mod wire;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::contestant::Contestant;
use crate::encoding::Encoding;
use crate::expect::Expectation;
use crate::phase::Phase;
use crate::steps::Step;
use crate::sys::CpuSet;
use crate::version::Version;

pub(crate) use wire::{TlsArguments, TlsVersion, WireArguments};

/// Drives a Signal Fish server and accounts for every message.
#[derive(Debug, Parser)]
#[command(version, about, after_help = examples::OF_PROGRAM)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Relay game data in many rooms: latency, rates, server cost, exact ledger
    #[command(after_help = examples::OF_RUN)]
    Run(RunArguments),
    /// Memory of idle players: all join, carry some traffic and one large message, then rest
    #[command(after_help = examples::OF_IDLE)]
    Idle(IdleArguments),
    /// Find the largest load at which latency stays under a bound
    #[command(after_help = examples::OF_SEARCH)]
    Search(SearchArguments),
    /// Many create, join and leave rooms at once: cost of a cycle, time of each request
    #[command(after_help = examples::OF_STORM)]
    Storm(StormArguments),
    /// Open and close connections: rate, time of connecting and of TLS, cost, failures
    Handshakes(HandshakesArguments),
    /// Measure two or more servers in turn with the same load, and give ratios with their spread
    #[command(after_help = examples::OF_COMPARE)]
    Compare(CompareArguments),
    /// The yardstick: serve as the least that a relay can cost, to compare other servers with
    #[command(alias = "floor")]
    Yardstick(YardstickArguments),
}

impl Command {
    /// Where a page is wanted.
    pub(crate) fn html(&self) -> Option<&Path> {
        let generator = match self {
            Self::Run(arguments) => &arguments.generator,
            Self::Idle(arguments) => &arguments.generator,
            Self::Search(arguments) => &arguments.generator,
            Self::Storm(arguments) => &arguments.generator,
            Self::Handshakes(arguments) => &arguments.generator,
            Self::Compare(arguments) => &arguments.generator,
            Self::Yardstick(_) => return None,
        };
        generator.html.as_deref()
    }
}

/// Where the server is, and where its figures come from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct TargetArguments {
    /// WebSocket address of the server, `ws://` or `wss://`
    #[arg(long, default_value = "ws://127.0.0.1:3536/v2/ws")]
    pub(crate) url: String,
    /// Process to measure; default: the one that listens on the port, when it is on this machine and readable
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,
    /// The server's Prometheus page with `signal_fish_socket_sends_total`, `signal_fish_kernel_entries_total` and
    /// `signal_fish_deliveries_total`, or `none`; default: /metrics/prom of a server on this machine, where it is open
    #[arg(long, value_name = "HTTP_URL|none")]
    pub(crate) server_counters: Option<String>,
}

/// How this generator works.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Generator")]
pub(crate) struct GeneratorArguments {
    /// Application id sent in `Authenticate`
    #[arg(long, default_value = "loadtest")]
    pub(crate) app_id: String,
    /// Generator threads, among which the rooms are divided; `auto` takes one, or what the schedule needs, and repeats a
    /// test with more when they had no time left
    #[arg(long, default_value = "auto", value_name = "N|auto", value_parser = Threads::parse)]
    pub(crate) threads: Threads,
    /// How sockets are served; without the option io_uring, and epoll where there is none
    #[arg(long, value_enum, default_value_t = Io::Auto)]
    pub(crate) io: Io,
    /// Busy-poll instead of sleeping: steadier latency figures for a whole core per thread
    #[arg(long)]
    pub(crate) spin: bool,
    /// Open loop: read what arrives at most this often, instead of one message at a time; the kernel stamps arrivals, so
    /// latency is not affected (0: read each at once)
    #[arg(long, default_value_t = 200, value_name = "MICROSECONDS")]
    pub(crate) gather_us: u64,
    /// Seed of everything random (phases, masks)
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// Handshakes in progress at a time
    #[arg(long, default_value_t = 64, value_name = "N")]
    pub(crate) setup_concurrency: u32,
    /// Longest wait for outstanding messages after the last send
    #[arg(long, default_value_t = 5.0, value_name = "SECONDS")]
    pub(crate) drain_seconds: f64,
    /// Print the report as one line of JSON instead of a table
    #[arg(long, help_heading = "Report")]
    pub(crate) json: bool,
    /// Also write the report, with plots, to this file
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(crate) html: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) wire: WireArguments,
}

/// What a test has to keep besides the account.
#[derive(Debug, Args)]
#[command(next_help_heading = "Report")]
pub(crate) struct ExpectArguments {
    /// Thresholds, each of which makes the exit status 1 when it is not met: `p99<20ms`, `arena.p99<5ms`, `lost=0`,
    /// `delivered>10000/s`, `cpu<2us`, `memory<100MiB`, `back<2s` (comma-separated, or given several times)
    #[arg(long, value_name = "THRESHOLD", value_delimiter = ',', value_parser = Expectation::parse)]
    pub(crate) expect: Vec<Expectation>,
}

/// The players and their traffic.
#[derive(Debug, Args)]
#[command(next_help_heading = "Players and traffic")]
pub(crate) struct LoadArguments {
    /// Groups of rooms and their traffic from a JSON file, in place of the options below
    #[arg(long, value_name = "FILE", conflicts_with_all = ["encoding", "rooms", "players", "size", "rate", "phase", "closed_loop", "seconds", "warmup_seconds", "steps"])]
    pub(crate) scenario: Option<PathBuf>,
    /// Form of the game data: JSON text frames or MessagePack binary frames
    #[arg(long, value_enum, default_value_t = Encoding::Json)]
    pub(crate) encoding: Encoding,
    /// Rooms
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(crate) rooms: u32,
    /// Players in each room (2 to 100)
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub(crate) players: u32,
    /// Version of the protocol that the players speak: 2 or 3
    #[arg(long, default_value = "2", value_name = "N", conflicts_with = "scenario")]
    pub(crate) protocol_version: Version,
    /// Bytes of game data in each message
    #[arg(long, default_value_t = 64, value_name = "BYTES")]
    pub(crate) size: usize,
    /// Messages per second and player
    #[arg(long, default_value_t = 60.0, value_name = "HZ")]
    pub(crate) rate: f64,
    /// When players send within a period: spread at random, or all at the same instant
    #[arg(long, value_enum, default_value_t = Phase::Random)]
    pub(crate) phase: Phase,
    /// Ignore the rate: each player always has this many messages on their way
    #[arg(long, value_name = "IN_FLIGHT", conflicts_with_all = ["rate", "phase"])]
    pub(crate) closed_loop: Option<u32>,
    /// Length of the measured window
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    pub(crate) seconds: f64,
    /// Traffic before the measured window; in the ledger, not in the figures
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    pub(crate) warmup_seconds: f64,
    /// Something that changes within the window: `at 5s ramp to 2x over 5s`, `at 12s spike to 5x for 1s`, `at 15s pause
    /// for 2s`, `at 20s drop within 200ms` (all players lose their sockets and come back; protocol version 3). Can be given
    /// several times
    #[arg(long = "step", value_name = "STEP", value_parser = Step::parse)]
    pub(crate) steps: Vec<Step>,
}

/// `run`
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    #[command(flatten)]
    pub(crate) load: LoadArguments,
    #[command(flatten)]
    pub(crate) generator: GeneratorArguments,
    #[command(flatten)]
    pub(crate) expect: ExpectArguments,
}

/// `search`
#[derive(Debug, Args)]
#[command(next_help_heading = "Search")]
pub(crate) struct SearchArguments {
    /// A step passes while 99 of 100 deliveries are faster than this
    #[arg(long, default_value_t = 10.0, value_name = "MILLISECONDS")]
    pub(crate) p99_ms: f64,
    /// What is made larger and smaller
    #[arg(long, value_enum, default_value_t = Searched::Rate)]
    pub(crate) vary: Searched,
    /// The search begins at so many times the load that is given
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    pub(crate) start: f64,
    /// The search ends when the gap between pass and fail is this share of the load
    #[arg(long, default_value_t = 0.05, value_name = "SHARE")]
    pub(crate) precision: f64,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    #[command(flatten)]
    pub(crate) load: LoadArguments,
    #[command(flatten)]
    pub(crate) generator: GeneratorArguments,
    #[command(flatten)]
    pub(crate) expect: ExpectArguments,
}

/// What a search varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Searched {
    /// Messages per second and player
    Rate,
    /// Rooms
    Rooms,
}

/// `storm`
#[derive(Debug, Args)]
#[command(next_help_heading = "Storm")]
pub(crate) struct StormArguments {
    /// Parties of four connections, all at once
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(crate) parties: u32,
    /// How often each party creates a room, joins it and leaves it; the default is what a connection's usual budget of 20
    /// joins and 5 creations a minute allows
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) cycles: u32,
    /// Cycles per second of all parties together; without it each begins the next when the last is over
    #[arg(long, value_name = "HZ")]
    pub(crate) rate: Option<f64>,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    #[command(flatten)]
    pub(crate) generator: GeneratorArguments,
    #[command(flatten)]
    pub(crate) expect: ExpectArguments,
}

/// `handshakes`
#[derive(Debug, Args)]
#[command(next_help_heading = "Handshakes")]
pub(crate) struct HandshakesArguments {
    /// Connections begun a second; without it the next begins when one is over
    #[arg(long, value_name = "HZ")]
    pub(crate) rate: Option<f64>,
    /// Connections under way at a time; default: 16, with --rate at most 1000
    #[arg(long, value_name = "N")]
    pub(crate) concurrency: Option<u32>,
    /// How long connections are begun
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    pub(crate) seconds: f64,
    /// Ask for WebSocket, too, and say good-bye in it; always so with ws://
    #[arg(long)]
    pub(crate) upgrade: bool,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    #[command(flatten)]
    pub(crate) expect: ExpectArguments,
    #[command(flatten)]
    pub(crate) generator: GeneratorArguments,
}

/// `compare`
#[derive(Debug, Args)]
#[command(next_help_heading = "Comparison")]
pub(crate) struct CompareArguments {
    /// A server, given twice or more: `NAME=ws://… [pid=PID] [counters=http://…]` for one that runs, or
    /// `NAME=[VARIABLE=VALUE …] PROGRAM ARGUMENT …` for one that is started for each run, `{port}` standing for a free port
    #[arg(long = "server", required = true, value_name = "NAME=…", value_parser = Contestant::parse)]
    pub(crate) servers: Vec<Contestant>,
    /// CPUs that started servers are bound to, like 0 or 0,2-3
    #[arg(long, value_name = "LIST", value_parser = CpuSet::parse)]
    pub(crate) server_cpus: Option<CpuSet>,
    /// How often every server is measured, in turn
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(3..=1000))]
    pub(crate) rounds: u32,
    #[command(flatten)]
    pub(crate) load: LoadArguments,
    #[command(flatten)]
    pub(crate) generator: GeneratorArguments,
}

/// `idle`
#[derive(Debug, Args)]
#[command(next_help_heading = "Players and traffic")]
pub(crate) struct IdleArguments {
    /// Form of the game data: JSON text frames or MessagePack binary frames
    #[arg(long, value_enum, default_value_t = Encoding::Json)]
    pub(crate) encoding: Encoding,
    /// Connections, all of them joined to rooms
    #[arg(long, default_value_t = 9000, value_name = "N")]
    pub(crate) connections: u32,
    /// Players in each room (2 to 100)
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub(crate) players: u32,
    /// Size of the one large message that each player sends
    #[arg(long, default_value_t = 61_440, value_name = "BYTES")]
    pub(crate) message_bytes: usize,
    /// Small messages (64 bytes) that each player sends first, one a second
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub(crate) small_messages: u32,
    /// Large messages per second, of all players together
    #[arg(long, default_value_t = 1000.0, value_name = "HZ")]
    pub(crate) large_rate: f64,
    /// Rest before the memory is read
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS")]
    pub(crate) settle_seconds: f64,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    #[command(flatten)]
    pub(crate) generator: GeneratorArguments,
}

/// `yardstick`
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct YardstickArguments {
    /// How the kernel is asked
    #[arg(long, value_enum, default_value_t = Backend::Ring)]
    pub(crate) backend: Backend,
    /// Port to listen on; 0 takes a free one. The first line on standard output names it
    #[arg(long, default_value_t = 3536)]
    pub(crate) port: u16,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1", value_name = "IP")]
    pub(crate) address: IpAddr,
    /// After a turn that had work, wait this long before the next
    #[arg(long, default_value_t = 0, value_name = "MICROSECONDS", value_parser = clap::value_parser!(u64).range(..=100_000))]
    pub(crate) quantum_us: u64,
}

/// What the yardstick waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// Edge-triggered epoll, one system call for each read and send
    Epoll,
    /// io_uring: multishot receives, sends submitted with the wait (Linux 6.1 or newer)
    Ring,
}

/// How many generator threads there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// As many as turn out to be needed.
    Auto,
    Exactly(u32),
}

impl Threads {
    fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "auto" => Ok(Self::Auto),
            Ok(threads) if threads > 0 => Ok(Self::Exactly(threads)),
            _ => Err("expected a number from 1 on, or auto".to_owned()),
        }
    }
}

/// How the generator serves its sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Io {
    /// io_uring where it is available, else epoll
    Auto,
    /// io_uring: multishot receives, batched sends (Linux 6.1 or newer)
    Ring,
    /// Edge-triggered epoll
    Epoll,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_option_is_explained_and_has_its_place() {
        let mut program = Cli::command();
        program.build();
        for command in program.get_subcommands().filter(|command| command.get_name() != "help") {
            for option in command.get_arguments().filter(|option| option.get_id() != "help") {
                let place = format!("{} --{}", command.get_name(), option.get_id());
                assert!(option.get_help().is_some(), "{place} is not explained");
                assert!(option.get_help_heading().is_some(), "{place} is under no heading");
            }
        }
    }
}
