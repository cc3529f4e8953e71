//! `handshakes`: opens connections and closes them again, so many at a time or a second.
//!
//! A connection that is open says so and ends its side of the stream; it counts when the server has ended the other. Only
//! then is it known that the server accepted it: in TLS 1.3 a server refuses a client's certificate after the client's last
//! word. Tickets for later sessions come in that time, too.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;

use crate::cli::HandshakesArguments;
use crate::client::connection::{End, Opening, Sink};
use crate::client::desk::{Desk, Wait};
use crate::client::frame::Opcode;
use crate::client::handshake;
use crate::client::milestones::Openings;
use crate::client::sockets::Sockets;
use crate::clock::Clock;
use crate::histogram::latency_histogram;
use crate::random::Random;
use crate::report::{self, ConnectionsReport, HandshakesFindings, HandshakesReport, Verdict};
use crate::server::Server;
use crate::server_figures::ServerProcess;
use crate::vigil::Vigil;
use crate::{expect, first_contact, interruption, sys, unit};

/// At a rate, the most that are under way.
const MOST_AT_A_RATE: u32 = 1000;
const AT_A_TIME: u32 = 16;
/// So many are spread over addresses before one is used again: ports rest for a minute after a connection.
const SPREAD_CONNECTIONS: u32 = 60_000;
const SLEEP: Duration = Duration::from_millis(5);
/// A connection that is not open by then has failed.
const OPEN_PATIENCE_NS: u64 = 10_000_000_000;
/// A server that has not ended its side by then is not waited for.
const LEAVE_PATIENCE_NS: u64 = 2_000_000_000;
const LOOK_ROUND_NS: u64 = 100_000_000;

/// Opens and closes connections, and prints what that took.
pub(crate) fn execute(arguments: &HandshakesArguments) -> Result<Verdict> {
    let generator = &arguments.generator;
    ensure!(
        arguments.rate.is_none_or(|rate| rate > 0.0 && rate <= 1e6),
        "--rate must be above 0 and at most 1,000,000"
    );
    expect::check(&arguments.expect.expect, &["connect", "handshake", "open", "upgrade"])?;
    let length = unit::seconds("--seconds", arguments.seconds)?;
    let usual = if arguments.rate.is_some() {
        MOST_AT_A_RATE
    } else {
        AT_A_TIME
    };
    let at_a_time = arguments.concurrency.unwrap_or(usual) as usize;
    ensure!(at_a_time > 0, "--concurrency must be at least 1");
    let server = Server::new(&arguments.target.url, &generator.wire, SPREAD_CONNECTIONS)?;
    drop(first_contact::reach(&server)?);
    let process = ServerProcess::find(arguments.target.server_pid, server.address)?;
    sys::raise_file_limit().context("cannot raise the limit of open files")?;
    sys::tighten_timer_slack();

    let mut doors = Doors::new(&server, arguments, at_a_time)?;
    let sample = || process.and_then(|process| process.sample().ok());
    let before = sample();
    let own_before_ns = sys::thread_cpu_ns();
    let start_ns = doors.clock.now_ns();
    doors.run(length)?;
    let seconds = (doors.clock.now_ns() - start_ns) as f64 / 1e9;
    let generator_cpu_ns = sys::thread_cpu_ns() - own_before_ns;
    let after = sample();
    let usage = match (process, before, after) {
        (Some(process), Some(before), Some(after)) => Some(process.usage(&before, &after)),
        _ => None,
    };
    let report = HandshakesReport::new(HandshakesFindings {
        server: server.url(),
        at_a_time,
        rate: arguments.rate,
        seconds,
        connections: ConnectionsReport::new(&server, &doors.openings),
        lag_ns: arguments.rate.is_some().then_some(doors.lag_ns),
        failures: doors.failures,
        usage,
        generator_cpu_ns,
        spin: generator.spin,
        openings: doors.openings,
    })
    .judged_by(&arguments.expect.expect)?;
    report::publish(&report, generator)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Free,
    Opening,
    /// It is open, and we have ended our side.
    Leaving,
}

/// The places that connections take in turn.
struct Doors<'a> {
    server: &'a Server,
    clock: Clock,
    vigil: Vigil,
    sockets: Sockets,
    random: Random,
    /// A connection is open when WebSocket is agreed on, and not before.
    upgrade: bool,
    /// At a rate: from one beginning to the next.
    period_ns: Option<f64>,
    spin: bool,
    at_a_time: usize,
    /// What each place does, and since when.
    stages: Vec<(Stage, u64)>,
    free: Vec<usize>,
    begun: u32,
    openings: Openings,
    /// How much later than due connections began.
    lag_ns: Histogram<u64>,
    failures: BTreeMap<String, u64>,
}

impl<'a> Doors<'a> {
    fn new(server: &'a Server, arguments: &HandshakesArguments, at_a_time: usize) -> Result<Self> {
        let generator = &arguments.generator;
        let clock = Clock::start();
        Ok(Self {
            server,
            clock,
            vigil: Vigil::begin(clock.now_ns()),
            sockets: Sockets::new(generator.io, false)?,
            random: Random::seeded(generator.seed),
            // In the clear there is nothing else to wait for.
            upgrade: arguments.upgrade || server.tls.is_none(),
            period_ns: arguments.rate.map(|rate| 1e9 / rate),
            spin: generator.spin,
            at_a_time,
            stages: Vec::new(),
            free: Vec::new(),
            begun: 0,
            openings: Openings::default(),
            lag_ns: latency_histogram(),
            failures: BTreeMap::new(),
        })
    }

    /// Begins connections for so long, and sees all of them to their end.
    fn run(&mut self, length: Duration) -> Result<()> {
        let start_ns = self.clock.now_ns();
        let end_ns = start_ns + length.as_nanos() as u64;
        let mut look_round_ns = start_ns + LOOK_ROUND_NS;
        let mut heard = Heard::default();
        loop {
            let now_ns = self.clock.now_ns();
            self.vigil.look(now_ns);
            let beginning = now_ns < end_ns && !interruption::asked();
            let wait = if beginning {
                self.begin(start_ns, now_ns)?
            } else {
                SLEEP
            };
            if !beginning && self.free.len() == self.stages.len() {
                return Ok(());
            }
            let wait = if self.spin || wait.is_zero() {
                Wait::Poll
            } else {
                Wait::For(wait)
            };
            self.sockets.turn(wait, &mut heard)?;
            for number in heard.of.drain(..) {
                self.leave_if_open(number);
            }
            for number in self.sockets.take_ended() {
                self.settle(number);
            }
            if now_ns > look_round_ns {
                look_round_ns = now_ns + LOOK_ROUND_NS;
                self.give_up(now_ns);
            }
        }
    }

    /// Begins what is due; tells how long nothing more is.
    fn begin(&mut self, start_ns: u64, now_ns: u64) -> Result<Duration> {
        loop {
            if let Some(period_ns) = self.period_ns {
                let due_ns = start_ns + (f64::from(self.begun) * period_ns) as u64;
                if due_ns > now_ns {
                    return Ok(SLEEP.min(Duration::from_nanos(due_ns - now_ns)));
                }
                if self.free.is_empty() && self.stages.len() == self.at_a_time {
                    return Ok(SLEEP);
                }
                self.lag_ns.saturating_record(now_ns - due_ns);
            } else if self.free.is_empty() && self.stages.len() == self.at_a_time {
                return Ok(SLEEP);
            }
            self.open(now_ns)?;
        }
    }

    fn open(&mut self, now_ns: u64) -> Result<()> {
        let opening = Opening {
            member: self.begun,
            mask: (self.random.next_u64() as u32 | 0x0101_0101).to_be_bytes(),
            stamped: false,
            slow: false,
        };
        self.begun += 1;
        let advice = "a connection cannot be opened; when addresses run out, give more --source or --source-addresses";
        let number = match self.free.pop() {
            Some(number) => {
                self.sockets.reopen(number, self.server, opening).context(advice)?;
                number
            }
            None => {
                self.stages.push((Stage::Free, 0));
                self.sockets.open(self.server, opening).context(advice)?
            }
        };
        if self.upgrade {
            self.sockets.queue(number, &handshake::upgrade_request(self.server));
        }
        self.stages[number] = (Stage::Opening, now_ns);
        Ok(())
    }

    fn leave_if_open(&mut self, number: usize) {
        let milestones = self.sockets.get(number).milestones();
        let open = if self.upgrade {
            milestones.upgraded.is_some()
        } else {
            milestones.secured.is_some()
        };
        if open && self.stages[number].0 == Stage::Opening {
            self.stages[number] = (Stage::Leaving, self.clock.now_ns());
            self.sockets.leave(number, self.upgrade);
        }
    }

    /// Counts a connection that has ended.
    fn settle(&mut self, number: usize) {
        let connection = self.sockets.get(number);
        let failure = match (self.stages[number].0, connection.end()) {
            (Stage::Free, _) | (_, None) => return,
            (Stage::Opening, Some(end)) | (Stage::Leaving, Some(end @ End::Insecure(_))) => Some(end.to_string()),
            (Stage::Leaving, Some(_)) => None,
        };
        match failure {
            Some(how) => *self.failures.entry(how).or_default() += 1,
            None => self.openings.note(connection.milestones()),
        }
        self.vacate(number);
    }

    /// Gives up those that have taken too long.
    fn give_up(&mut self, now_ns: u64) {
        for number in 0..self.stages.len() {
            let (stage, since_ns) = self.stages[number];
            let waited_ns = self.vigil.waited_ns(since_ns, now_ns);
            if stage == Stage::Opening && waited_ns > OPEN_PATIENCE_NS {
                *self.failures.entry("no answer for 10 s".to_owned()).or_default() += 1;
                self.vacate(number);
            } else if stage == Stage::Leaving && waited_ns > LEAVE_PATIENCE_NS {
                self.openings.note(self.sockets.get(number).milestones());
                self.vacate(number);
            }
        }
    }

    fn vacate(&mut self, number: usize) {
        self.stages[number].0 = Stage::Free;
        self.free.push(number);
    }
}

/// Which connections something has come on.
#[derive(Default)]
struct Heard {
    of: Vec<usize>,
}

impl Desk for Heard {
    fn turn_to(&mut self, connection: usize) {
        self.of.push(connection);
    }

    fn open(&mut self) {}
}

impl Sink for Heard {
    fn arrived(&mut self, _: Option<u64>) {}

    fn upgraded(&mut self) {}

    fn message(&mut self, _: Opcode, _: &[u8]) {}
}
