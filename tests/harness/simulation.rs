//! The machine: shards under the server's own loop, pipes, clock and schedule.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use signal_fish_relay::auth::token_binding::BindingTerms;
use signal_fish_relay::config::Config;
use signal_fish_relay::net::{Channel, FrontDesk, Link, Mail, Peers, Pump, PumpParts, PumpSettings, TurnWindows};
use signal_fish_relay::protocol::{CertificateFingerprint, ProtocolVersion};
use signal_fish_relay::server::site;
use signal_fish_relay::session::{Arrival, ClientAddress, NoVerdict, Verdict};
use signal_fish_relay::shard::{
    BackendAnswer, Inbox, InboxLimits, InboxSender, Now, Priority, Shard, ShardId, SlotKey, Ticket, Wake, World, inbox,
};

use super::allocator::live_bytes;
use super::backend::Backend;
use super::frames::Frame;
use super::kernel::{Pipes, TurnCount, VirtualClock};
use super::peer::Peer;
use super::pipe::{Pipe, Plug};
use super::schedule::Schedule;
use super::setup::Setup;
use super::tls::TlsEnd;

/// Which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub usize);

/// Nobody sleeps in a simulation.
struct NoSleep;

impl Wake for NoSleep {
    fn wake(&self) {}
}

/// A shard's loop, and the post on its way to it.
struct Core {
    pump: Pump<Pipes>,
    /// What other shards have sent it: bounded as its inbox is, and brought there when the schedule says so.
    post: Inbox<Mail<Plug>>,
    to_pump: InboxSender<Mail<Plug>>,
    /// Whether something was done to it that no edge tells of.
    is_touched: bool,
}

impl Core {
    fn shard(&mut self) -> &mut Shard<Link<Plug>> {
        self.is_touched = true;
        self.pump.shard_mut()
    }

    fn queued_bytes(&self) -> u64 {
        self.pump.shard().queued_bytes()
    }

    /// After a turn everybody was offered what waits: more than the cap waits for nobody who is not being closed.
    fn check_what_waits(&mut self, cap_bytes: usize, seed: u64) {
        let connections: Vec<_> = self.pump.kernel_mut().connections().collect();
        for at in connections {
            let shard = self.pump.shard();
            let Some(outbox) = shard.outbox(at).filter(|outbox| outbox.unsent_frames() > 1) else {
                continue;
            };
            let (waiting, held) = (outbox.unsent_bytes(), outbox.weight_bytes());
            let is_bounded = waiting <= cap_bytes + BEYOND_CAP_BYTES && held <= cap_bytes + MOST_BEYOND_BYTES;
            assert!(
                is_bounded || shard.is_closing(at),
                "{waiting} bytes wait for {at:?} and {held} are held, of {cap_bytes} (seed {seed})"
            );
        }
    }

    fn is_quiet(&mut self, holds_transfers: bool) -> bool {
        !self.is_touched
            && (holds_transfers || self.post.is_empty())
            && !self.pump.has_mail()
            && !self.pump.has_work()
            && (holds_transfers || !self.pump.shard().has_shard_messages())
            && !self.pump.kernel_mut().has_edges()
    }
}

/// Several shards in memory, and their clients.
pub struct Simulation {
    seed: u64,
    pub schedule: Schedule,
    pipe_schedule: Rc<RefCell<Schedule>>,
    turns: TurnCount,
    pub world: Arc<World>,
    cores: Vec<Core>,
    shards: Peers<Plug>,
    /// The game's backend.
    pub backend: Arc<Backend>,
    pub peers: Vec<Peer>,
    pipe_bytes: usize,
    speaks_tls: bool,
    clock: VirtualClock,
    /// While set, no inbox is emptied: who hops stays between two shards.
    pub holds_transfers: bool,
    /// A shard that gets no turn.
    pub pauses: Option<u16>,
    /// The address of the clients that connect from now on.
    pub arrives_from: IpAddr,
    /// On what terms they are bound.
    pub arrives_bound: Option<BindingTerms>,
    /// The certificate that they show.
    pub arrives_with: Option<CertificateFingerprint>,
    said: Vec<String>,
}

/// More steps than any scenario needs; beyond it the run will not come to rest.
const MAX_STEPS: usize = 2_000_000;

/// By how much a turn may add to what is held: outboxes take 8 MiB and what they grow by, and tables and queues grow.
const MOST_GROWN_BYTES: isize = 24 << 20;

/// What a room may put into outboxes in a turn: its share, and one message more to everybody, whatever its size.
const MOST_QUEUED_BYTES: u64 = 16 << 20;

/// What may wait beyond the cap for a connection that was offered it: reports, pings and farewells of a moment.
const BEYOND_CAP_BYTES: usize = 16 << 10;

/// What an outbox may hold beyond its cap: what a room may add to it before it is offered and judged.
const MOST_BEYOND_BYTES: usize = 320 << 10;

/// Places of the inbox that the loop itself empties; what may be refused is refused before it.
const OPEN_INBOX: InboxLimits = InboxLimits {
    bulk: 512,
    reserve: 512,
};

impl Simulation {
    pub fn new(setup: Setup) -> Self {
        let mut schedule = Schedule::new(setup.seed);
        let world = World::new(setup.settings, setup.limits, setup.shards, SlotKey::new([7; 16]));
        let site = Arc::new(site(&Config::default(), Arc::clone(&world)));
        let clock = VirtualClock::at(1_000);
        let turns = TurnCount::default();
        let pipe_schedule = Rc::new(RefCell::new(Schedule::new(setup.seed.rotate_left(31))));
        let (senders, posts): (Vec<_>, Vec<_>) =
            (0..setup.shards).map(|_| inbox(setup.inbox, Box::new(NoSleep))).unzip();
        let peers: Peers<Plug> = senders.into();
        let backend = Arc::new(Backend::default());
        let cores = posts.into_iter().enumerate().map(|(number, post)| {
            let (to_pump, inbox) = inbox(OPEN_INBOX, Box::new(NoSleep));
            let shard = Shard::new(ShardId(number as u16), Arc::clone(&world), schedule.seed(), clock.now());
            let pump = Pump::new(PumpParts {
                shard,
                kernel: Pipes::new(clock.clone(), Rc::clone(&pipe_schedule), Rc::clone(&turns)),
                site: Arc::clone(&site),
                desk: Arc::clone(&backend) as Arc<dyn FrontDesk<Plug>>,
                greeter: None,
                inbox,
                peers: Arc::clone(&peers),
                settings: PumpSettings {
                    tick: Duration::ZERO,
                    turn_windows: TurnWindows::NEVER,
                    standstill: setup.standstill,
                    upgrade_timeout: Duration::from_secs(10),
                    max_pending_upgrades: 64,
                    max_farewells: 64,
                    drain_grace: Duration::ZERO,
                    drain_spread: Duration::ZERO,
                    flush_timeout: Duration::ZERO,
                },
            });
            Core {
                pump,
                post,
                to_pump,
                is_touched: false,
            }
        });
        Self {
            cores: cores.collect(),
            shards: peers,
            backend,
            seed: setup.seed,
            world,
            peers: Vec::new(),
            pipe_bytes: setup.pipe_bytes,
            speaks_tls: setup.speaks_tls,
            clock,
            holds_transfers: false,
            pauses: None,
            arrives_from: IpAddr::V4(Ipv4Addr::LOCALHOST),
            arrives_bound: None,
            arrives_with: None,
            said: Vec::new(),
            schedule: Schedule::new(setup.seed.rotate_left(17)),
            pipe_schedule,
            turns,
        }
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// Notes what was said, for a failure's report.
    pub fn note(&mut self, line: String) {
        self.said.push(line);
    }

    /// A new client, upgraded on one of the shards.
    pub fn connect(&mut self, name: String, shard: Option<u16>, endpoint: ProtocolVersion) -> ClientId {
        let client = ClientId(self.peers.len());
        let pipe = Pipe::new(self.pipe_bytes);
        let ends = (self.speaks_tls && client.0.is_multiple_of(2)).then(TlsEnd::pair);
        let (theirs, ours) = ends.unzip();
        self.peers.push(Peer::new(name, pipe.clone(), theirs));
        let index = shard.map_or_else(|| self.schedule.below(self.cores.len()), usize::from);
        let now = self.now();
        let core = &mut self.cores[index];
        let plug = Plug {
            client,
            pipe,
            schedule: Rc::clone(&self.pipe_schedule),
            turns: Rc::clone(&self.turns),
            read_in_turn: Cell::new(0),
        };
        let arrival = Arrival {
            request_id: uuid::Uuid::nil(),
            address: ClientAddress::own(self.arrives_from),
            endpoint,
            binding: self.arrives_bound,
            certificate: self.arrives_with,
        };
        core.is_touched = true;
        core.pump
            .admit(Channel::after_handshake(plug, ours), arrival, &mut [], now);
        client
    }

    /// Where a client's connection is, unless it is over or between two shards.
    pub fn shard_of(&mut self, client: ClientId) -> Option<u16> {
        self.cores
            .iter_mut()
            .position(|core| core.pump.kernel_mut().holds(client))
            .map(|index| index as u16)
    }

    /// The sum of one count over all shards, as the shards count it: by its exported name, or of drops by `queue/reason`.
    pub fn count(&self, name: &str) -> u64 {
        let of_shard = |number| {
            let counters = self.world.counters(ShardId(number));
            let shown = counters
                .shown()
                .filter(|shown| shown.name == name)
                .map(|shown| shown.count);
            let drops = counters
                .drops()
                .filter(|drops| format!("{}/{}", drops.queue, drops.reason) == name)
                .map(|drops| drops.count);
            let mut counts = shown.chain(drops);
            counts.next().unwrap_or_else(|| panic!("no counter is called {name}"))
        };
        (0..self.world.shards()).map(of_shard).sum()
    }

    /// Connections that the server holds, between two shards or on one.
    pub fn connections(&self) -> usize {
        let is_held = |peer: &&Peer| !peer.pipe.borrow().server_closed;
        self.peers.iter().filter(is_held).count()
    }

    pub fn rooms(&self) -> usize {
        self.cores.iter().map(|core| core.pump.shard().rooms()).sum()
    }

    /// Connections between two shards.
    pub fn in_flight(&self) -> usize {
        let at_home: usize = self.cores.iter().map(|core| core.pump.shard().connections()).sum();
        self.connections() - at_home
    }

    /// Has the backend say what it says to a question.
    pub fn answer(&mut self, ticket: Ticket, verdict: Result<Verdict, NoVerdict>) {
        assert!(self.try_answer(ticket, verdict), "the inbox has room");
    }

    /// The same, unless the inbox is full.
    pub fn try_answer(&mut self, ticket: Ticket, verdict: Result<Verdict, NoVerdict>) -> bool {
        let answer = BackendAnswer::fresh(ticket, verdict);
        let sent = self.shards[ticket.shard.index()].try_send(Priority::Answer, Mail::Backend(Box::new(answer)));
        sent.is_ok()
    }

    /// Tells every shard that the process will stop.
    pub fn drain(&mut self, grace_ms: u64) {
        let now = self.now();
        for core in &mut self.cores {
            core.shard().announce_drain(grace_ms, now);
        }
    }

    /// Stops every shard, spread over so much time.
    pub fn dismiss_within(&mut self, span_ms: u64) {
        let now = self.now();
        for core in &mut self.cores {
            core.shard().dismiss_within(span_ms, now);
        }
    }

    /// Stops every shard: goodbye to everybody, flush, end.
    pub fn close_all(&mut self) {
        let now = self.now();
        for core in &mut self.cores {
            core.shard().close_all(now);
        }
    }

    /// One step: a turn of some shard, or a read of some client.
    pub fn step(&mut self) {
        let chosen = self.schedule.below(self.cores.len() * 2 + self.peers.len());
        if chosen < self.cores.len() * 2 {
            self.turn(chosen % self.cores.len());
        } else {
            self.let_read(chosen - self.cores.len() * 2);
        }
    }

    /// Lets everybody who gets turns do something, not everything.
    pub fn run_a_while(&mut self) {
        for _ in 0..8 * (self.cores.len() * 2 + self.peers.len()) {
            self.step();
        }
    }

    /// Steps until nothing is left to do at this moment.
    pub fn run_until_quiet(&mut self) {
        for steps in 0.. {
            // Looking costs more than a step that does nothing.
            if steps % 8 == 0 && self.is_quiet() {
                self.check_nothing_is_stuck();
                return;
            }
            assert!(steps < MAX_STEPS, "the run does not come to rest (seed {})", self.seed);
            self.step();
        }
    }

    /// Lets virtual time pass, deadline by deadline.
    pub fn advance_ms(&mut self, duration_ms: u64) {
        let target_ms = self.clock.mono_ms() + duration_ms;
        while self.clock.mono_ms() < target_ms {
            let next_ms = |core: &Core| core.pump.shard().next_deadline_ms();
            let deadline_ms = self.cores.iter().map(next_ms).min().unwrap_or(target_ms);
            self.clock.set(deadline_ms.clamp(self.clock.mono_ms() + 1, target_ms));
            self.cores.iter_mut().for_each(|core| core.is_touched = true);
            self.run_until_quiet();
        }
    }

    /// Lets virtual time pass in which no shard gets a turn; clients that read do so.
    pub fn stand_still_ms(&mut self, duration_ms: u64) {
        self.clock.set(self.clock.mono_ms() + duration_ms);
        for index in 0..self.peers.len() {
            while self.peers[index].has_work() && !self.peers[index].pipe.borrow().to_client.is_empty() {
                self.let_read(index);
            }
        }
        self.cores.iter_mut().for_each(|core| core.is_touched = true);
    }

    fn is_quiet(&mut self) -> bool {
        let (holds, pauses) = (self.holds_transfers, self.pauses);
        !self.peers.iter().any(Peer::has_work)
            && self
                .cores
                .iter_mut()
                .enumerate()
                .all(|(number, core)| pauses == Some(number as u16) || core.is_quiet(holds))
    }

    /// Bytes that arrived and that no edge and no line will bring to be read.
    fn check_nothing_is_stuck(&mut self) {
        if self.holds_transfers || self.pauses.is_some() {
            return;
        }
        for core in &mut self.cores {
            let awaits_backend = self.backend.was_asked();
            let waiting: Vec<_> = core.pump.kernel_mut().connections().collect();
            let waiting: Vec<_> = waiting
                .into_iter()
                .filter(|at| awaits_backend && core.pump.shard().awaits_shard(*at))
                .collect();
            let stuck = core.pump.kernel_mut().stuck(|at| waiting.contains(&at));
            let is_paced = core.pump.holds_back();
            assert!(
                stuck.is_none() || is_paced,
                "bytes of {stuck:?} were forgotten (seed {})",
                self.seed
            );
        }
    }

    fn let_read(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        if !peer.has_work() {
            return;
        }
        for frame in peer.read(&mut self.schedule) {
            let line = match &frame {
                Frame::Text(value) => format!("{} < {value}", peer.name),
                other => format!("{} < {other:?}", peer.name),
            };
            self.said.push(line);
        }
    }

    /// One turn of one shard: the server's own.
    fn turn(&mut self, index: usize) {
        if self.pauses == Some(index as u16) {
            return;
        }
        self.bring_post(index);
        let core = &mut self.cores[index];
        core.is_touched = false;
        let (held_before, queued_before) = (live_bytes(), core.queued_bytes());
        let turned = core.pump.turn().expect("pipes can always wait");
        let grown = live_bytes() - held_before;
        assert!(
            grown < MOST_GROWN_BYTES,
            "{grown} bytes more are held after one turn (seed {})",
            self.seed
        );
        let queued = core.queued_bytes() - queued_before;
        let rooms = 1 + core.pump.shard().rooms() as u64;
        assert!(
            queued < rooms * MOST_QUEUED_BYTES,
            "{queued} bytes were queued in one turn by {rooms} rooms (seed {})",
            self.seed
        );
        core.check_what_waits(self.world.settings.outbox.max_bytes, self.seed);
        // One that could not judge yet has to look again.
        core.is_touched = !turned.ticked;
    }

    fn bring_post(&mut self, index: usize) {
        while !self.holds_transfers && !self.schedule.once_in(3) {
            let core = &mut self.cores[index];
            let Some(mail) = core.post.try_recv() else { return };
            let sent = core.to_pump.try_send(Priority::Control, mail);
            assert!(sent.is_ok(), "the loop empties its inbox every turn");
        }
    }

    /// Everything that was said.
    pub fn said(&self) -> &[String] {
        &self.said
    }

    /// What was said last, for a failure's report.
    pub fn report(&self) -> String {
        let shown = self.said.len().saturating_sub(40);
        format!(
            "seed {}, {} shards, {} ms\n{}",
            self.seed,
            self.cores.len(),
            self.clock.mono_ms(),
            self.said[shown..].join("\n")
        )
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the run, its last lines ---\n{}", self.report());
        }
    }
}
