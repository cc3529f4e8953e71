//! `storm`: many parties create, join and leave rooms at once.
//!
//! A party is four connections. One creates a room, the other three join it together, then all four leave; the next time
//! another one creates, so that the budgets of all are charged alike.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail, ensure};
use hdrhistogram::Histogram;

use crate::cli::{StormArguments, Threads};
use crate::client::connection::{Opening, Sink};
use crate::client::desk::{Desk, Wait};
use crate::client::frame::Opcode;
use crate::client::handshake::{self, Answer};
use crate::client::refusal;
use crate::client::sockets::Sockets;
use crate::clock::Clock;
use crate::encoding::Encoding;
use crate::expect;
use crate::first_contact;
use crate::group::Group;
use crate::histogram::latency_histogram;
use crate::interruption;
use crate::random::Random;
use crate::report::{self, StormFindings, StormReport, Verdict};
use crate::scenario::Scenario;
use crate::server_figures::ServerProcess;
use crate::sys;
use crate::version::Version;
use crate::vigil::Vigil;
use crate::watch::Watch;

const PARTY: usize = 4;
/// Longest time without any step forward.
const PATIENCE_NS: u64 = 15_000_000_000;
const SLEEP: Duration = Duration::from_millis(5);
/// Rooms that are created under one game name: servers cap them, and empty ones count for a while.
const CYCLES_PER_GAME: u64 = 500;
/// What a server tells about others; nothing to do.
const NOTICES: [&[u8]; 4] = [
    br#"{"type":"PlayerJoined""#,
    br#"{"type":"PlayerLeft""#,
    br#"{"type":"LobbyStateChanged""#,
    br#"{"type":"AuthorityChanged""#,
];

/// Runs the storm and prints its report.
pub(crate) fn execute(arguments: &StormArguments) -> Result<Verdict> {
    ensure!(
        arguments.parties >= 1 && arguments.cycles >= 1,
        "--parties and --cycles must be at least 1"
    );
    ensure!(
        arguments.rate.is_none_or(|rate| rate.is_finite() && rate > 0.0),
        "--rate must be above 0"
    );
    expect::check(&arguments.expect.expect, &["create", "join", "leave"])?;
    let generator = &arguments.generator;
    ensure!(
        matches!(generator.threads, Threads::Auto | Threads::Exactly(1)),
        "a storm is driven by one thread"
    );
    let groups = vec![Group::plain(Encoding::Json, arguments.parties, PARTY as u32)];
    let scenario = Scenario::new(&arguments.target.url, generator, groups, true)?;
    first_contact::meet(&scenario)?;
    let process = ServerProcess::find(arguments.target.server_pid, scenario.server.address)?;
    sys::raise_file_limit().context("cannot raise the limit of open files")?;
    sys::tighten_timer_slack();

    let mut sockets = Sockets::new(scenario.io, false)?;
    let mut storm = Storm::new(&scenario, arguments);
    storm.assemble(&mut sockets)?;
    let sample = || process.and_then(|process| process.sample().ok());
    let before = sample();
    let own_before_ns = sys::thread_cpu_ns();
    let start_ns = storm.clock.now_ns();
    let mut watch = Watch::new(process, Duration::ZERO);
    watch.look(0);
    let broke_off = match storm.rage(&mut sockets, &mut watch) {
        Err(error) if error.is::<Broken>() => Some(format!("{error:#}")),
        outcome => outcome.map(|()| None)?,
    };
    watch.look(storm.clock.now_ns() - start_ns);
    let seconds = (storm.clock.now_ns() - start_ns) as f64 / 1e9;
    let generator_cpu_ns = sys::thread_cpu_ns() - own_before_ns;
    let after = sample();
    sockets.say_goodbye();
    let usage = match (process, before, after) {
        (Some(process), Some(before), Some(after)) => Some(process.usage(&before, &after)),
        _ => None,
    };
    let findings = StormFindings {
        parties: arguments.parties,
        cycles: storm.cycles_done,
        cycle_ends_ns: storm.cycle_ends_ns,
        uses: watch.uses(),
        seconds,
        create_ns: storm.create_ns,
        join_ns: storm.join_ns,
        leave_ns: storm.leave_ns,
        usage,
        generator_cpu_ns,
        spin: generator.spin,
        broke_off,
    };
    let report = StormReport::new(&arguments.target.url, findings).judged_by(&arguments.expect.expect)?;
    report::publish(&report, generator)
}

/// The server did not go on as it must. What it did until then is worth a report, unlike that of one that refuses.
#[derive(Debug)]
struct Broken(String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Upgrading,
    Authenticating,
    AwaitingInfo,
    Idle,
    Creating,
    Joining,
    Joined,
    Leaving,
}

#[derive(Clone, Copy)]
struct Member {
    stage: Stage,
    /// When its last request was made.
    asked_ns: u64,
}

#[derive(Default, Clone)]
struct Party {
    cycle: u64,
    game: String,
    /// Members that have joined, then members that have left.
    inside: usize,
    busy: bool,
    next_start_ns: u64,
}

/// The state of all parties.
struct Storm<'a> {
    scenario: &'a Scenario,
    clock: Clock,
    cycles: u64,
    /// Between the starts of one party; 0 begins the next cycle at once.
    period_ns: u64,
    spin: bool,
    members: Vec<Member>,
    parties: Vec<Party>,
    current: usize,
    now_ns: u64,
    outgoing: Vec<(usize, String)>,
    ready: usize,
    steps: u64,
    cycles_done: u64,
    /// When the cycles began.
    start_ns: u64,
    /// When each of them was over, since then.
    cycle_ends_ns: Vec<u64>,
    create_ns: Histogram<u64>,
    join_ns: Histogram<u64>,
    leave_ns: Histogram<u64>,
    failure: Option<Error>,
}

impl<'a> Storm<'a> {
    fn new(scenario: &'a Scenario, arguments: &StormArguments) -> Self {
        let idle = Member {
            stage: Stage::Upgrading,
            asked_ns: 0,
        };
        let parties = arguments.parties as usize;
        Self {
            scenario,
            clock: Clock::start(),
            cycles: u64::from(arguments.cycles),
            period_ns: arguments
                .rate
                .map_or(0, |rate| (1e9 * f64::from(arguments.parties) / rate) as u64),
            spin: arguments.generator.spin,
            members: vec![idle; parties * PARTY],
            parties: vec![Party::default(); parties],
            current: 0,
            now_ns: 0,
            outgoing: Vec::new(),
            ready: 0,
            steps: 0,
            cycles_done: 0,
            start_ns: 0,
            cycle_ends_ns: Vec::new(),
            create_ns: latency_histogram(),
            join_ns: latency_histogram(),
            leave_ns: latency_histogram(),
            failure: None,
        }
    }

    /// Connects and authenticates everybody.
    fn assemble(&mut self, sockets: &mut Sockets) -> Result<()> {
        let mut random = Random::seeded(self.scenario.seed);
        let limit = self.scenario.setup_concurrency as usize;
        let mut standstill = Standstill::new(self.clock);
        while self.ready < self.members.len() {
            while sockets.len() < self.members.len() && sockets.len() - self.ready < limit {
                let opening = Opening {
                    member: sockets.len() as u32,
                    mask: (random.next_u64() as u32 | 0x0101_0101).to_be_bytes(),
                    stamped: false,
                    slow: false,
                };
                let number = sockets.open(&self.scenario.server, opening)?;
                sockets.queue(number, &handshake::upgrade_request(&self.scenario.server));
            }
            self.turn(sockets, Wait::For(SLEEP))?;
            interruption::check()?;
            standstill.expect_progress(self)?;
        }
        Ok(())
    }

    /// Lets all parties go through their cycles.
    fn rage(&mut self, sockets: &mut Sockets, watch: &mut Watch) -> Result<()> {
        let start_ns = self.clock.now_ns();
        self.start_ns = start_ns;
        let spread = self.parties.len() as u64;
        for (at, party) in self.parties.iter_mut().enumerate() {
            party.next_start_ns = start_ns + self.period_ns * at as u64 / spread;
        }
        let total = self.cycles * spread;
        let mut standstill = Standstill::new(self.clock);
        while self.cycles_done < total && !interruption::asked() {
            self.now_ns = self.clock.now_ns();
            watch.glance(self.now_ns - start_ns);
            let mut next_ns = u64::MAX;
            for party in 0..self.parties.len() {
                let Party {
                    busy,
                    cycle,
                    next_start_ns,
                    ..
                } = self.parties[party];
                if !busy && cycle < self.cycles {
                    if next_start_ns <= self.now_ns {
                        self.create(party);
                    } else {
                        next_ns = next_ns.min(next_start_ns);
                    }
                }
            }
            let wait = if self.spin || !self.outgoing.is_empty() {
                Wait::Poll
            } else {
                Wait::For(SLEEP.min(Duration::from_nanos(next_ns - self.now_ns)))
            };
            self.turn(sockets, wait)?;
            standstill.expect_progress(self)?;
        }
        Ok(())
    }

    fn turn(&mut self, sockets: &mut Sockets, wait: Wait) -> Result<()> {
        sockets.turn(wait, self)?;
        let now_ns = self.clock.now_ns();
        for (member, text) in self.outgoing.drain(..) {
            self.members[member].asked_ns = now_ns;
            sockets.queue_text(member, &text);
        }
        for number in sockets.take_ended() {
            if let Some(end) = sockets.get(number).end() {
                let stage = self.members[number].stage;
                bail!(Broken(format!("connection {number}: {end} while {stage:?}")));
            }
        }
        self.failure.take().map_or(Ok(()), Err)
    }

    fn create(&mut self, party: usize) {
        let creator = party * PARTY + (self.parties[party].cycle as usize) % PARTY;
        let number = self.cycles_done + party as u64;
        let ours = &mut self.parties[party];
        ours.busy = true;
        ours.inside = 0;
        ours.next_start_ns += self.period_ns;
        ours.game = format!("storm-{}", number / CYCLES_PER_GAME);
        let text = handshake::join_room(&ours.game, &format!("p{creator}"), PARTY as u32, None);
        self.request(creator, Stage::Creating, text);
    }

    fn request(&mut self, member: usize, stage: Stage, text: String) {
        self.members[member].stage = stage;
        self.outgoing.push((member, text));
    }

    fn take(&mut self, message: &[u8]) -> Result<()> {
        let member = self.current;
        let party = member / PARTY;
        let answer =
            handshake::read_answer(message, Encoding::Json.token()).map_err(|error| Broken(format!("{error:#}")))?;
        let took_ns = self.now_ns.saturating_sub(self.members[member].asked_ns);
        self.steps += 1;
        match (self.members[member].stage, answer) {
            (Stage::Authenticating, Answer::Authenticated) => self.members[member].stage = Stage::AwaitingInfo,
            (Stage::AwaitingInfo, Answer::ProtocolInfo(_)) => {
                self.members[member].stage = Stage::Idle;
                self.ready += 1;
            }
            (Stage::Creating, Answer::RoomJoined { room_code, .. }) => {
                self.create_ns.saturating_record(took_ns);
                self.entered(party, member);
                for other in party * PARTY..(party + 1) * PARTY {
                    if other != member {
                        let game = &self.parties[party].game;
                        let text = handshake::join_room(game, &format!("p{other}"), PARTY as u32, Some(&room_code));
                        self.request(other, Stage::Joining, text);
                    }
                }
            }
            (Stage::Joining, Answer::RoomJoined { .. }) => {
                self.join_ns.saturating_record(took_ns);
                self.entered(party, member);
                if self.parties[party].inside == PARTY {
                    for everybody in party * PARTY..(party + 1) * PARTY {
                        self.request(everybody, Stage::Leaving, r#"{"type":"LeaveRoom"}"#.to_owned());
                    }
                }
            }
            (Stage::Leaving, Answer::RoomLeft) => {
                self.leave_ns.saturating_record(took_ns);
                self.members[member].stage = Stage::Idle;
                let ours = &mut self.parties[party];
                ours.inside -= 1;
                if ours.inside == 0 {
                    ours.busy = false;
                    ours.cycle += 1;
                    self.cycles_done += 1;
                    self.cycle_ends_ns.push(self.now_ns.saturating_sub(self.start_ns));
                }
            }
            (_, Answer::Refused(why)) => bail!(refusal::explained(&why)),
            (_, Answer::Other) => {}
            (stage, answer) => bail!(Broken(format!("unexpected answer while {stage:?}: {answer:?}"))),
        }
        Ok(())
    }

    fn entered(&mut self, party: usize, member: usize) {
        self.members[member].stage = Stage::Joined;
        self.parties[party].inside += 1;
    }
}

impl Desk for Storm<'_> {
    fn turn_to(&mut self, connection: usize) {
        self.current = connection;
    }

    fn open(&mut self) {}
}

impl Sink for Storm<'_> {
    fn arrived(&mut self, _: Option<u64>) {
        self.now_ns = self.clock.now_ns();
    }

    fn upgraded(&mut self) {
        let text = handshake::authenticate(self.scenario, Encoding::Json, Version::V2, &[]);
        self.request(self.current, Stage::Authenticating, text);
        self.steps += 1;
    }

    fn message(&mut self, _: Opcode, message: &[u8]) {
        if NOTICES.iter().any(|notice| message.starts_with(notice)) || self.failure.is_some() {
            return;
        }
        if let Err(error) = self.take(message) {
            self.failure = Some(error.context(format!("connection {}", self.current)));
        }
    }
}

/// Notices a standstill.
struct Standstill {
    clock: Clock,
    vigil: Vigil,
    steps: u64,
    since_ns: u64,
}

impl Standstill {
    fn new(clock: Clock) -> Self {
        Self {
            clock,
            vigil: Vigil::begin(clock.now_ns()),
            steps: u64::MAX,
            since_ns: 0,
        }
    }

    fn expect_progress(&mut self, storm: &Storm<'_>) -> Result<()> {
        let now_ns = self.clock.now_ns();
        self.vigil.look(now_ns);
        let waits_for_its_turn = storm.parties.iter().all(|party| !party.busy) && storm.ready == storm.members.len();
        if storm.steps != self.steps || waits_for_its_turn {
            self.steps = storm.steps;
            self.since_ns = now_ns;
        } else if self.vigil.waited_ns(self.since_ns, now_ns) > PATIENCE_NS {
            let stuck = storm
                .members
                .iter()
                .position(|member| !matches!(member.stage, Stage::Idle | Stage::Joined));
            bail!(Broken(format!(
                "nothing has happened for {} s after {} cycles; connection {:?} is {:?}",
                PATIENCE_NS / 1_000_000_000,
                storm.cycles_done,
                stuck,
                stuck.map(|member| storm.members[member].stage)
            )));
        }
        Ok(())
    }
}
