//! Measures what a large gallery costs, and what its players feel of it: how long a player waits for what another says, and
//! the CPU time that each shard spends per delivery, for a room of eight players and any number of spectators.
//!
//! `cargo bench --bench gallery -- --spectators 0,500,2000 --outpost-members 256`. Server and generator share this process
//! and the CPUs of the machine, so latencies tell galleries apart rather than what an idle server can do; CPU time is of
//! the shards' threads alone. Players and spectators read version 3. Fails when a delivery is missing.
//!
//! A wait ends when the kernel puts the message into the player's socket, by its own stamp, and begins when it was sent: the
//! generator, which shares the CPUs with the shards, often gets none for milliseconds, and would count them in.

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};
use signal_fish_relay::shard::{Counter, CounterSet};
use support::DEADLINE;
use support::arrivals::{self, stamp_arrivals, take_frame, wall_us};
use support::server::Server;

/// The most that a budget of bytes may be.
const NO_LIMIT: u64 = 1 << 53;

#[derive(Parser)]
struct Flags {
    /// Spectators of the room, one run for each number
    #[arg(long, value_delimiter = ',', default_values_t = [0, 500, 2_000])]
    spectators: Vec<usize>,
    /// Runs of each, of which the medians are shown
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Members above which spectators watch from outposts; 0: never
    #[arg(long, default_value_t = 256)]
    outpost_members: usize,
    #[arg(long, default_value_t = 2)]
    shards: usize,
    /// Players of the room
    #[arg(long, default_value_t = 8)]
    players: usize,
    /// Messages of each player in a second
    #[arg(long, default_value_t = 20)]
    rate: u64,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Keep players and spectators on this CPU (by `taskset`), so that with `--shards 1` nobody shares the shard's
    #[arg(long)]
    generator_cpu: Option<usize>,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one run showed.
struct Report {
    waits_us: Vec<u64>,
    deliveries: u64,
    sends: u64,
    bulletins: u64,
    /// CPU time of each shard's thread.
    cpu_ns: Vec<u64>,
    /// Share of the time that the shards and the players were ready to run and had no CPU: then latencies tell of other
    /// work on the machine.
    starved_percent: u64,
    /// CPU time of all shards for each spectator that came, connection and news of it included.
    join_us: u64,
}

fn main() {
    let flags = Flags::parse();
    println!(
        "spectators      p50      p99      max   CPU/delivery   of it by shard   sends/delivery   bulletins/s   CPU/join   starved"
    );
    for &spectators in &flags.spectators {
        let mut reports: Vec<_> = (0..flags.rounds).map(|_| run(&flags, spectators)).collect();
        let wait = |report: &Report, share: f64| report.waits_us[((report.waits_us.len() - 1) as f64 * share) as usize];
        let median = |reports: &mut Vec<Report>, of: &dyn Fn(&Report) -> f64| {
            reports.sort_by(|one, other| of(one).total_cmp(&of(other)));
            of(&reports[reports.len() / 2])
        };
        let cost = |report: &Report| report.cpu_ns.iter().sum::<u64>() as f64 / report.deliveries as f64 / 1_000.0;
        let (p50, p99, max) = (
            median(&mut reports, &|report| wait(report, 0.5) as f64),
            median(&mut reports, &|report| wait(report, 0.99) as f64),
            median(&mut reports, &|report| wait(report, 1.0) as f64),
        );
        let cpu_us = median(&mut reports, &cost);
        let middle = &reports[reports.len() / 2];
        let all: u64 = middle.cpu_ns.iter().sum();
        let shares: Vec<_> = middle.cpu_ns.iter().map(|ns| format!("{} %", ns * 100 / all)).collect();
        println!(
            "{spectators:>10} {p50:>5.0} µs {p99:>5.0} µs {max:>5.0} µs   {cpu_us:>9.2} µs   {:>14}   {:>14.2}   {:>11}   {:>5} µs   {:>5} %",
            shares.join(", "),
            middle.sends as f64 / middle.deliveries as f64,
            middle.bulletins / flags.seconds,
            middle.join_us,
            middle.starved_percent,
        );
    }
}

fn run(flags: &Flags, spectators: usize) -> Report {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    if flags.generator_cpu.is_some() {
        stay_on(&format!("0-{}", cpus.max(2) - 1)); // the server takes its CPUs from those of this thread
    }
    let server = Server::with(flags.shards, |config| {
        config.runtime.outpost_members = flags.outpost_members;
        config.server.default_max_spectators = Some(0);
        config.security.max_connections_per_ip = spectators + 100;
        config.security.max_connections = spectators + 100;
        config.rate_limit.max_relay_bytes = NO_LIMIT;
        config.rate_limit.max_room_relay_bytes = NO_LIMIT;
    });
    if let Some(cpu) = flags.generator_cpu {
        stay_on(&cpu.to_string());
    }
    let address = server.address();
    let host = Client::enter(address);
    let join = json!({"game_name": "gallery", "player_name": "Player0", "max_players": flags.players});
    let mut players = vec![host];
    players[0].send(&json!({"type": "JoinRoom", "data": join}));
    let code = players[0].wait_for("RoomJoined")["room_code"].clone();
    for number in 1..flags.players {
        let mut player = Client::enter(address);
        let join = json!({"game_name": "gallery", "player_name": format!("Player{number}"), "room_code": code});
        player.send(&json!({"type": "JoinRoom", "data": join}));
        player.wait_for("RoomJoined");
        players.push(player);
    }
    let before_joins: u64 = cpu_ns_of_shards().iter().sum();
    let mut gallery: Vec<Client> = Vec::with_capacity(spectators);
    for number in 0..spectators {
        let mut spectator = Client::enter(address);
        let name = format!("Spectator{number}");
        let data = json!({"game_name": "gallery", "spectator_name": name, "room_code": code});
        spectator.send(&json!({"type": "JoinAsSpectator", "data": data}));
        spectator.wait_for("SpectatorJoined");
        spectator
            .stream
            .set_nonblocking(true)
            .expect("an option of every socket");
        gallery.push(spectator);
        if number % 50 == 0 {
            players.iter_mut().chain(&mut gallery).for_each(Client::drain);
        }
    }
    let calm = Instant::now() + Duration::from_millis(1_500); // the last news of the gallery is told within a second
    while Instant::now() < calm {
        gallery.iter_mut().for_each(Client::drain);
        thread::sleep(Duration::from_millis(20));
    }
    players.iter_mut().for_each(Client::drain);
    players.iter().for_each(|player| stamp_arrivals(&player.stream));
    let joins_ns = cpu_ns_of_shards().iter().sum::<u64>() - before_joins;

    let count = |counter: fn(&CounterSet) -> &Counter| server.count(counter);
    let before = (
        count(|set| &set.deliveries),
        count(|set| &set.socket_sends),
        count(|set| &set.bulletins_posted),
        cpu_ns_of_shards(),
    );
    let starved_before = starved_ns();
    let (sent, mut waits_us) = play(&mut players, &mut gallery, flags);
    let starved_percent = (starved_ns() - starved_before) / (flags.seconds * 10_000_000);
    let expected = sent * (flags.players + spectators - 1) as u64;
    let began = Instant::now();
    while count(|set| &set.deliveries) - before.0 < expected {
        assert!(began.elapsed() < DEADLINE, "deliveries are missing");
        gallery.iter_mut().for_each(Client::drain);
    }
    let cpu_ns = cpu_ns_of_shards()
        .iter()
        .zip(&before.3)
        .map(|(now, then)| now - then)
        .collect();
    let report = Report {
        deliveries: count(|set| &set.deliveries) - before.0,
        sends: count(|set| &set.socket_sends) - before.1,
        bulletins: count(|set| &set.bulletins_posted) - before.2,
        cpu_ns,
        starved_percent,
        join_us: joins_ns / 1_000 / spectators.max(1) as u64,
        waits_us: {
            waits_us.sort_unstable();
            waits_us
        },
    };
    assert_eq!(report.deliveries, expected);
    assert!(gallery.iter().all(|client| !client.is_over), "spectators were closed");
    report
}

/// Lets every player talk at its own phase. Returns how many messages were sent and how long each was under way.
fn play(players: &mut [Client], gallery: &mut [Client], flags: &Flags) -> (u64, Vec<u64>) {
    let interval = Duration::from_secs(1) / flags.rate as u32;
    let began = Instant::now();
    let mut due: Vec<_> = (0..players.len())
        .map(|number| began + interval * number as u32 / players.len() as u32)
        .collect();
    let end = began + Duration::from_secs(flags.seconds);
    let mut waits_us = Vec::new();
    let mut sent = 0;
    let receivers = players.len() as u64 - 1;
    let mut next_reader = 0;
    loop {
        let now = Instant::now();
        for (number, due) in due.iter_mut().enumerate() {
            if *due <= now && *due < end {
                let at_us = wall_us();
                let text = format!(r#"{{"type":"GameData","data":{{"data":"{at_us:020}{:0>42}"}}}}"#, 0);
                players[number].send_text(&text);
                sent += 1;
                *due += interval;
            }
        }
        for player in &mut *players {
            player.read_stamped(|text, arrived_us| {
                let marker = br#""data":""#;
                if let Some(at) = text.windows(marker.len()).position(|bytes| bytes == marker) {
                    let digits = std::str::from_utf8(&text[at + marker.len()..][..20]).expect("digits");
                    let sent_us: u64 = digits.parse().expect("digits");
                    waits_us.push(arrived_us.saturating_sub(sent_us));
                }
            });
        }
        let is_over = now >= end && waits_us.len() as u64 >= sent * receivers;
        assert!(
            now < end + DEADLINE,
            "{} of {} messages came",
            waits_us.len(),
            sent * receivers
        );
        if is_over {
            return (sent, waits_us);
        }
        // On one thread with the players, and few at a time, so that reading the gallery delays no player's clock for long.
        for _ in 0..gallery.len().min(8) {
            next_reader = (next_reader + 1) % gallery.len();
            gallery[next_reader].drain();
        }
        thread::sleep(Duration::from_micros(20));
    }
}

/// Puts this thread, and those that it starts, on these CPUs.
fn stay_on(cpus: &str) {
    let own = std::fs::read_link("/proc/thread-self").expect("Linux");
    let id = own.file_name().and_then(|name| name.to_str()).expect("a number");
    let status = std::process::Command::new("taskset")
        .args(["--cpu-list", "--pid", cpus, id])
        .stdout(std::process::Stdio::null())
        .status()
        .expect("taskset is installed");
    assert!(status.success(), "the CPUs are allowed");
}

/// How long the shards and this thread have waited for a CPU.
fn starved_ns() -> u64 {
    let waited = |schedstat: &str| schedstat.split(' ').nth(1).and_then(|ns| ns.parse::<u64>().ok());
    let own = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let shards = tasks.filter_map(|task| {
        let path = task.ok()?.path();
        let name = std::fs::read_to_string(path.join("comm")).ok()?;
        let schedstat = std::fs::read_to_string(path.join("schedstat")).ok()?;
        waited(&schedstat).filter(|_| name.starts_with("shard"))
    });
    shards.sum::<u64>() + waited(&own).unwrap_or(0)
}

/// The CPU time of every shard's thread.
fn cpu_ns_of_shards() -> Vec<u64> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let times = tasks.filter_map(|task| {
        let path = task.ok()?.path();
        let name = std::fs::read_to_string(path.join("comm")).ok()?;
        let schedstat = std::fs::read_to_string(path.join("schedstat")).ok()?;
        let ns = schedstat.split(' ').next()?.parse().ok()?;
        name.starts_with("shard").then_some((name, ns))
    });
    // A shard's executor has threads of its own, under its name.
    let mut by_shard: BTreeMap<String, u64> = BTreeMap::new();
    times.for_each(|(name, ns): (String, u64)| *by_shard.entry(name).or_default() += ns);
    by_shard.into_values().collect()
}

/// A client that reads version 3.
struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
    is_over: bool,
}

impl Client {
    fn enter(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server accepts");
        stream.set_nodelay(true).expect("an option of every socket");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout above zero");
        let mut client = Self {
            stream,
            unread: Vec::new(),
            is_over: false,
        };
        let upgrade = support::wire::UPGRADE.replace("/v2/ws", "/v3/ws");
        client.stream.write_all(upgrade.as_bytes()).expect("the server reads");
        while !client.unread.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
            client.fill();
        }
        let end = client
            .unread
            .windows(4)
            .position(|bytes| bytes == b"\r\n\r\n")
            .expect("found above")
            + 4;
        assert!(client.unread.starts_with(b"HTTP/1.1 101"), "an upgrade");
        client.unread.drain(..end);
        client.send(&json!({"type": "Authenticate", "data": {"app_id": "gallery", "protocol_version": 3}}));
        client.wait_for("ProtocolInfo");
        client
    }

    fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string());
    }

    fn send_text(&mut self, text: &str) {
        let frame = support::wire::frame(support::wire::TEXT, text.as_bytes());
        self.stream.write_all(&frame).expect("the server reads");
    }

    fn fill(&mut self) {
        let mut bytes = [0; 64 * 1024];
        let count = self.stream.read(&mut bytes).expect("an answer in time");
        assert!(count > 0, "the server closed");
        self.unread.extend_from_slice(&bytes[..count]);
    }

    /// The payload of the next message of a kind; others are passed over.
    fn wait_for(&mut self, kind: &str) -> Value {
        self.stream.set_nonblocking(false).expect("an option of every socket");
        loop {
            while let Some(payload) = take_frame(&mut self.unread) {
                let mut message: Value = serde_json::from_slice(&payload).expect("JSON");
                if message["type"] == kind {
                    return message["data"].take();
                }
            }
            self.fill();
        }
    }

    /// Reads what is there, message by message, each with the moment at which the kernel had all of it.
    fn read_stamped(&mut self, each: impl FnMut(&[u8], u64)) {
        let is_open = arrivals::read(&self.stream, &mut self.unread, each);
        assert!(is_open, "the server closed");
    }

    /// Reads what is there and looks at nothing.
    fn drain(&mut self) {
        self.stream.set_nonblocking(true).expect("an option of every socket");
        self.unread.clear();
        let mut bytes = [0; 64 * 1024];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => self.is_over = true,
                Ok(count) if count == bytes.len() => continue,
                Ok(_) => {}
                Err(error) => self.is_over |= error.kind() != ErrorKind::WouldBlock,
            }
            return;
        }
    }
}
