//! What is tested: the server, the rooms, and the traffic in them. Everything here has been checked to make sense.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde::Serialize;

use crate::cli::{GeneratorArguments, LoadArguments, Phase};
use crate::payload;

/// Rooms per game name: servers cap the rooms of one game.
const ROOMS_PER_GAME: u32 = 500;
/// Connections per source address when the number of addresses is ours to choose.
const CONNECTIONS_PER_ADDRESS: u32 = 60;
const MAX_SECONDS: f64 = 24.0 * 3600.0;

/// Form of the game data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Encoding {
    /// `GameData` messages in text frames
    Json,
    /// MessagePack payloads in binary frames
    MessagePack,
}

impl Encoding {
    /// The protocol's name of the format.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "message_pack",
        }
    }
}

/// Where the server is.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Value of the `Host` header.
    pub(crate) host: String,
    pub(crate) path: String,
}

impl Server {
    /// Reads `ws://host:port/path` and resolves the host.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let rest = match url.split_once("://") {
            Some(("ws", rest)) => rest,
            Some(("wss", _)) => bail!("TLS is not spoken by this tool; give the plain ws:// address behind the proxy"),
            _ => bail!("--url {url}: expected ws://host:port/path"),
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let with_port = if has_port {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let address = with_port
            .to_socket_addrs()
            .with_context(|| format!("--url {url}: cannot find the host"))?
            .next()
            .with_context(|| format!("--url {url}: the host has no address"))?;
        Ok(Self {
            address,
            host: host.to_owned(),
            path: if path.is_empty() {
                "/".to_owned()
            } else {
                path.to_owned()
            },
        })
    }
}

/// The players and where they connect.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) server: Server,
    pub(crate) app_id: String,
    pub(crate) encoding: Encoding,
    pub(crate) rooms: u32,
    /// Players in each room.
    pub(crate) players: u32,
    pub(crate) threads: u32,
    pub(crate) spin: bool,
    /// How long what arrives is left in the sockets, to be read together.
    pub(crate) gather: Duration,
    pub(crate) seed: u64,
    /// Addresses to connect from, in turn; 0 leaves it to the system.
    pub(crate) source_addresses: u32,
    pub(crate) setup_concurrency: u32,
    pub(crate) drain: Duration,
}

impl Scenario {
    /// Checks the arguments against each other.
    pub(crate) fn new(
        url: &str,
        common: &GeneratorArguments,
        encoding: Encoding,
        rooms: u32,
        players: u32,
    ) -> Result<Self> {
        let server = Server::parse(url)?;
        ensure!(
            (2..=100).contains(&players),
            "--players must be 2 to 100: the protocol's rooms hold no more"
        );
        ensure!(rooms >= 1, "at least one room is needed");
        ensure!(
            rooms <= payload::MAX_PLAYERS / players,
            "at most {} players can be told apart",
            payload::MAX_PLAYERS
        );
        ensure!(
            (1..=rooms).contains(&common.threads),
            "--threads must be 1 to the number of rooms ({rooms})"
        );
        ensure!(common.gather_us <= 10_000, "--gather-us must be at most 10000");
        ensure!(common.setup_concurrency >= 1, "--setup-concurrency must be at least 1");
        let loopback = matches!(server.address.ip(), IpAddr::V4(ip) if ip.is_loopback());
        let source_addresses = match common.source_addresses {
            Some(0) => 0,
            Some(_) if !loopback => bail!("--source-addresses works only towards a server on 127.0.0.0/8"),
            Some(count) => count,
            None if loopback => (rooms * players).div_ceil(CONNECTIONS_PER_ADDRESS),
            None => 0,
        };
        ensure!(source_addresses <= 60_000, "--source-addresses must be at most 60000");
        Ok(Self {
            server,
            app_id: common.app_id.clone(),
            encoding,
            rooms,
            players,
            threads: common.threads,
            spin: common.spin,
            gather: Duration::from_micros(common.gather_us),
            seed: common.seed,
            source_addresses,
            setup_concurrency: common.setup_concurrency,
            drain: seconds("--drain-seconds", common.drain_seconds)?,
        })
    }

    /// Whether messages are read some time after they arrived, so that the kernel has to say when that was.
    pub(crate) fn gathers(&self) -> bool {
        !self.spin && !self.gather.is_zero()
    }

    pub(crate) fn connections(&self) -> u32 {
        self.rooms * self.players
    }

    /// The address that a player connects from.
    pub(crate) fn source_of(&self, player: u32) -> Option<IpAddr> {
        (self.source_addresses > 0).then(|| {
            let number = player % self.source_addresses + 1;
            IpAddr::V4(Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 1, 0)) + number))
        })
    }

    /// The game that a room is created under.
    pub(crate) fn game_name(&self, room: u32) -> String {
        format!("loadtest-{}", room / ROOMS_PER_GAME)
    }

    /// The rooms of one thread: number of the first, and how many.
    pub(crate) fn share(&self, thread: u32) -> (u32, u32) {
        let share_end = |thread: u32| (u64::from(self.rooms) * u64::from(thread) / u64::from(self.threads)) as u32;
        let first = share_end(thread);
        (first, share_end(thread + 1) - first)
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

/// One stretch of traffic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traffic {
    /// Bytes of game data per message.
    pub(crate) size_bytes: usize,
    pub(crate) pace: Pace,
    /// Traffic before the measured window.
    pub(crate) warmup: Duration,
    /// The measured window.
    pub(crate) measured: Duration,
}

impl Traffic {
    /// The traffic that the command line asks for.
    pub(crate) fn of(load: &LoadArguments) -> Result<Self> {
        let pace = match load.closed_loop {
            Some(in_flight) => Pace::ClosedLoop { in_flight },
            None => {
                ensure!(load.rate > 0.0, "--rate must be above 0");
                Pace::OpenLoop {
                    period_ns: 1e9 / load.rate,
                    phase: load.phase,
                }
            }
        };
        let traffic = Self {
            size_bytes: load.size,
            pace,
            warmup: seconds("--warmup-seconds", load.warmup_seconds)?,
            measured: seconds("--seconds", load.seconds)?,
        };
        traffic.check(load.encoding)?;
        Ok(traffic)
    }

    pub(crate) fn check(&self, encoding: Encoding) -> Result<()> {
        let least = payload::min_size_bytes(encoding);
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
                ensure!((1..=10_000).contains(&in_flight), "--closed-loop must be 1 to 10000");
            }
        }
        ensure!(!self.measured.is_zero(), "the measured window must be longer than 0");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let server = Server::parse("ws://127.0.0.1:3536/v2/ws").expect("a good address");
        assert_eq!((server.address.port(), server.path.as_str()), (3536, "/v2/ws"));
        let server = Server::parse("ws://[::1]:99").expect("a good address");
        assert_eq!(
            (server.address.to_string().as_str(), server.path.as_str()),
            ("[::1]:99", "/")
        );
        for bad in ["wss://127.0.0.1/", "http://127.0.0.1/", "127.0.0.1:3536"] {
            assert!(Server::parse(bad).is_err(), "{bad}");
        }
    }
}
