//! Compares ways for a shard to read and write its sockets: what each costs in CPU time of the shard's thread per delivered
//! message, in kernel entries, and in latency.
//!
//! One shard on one CPU, one spinning load generator on another, loopback. Candidates are interleaved: a round runs every candidate
//! once on every workload, and the table gives the median and the range over the rounds. Figures and decision: `docs/adr/`.

mod epoll;
mod generator;
mod glommio_stream;
mod relay;
mod ring;
mod sys;

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{IntoRawFd, RawFd};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use glommio::{LocalExecutorBuilder, Placement};

use crate::generator::{Load, Pace, Sample};
use crate::relay::{Counters, Fanout, PLAYERS_PER_ROOM, Relay, TICK_MS};
use crate::ring::Sending;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Candidate {
    /// glommio stream and task per connection
    A,
    /// Epoll set, parked by the executor
    B,
    /// Epoll set, parked in epoll_wait
    B2,
    /// Own ring, direct sends, parked in the ring
    C1,
    /// Own ring, sends submitted with the wait, parked in the ring
    C2,
    /// Own ring, direct sends, parked by the executor
    C3,
    /// B2 with a pause after each turn (not like with like)
    B2q,
    /// C1 with a gathering wait after each turn (not like with like)
    C1q,
    /// C2 with a gathering wait after each turn (not like with like)
    C2q,
}

impl Candidate {
    fn name(self) -> &'static str {
        match self {
            Self::A => "A glommio stream",
            Self::B => "B epoll, executor parks",
            Self::B2 => "B2 epoll, parks itself",
            Self::C1 => "C1 ring, direct sends",
            Self::C2 => "C2 ring, ring sends",
            Self::C3 => "C3 ring, direct sends, executor parks",
            Self::B2q => "B2 + quantum",
            Self::C1q => "C1 + quantum",
            Self::C2q => "C2 + quantum",
        }
    }

    /// Whether the executor enters the kernel for the sockets too, where the bench cannot count.
    fn counts_all_entries(self) -> bool {
        !matches!(self, Self::A | Self::B | Self::C3)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Workload {
    /// Closed loop, 1 connection
    Echo1,
    /// Closed loop, 16 connections
    Echo16,
    /// Closed loop, 256 connections
    Echo256,
    /// 50 rooms of 4 at 60 Hz, open loop
    Relay,
    /// 50 rooms of 4, 4 messages in flight each
    Saturation,
}

impl Workload {
    fn name(self) -> &'static str {
        match self {
            Self::Echo1 => "echo, 1 connection",
            Self::Echo16 => "echo, 16 connections",
            Self::Echo256 => "echo, 256 connections",
            Self::Relay => "relay, 50 rooms × 4 × 60 Hz",
            Self::Saturation => "relay, 50 rooms × 4, 4 in flight",
        }
    }

    fn connections(self) -> usize {
        match self {
            Self::Echo1 => 1,
            Self::Echo16 => 16,
            Self::Echo256 => 256,
            Self::Relay | Self::Saturation => 50 * PLAYERS_PER_ROOM,
        }
    }

    fn fanout(self) -> Fanout {
        match self {
            Self::Echo1 | Self::Echo16 | Self::Echo256 => Fanout::Echo,
            Self::Relay | Self::Saturation => Fanout::Room,
        }
    }

    fn load(self, arguments: &Arguments) -> Load {
        let (frame_bytes, copies) = match self.fanout() {
            Fanout::Echo => (64, 1),
            Fanout::Room => (70, PLAYERS_PER_ROOM - 1),
        };
        let pace = match self {
            Self::Echo1 | Self::Echo16 | Self::Echo256 => Pace::InFlight(1),
            Self::Relay => Pace::Hertz(60),
            Self::Saturation => Pace::InFlight(4),
        };
        let warmup = Duration::from_millis(arguments.warmup_ms);
        let window = Duration::from_millis(arguments.window_ms);
        Load {
            pace,
            frame_bytes,
            copies,
            warmup,
            window,
        }
    }
}

/// Compares socket layers for a shard.
#[derive(Parser)]
struct Arguments {
    /// Rounds; a round runs every candidate once on every workload
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Measured part of a run, milliseconds
    #[arg(long, default_value_t = 1000)]
    window_ms: u64,
    /// Unmeasured start of a run, milliseconds
    #[arg(long, default_value_t = 200)]
    warmup_ms: u64,
    /// A run whose two threads waited for their CPUs for more than this share of the window is repeated, percent
    #[arg(long, default_value_t = 2.0)]
    disturbed_percent: f64,
    /// Repetitions of a disturbed run; after them the least disturbed one counts
    #[arg(long, default_value_t = 4)]
    retries: usize,
    /// CPU of the shard
    #[arg(long, default_value_t = 0)]
    shard_cpu: usize,
    /// CPU of the load generator
    #[arg(long, default_value_t = 1)]
    generator_cpu: usize,
    /// Length of the pause in the rows with a quantum, microseconds
    #[arg(long, default_value_t = 500)]
    quantum_us: u64,
    /// Candidates
    #[arg(long, value_delimiter = ',', default_value = "a,b,b2,c1,c2,c3")]
    candidates: Vec<Candidate>,
    /// Workloads
    #[arg(long, value_delimiter = ',', default_value = "echo1,echo16,echo256,relay,saturation")]
    workloads: Vec<Workload>,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn connect(count: usize) -> io::Result<(Vec<TcpStream>, Vec<RawFd>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let (mut clients, mut fds) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for _ in 0..count {
        let client = TcpStream::connect(address)?;
        let (server, _) = listener.accept()?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        clients.push(client);
        fds.push(server.into_raw_fd());
    }
    Ok((clients, fds))
}

async fn tick() {
    loop {
        glommio::timer::sleep(Duration::from_millis(TICK_MS)).await;
    }
}

/// What one shard's thread runs: the tick first, then the candidate until it is told to stop.
async fn shard(
    candidate: Candidate,
    relay: Relay<'static>,
    quantum: Duration,
    counters: &'static Counters,
) -> io::Result<()> {
    let tick = glommio::spawn_local(tick());
    counters.open(sys::ThreadClock::of_this_thread()?);
    match candidate {
        Candidate::A => glommio_stream::serve(relay).await,
        Candidate::B => epoll::serve_parked_by_executor(relay).await?,
        Candidate::B2 => epoll::serve_parked_by_itself(relay, None).await?,
        Candidate::B2q => epoll::serve_parked_by_itself(relay, Some(quantum)).await?,
        Candidate::C1 => ring::serve_parked_by_itself(relay, Sending::Direct, None).await?,
        Candidate::C1q => ring::serve_parked_by_itself(relay, Sending::Direct, Some(quantum)).await?,
        Candidate::C2 => ring::serve_parked_by_itself(relay, Sending::Ring, None).await?,
        Candidate::C2q => ring::serve_parked_by_itself(relay, Sending::Ring, Some(quantum)).await?,
        Candidate::C3 => ring::serve_parked_by_executor(relay, Sending::Direct).await?,
    }
    tick.cancel().await;
    Ok(())
}

fn run(candidate: Candidate, workload: Workload, arguments: &Arguments) -> io::Result<Sample> {
    // Leaked on purpose: the shard's thread and the generator share it, and a bench ends soon.
    let counters: &'static Counters = Box::leak(Box::default());
    let (clients, fds) = connect(workload.connections())?;
    let load = workload.load(arguments);
    let quantum = Duration::from_micros(arguments.quantum_us);
    let server_fds = fds.clone();
    let server = LocalExecutorBuilder::new(Placement::Fixed(arguments.shard_cpu))
        .name("shard")
        .io_memory(64 << 10)
        .preempt_timer(Duration::from_millis(5))
        .spawn(move || async move {
            let relay = Relay::new(workload.fanout(), load.frame_bytes, &server_fds, counters);
            shard(candidate, relay, quantum, counters).await
        })
        .map_err(|error| io::Error::other(error.to_string()))?;
    let generator_cpu = arguments.generator_cpu;
    let generator = std::thread::spawn(move || {
        sys::pin_to_cpu(generator_cpu)?;
        generator::drive(clients, load, counters)
    });
    let sample = generator
        .join()
        .map_err(|_| io::Error::other("the generator panicked"))?;
    server.join().map_err(|error| io::Error::other(error.to_string()))??;
    if candidate != Candidate::A {
        for fd in fds {
            // SAFETY: these came from `into_raw_fd`, and the shard that used them has ended. The streams of A close their own.
            unsafe { libc::close(fd) };
        }
    }
    sample
}

/// Runs until other programs have left the two CPUs alone, or the retries are used up.
fn run_undisturbed(candidate: Candidate, workload: Workload, arguments: &Arguments) -> io::Result<Sample> {
    let mut best = run(candidate, workload, arguments)?;
    for _ in 0..arguments.retries {
        if best.waited_ns as f64 * 100.0 <= best.window_ns as f64 * arguments.disturbed_percent {
            break;
        }
        let sample = run(candidate, workload, arguments)?;
        if sample.waited_ns < best.waited_ns {
            best = sample;
        }
    }
    Ok(best)
}

/// The figures of one run.
struct Figures {
    cpu_us: f64,
    entries: f64,
    per_send: f64,
    p50_us: f64,
    p99_us: f64,
    per_second: f64,
    waited_percent: f64,
}

impl Figures {
    fn of(sample: &Sample, frame_bytes: usize) -> io::Result<Self> {
        let deliveries = (sample.after.sent_bytes - sample.before.sent_bytes) as f64 / frame_bytes as f64;
        if deliveries < 1.0 || sample.received == 0 {
            return Err(io::Error::other("nothing was delivered within the window"));
        }
        let quantile = |q: f64| {
            let last = sample.latencies_ns.len() - 1;
            f64::from(sample.latencies_ns[(last as f64 * q).round() as usize]) / 1e3
        };
        Ok(Self {
            cpu_us: sample.shard_cpu_ns as f64 / 1e3 / deliveries,
            entries: (sample.after.kernel_entries - sample.before.kernel_entries) as f64 / deliveries,
            per_send: deliveries / (sample.after.sends - sample.before.sends) as f64,
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            per_second: sample.received as f64 * 1e9 / sample.window_ns as f64,
            waited_percent: sample.waited_ns as f64 * 100.0 / sample.window_ns as f64,
        })
    }
}

/// Median, smallest and largest of one figure over the rounds.
fn spread(rounds: &[Figures], figure: impl Fn(&Figures) -> f64) -> (f64, f64, f64) {
    let mut values: Vec<f64> = rounds.iter().map(figure).collect();
    values.sort_unstable_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}

fn print_table(workload: Workload, rows: &[(Candidate, Vec<Figures>)]) {
    println!("\n{}\n", workload.name());
    println!(
        "| candidate | CPU µs/delivery (min–max) | kernel entries/delivery | deliveries/send | p50 µs | p99 µs (min–max) | deliveries/s | waited for CPU, % |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (candidate, rounds) in rows.iter().filter(|(_, rounds)| !rounds.is_empty()) {
        let (cpu, cpu_min, cpu_max) = spread(rounds, |figures| figures.cpu_us);
        let (p99, p99_min, p99_max) = spread(rounds, |figures| figures.p99_us);
        let median = |figure: fn(&Figures) -> f64| spread(rounds, figure).0;
        println!(
            "| {} | {cpu:.2} ({cpu_min:.2}–{cpu_max:.2}) | {}{:.2} | {:.2} | {:.0} | {p99:.0} ({p99_min:.0}–{p99_max:.0}) | {:.0} | {:.1} |",
            candidate.name(),
            if candidate.counts_all_entries() { "" } else { "> " },
            median(|figures| figures.entries),
            median(|figures| figures.per_send),
            median(|figures| figures.p50_us),
            median(|figures| figures.per_second),
            median(|figures| figures.waited_percent),
        );
    }
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let mut tables: Vec<Vec<(Candidate, Vec<Figures>)>> = arguments
        .workloads
        .iter()
        .map(|_| {
            arguments
                .candidates
                .iter()
                .map(|&candidate| (candidate, Vec::new()))
                .collect()
        })
        .collect();
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        for (&workload, rows) in arguments.workloads.iter().zip(&mut tables) {
            let frame_bytes = workload.load(&arguments).frame_bytes;
            for (candidate, rounds) in rows {
                match run_undisturbed(*candidate, workload, &arguments)
                    .and_then(|sample| Figures::of(&sample, frame_bytes))
                {
                    Ok(figures) => rounds.push(figures),
                    Err(error) => eprintln!("{}, {}: {error}; run left out", candidate.name(), workload.name()),
                }
            }
        }
    }
    for (&workload, rows) in arguments.workloads.iter().zip(&tables) {
        print_table(workload, rows);
    }
    Ok(())
}
