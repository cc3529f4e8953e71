//! The machine: shards, pipes, clock and schedule.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use signal_fish_relay::net::conversation::{self, inbound_limits};
use signal_fish_relay::net::websocket::{Inbound, InboundLimits};
use signal_fish_relay::protocol::{ErrorCode, ProtocolVersion, WallTime};
use signal_fish_relay::room::MemberRef;
use signal_fish_relay::session::Arrival;
use signal_fish_relay::shard::{
    AfterSend, Flow, Inbox, InboxSender, Letter, Now, Priority, Shard, ShardId, SlotKey, Transfer, Wake, World, inbox,
};

use super::frames::Frame;
use super::peer::Peer;
use super::pipe::{ClientEnd, Link, Pipe};
use super::schedule::Schedule;
use super::setup::Setup;

/// Which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub usize);

/// Nobody sleeps in a simulation.
struct NoSleep;

impl Wake for NoSleep {
    fn wake(&self) {}
}

/// What shards send each other.
enum Mail {
    Transfer(Box<Transfer<Link>>),
    Letter(Letter),
}

/// A shard with what its pump would hold.
struct Core {
    shard: Shard<Link>,
    inbox: Inbox<Mail>,
    /// Connections that are watched here.
    watched: Vec<MemberRef>,
    /// Those that wait for room to write.
    full: Vec<MemberRef>,
    /// Those whose bytes wait because their room has used up its share of a turn.
    suspended: Vec<MemberRef>,
    /// Whether anything happened since the last turn that was not lazy.
    is_touched: bool,
}

/// Several shards in memory, and their clients.
pub struct Simulation {
    seed: u64,
    pub schedule: Schedule,
    pub world: Arc<World>,
    cores: Vec<Core>,
    senders: Vec<InboxSender<Mail>>,
    in_flight: usize,
    letters_in_flight: usize,
    pub peers: Vec<Peer>,
    limits: InboundLimits,
    pipe_bytes: usize,
    mono_ms: u64,
    /// While set, no inbox is emptied: who hops stays between two shards.
    pub holds_transfers: bool,
    /// A shard that gets no turn.
    pub pauses: Option<u16>,
    /// How often a connection's bytes had to wait for another turn.
    pub suspensions: u64,
    said: Vec<String>,
}

/// More steps than any scenario needs; beyond it the run will not come to rest.
const MAX_STEPS: usize = 2_000_000;

impl Simulation {
    pub fn new(setup: Setup) -> Self {
        let mut schedule = Schedule::new(setup.seed);
        let limits = inbound_limits(&setup.settings);
        let world = World::new(setup.settings, setup.limits, setup.shards, SlotKey::new([7; 16]));
        let mut simulation = Self {
            seed: setup.seed,
            world,
            cores: Vec::new(),
            senders: Vec::new(),
            in_flight: 0,
            letters_in_flight: 0,
            peers: Vec::new(),
            limits,
            pipe_bytes: setup.pipe_bytes,
            mono_ms: 1_000,
            holds_transfers: false,
            pauses: None,
            suspensions: 0,
            said: Vec::new(),
            schedule: Schedule::new(setup.seed.rotate_left(17)),
        };
        for number in 0..setup.shards {
            let (sender, inbox) = inbox(setup.inbox, Box::new(NoSleep));
            let now = simulation.now();
            simulation.senders.push(sender);
            simulation.cores.push(Core {
                shard: Shard::new(ShardId(number), Arc::clone(&simulation.world), schedule.seed(), now),
                inbox,
                watched: Vec::new(),
                full: Vec::new(),
                suspended: Vec::new(),
                is_touched: false,
            });
        }
        simulation
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub fn now(&self) -> Now {
        Now {
            mono_ms: self.mono_ms,
            wall: WallTime {
                unix_nanos: 1_795_397_463_000_000_000 + self.mono_ms * 1_000_000,
            },
        }
    }

    /// Notes what was said, for a failure's report.
    pub fn note(&mut self, line: String) {
        self.said.push(line);
    }

    /// A new client, upgraded on one of the shards.
    pub fn connect(&mut self, name: String, shard: Option<u16>, endpoint: ProtocolVersion) -> ClientId {
        let client = ClientId(self.peers.len());
        let pipe = Pipe::new(self.pipe_bytes);
        self.peers.push(Peer::new(name, pipe.clone()));
        let index = shard.map_or_else(|| self.schedule.below(self.cores.len()), usize::from);
        let now = self.now();
        let link = Link {
            client,
            pipe,
            inbound: Inbound::default(),
        };
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let admitted = self.world.ledger.admit_connection(address);
        let core = &mut self.cores[index];
        core.is_touched = true;
        let (permit, refusal) = match admitted {
            Ok(permit) => (Some(permit), None),
            Err(refusal) => (None, Some(refusal)),
        };
        let arrival = Arrival {
            address,
            endpoint,
            binding: None,
        };
        let at = core.shard.admit(link, arrival, permit, now);
        core.watched.push(at);
        if let Some(refusal) = refusal {
            let farewell = (&*refusal.to_string(), ErrorCode::TooManyConnections);
            core.shard.close_without_code(at, farewell, now);
        }
        client
    }

    /// Where a client's connection is, unless it is over or between two shards.
    pub fn shard_of(&self, client: ClientId) -> Option<u16> {
        self.cores
            .iter()
            .position(|core| {
                core.watched
                    .iter()
                    .any(|at| core.shard.link(*at).is_some_and(|link| link.client == client))
            })
            .map(|index| index as u16)
    }

    /// The sum of one count over all shards.
    pub fn count(&self, name: &str) -> u64 {
        let of_shard = |number| {
            let mut counts = self
                .world
                .counters(ShardId(number))
                .each()
                .filter(|(known, ..)| *known == name);
            counts.next().unwrap_or_else(|| panic!("no counter is called {name}")).2
        };
        (0..self.world.shards()).map(of_shard).sum()
    }

    pub fn connections(&self) -> usize {
        self.cores.iter().map(|core| core.shard.connections()).sum::<usize>() + self.in_flight
    }

    pub fn rooms(&self) -> usize {
        self.cores.iter().map(|core| core.shard.rooms()).sum()
    }

    /// Connections between two shards.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Tells every shard that the process will stop.
    pub fn drain(&mut self, grace_ms: u64) {
        let now = self.now();
        for core in &mut self.cores {
            core.shard.announce_drain(grace_ms, now);
            core.is_touched = true;
        }
    }

    /// Stops every shard, spread over so much time.
    pub fn dismiss_within(&mut self, span_ms: u64) {
        let now = self.now();
        for core in &mut self.cores {
            core.shard.dismiss_within(span_ms, now);
            core.is_touched = true;
        }
    }

    /// Stops every shard: goodbye to everybody, flush, end.
    pub fn close_all(&mut self) {
        let now = self.now();
        for core in &mut self.cores {
            core.shard.close_all(now);
            core.is_touched = true;
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
                return;
            }
            assert!(steps < MAX_STEPS, "the run does not come to rest (seed {})", self.seed);
            self.step();
        }
    }

    /// Lets virtual time pass, deadline by deadline.
    pub fn advance_ms(&mut self, duration_ms: u64) {
        let target_ms = self.mono_ms + duration_ms;
        while self.mono_ms < target_ms {
            let deadline_ms = self
                .cores
                .iter()
                .map(|core| core.shard.next_deadline_ms())
                .min()
                .unwrap_or(target_ms);
            self.mono_ms = deadline_ms.clamp(self.mono_ms + 1, target_ms);
            let now = self.now();
            for core in &mut self.cores {
                core.shard.tick(now);
                core.is_touched = true;
            }
            self.run_until_quiet();
        }
    }

    fn is_quiet(&self) -> bool {
        let pipe_is_quiet = |core: &Core, at: &MemberRef| {
            core.shard
                .link(*at)
                .is_none_or(|link| !link.pipe.borrow().is_readable())
        };
        let full_is_quiet =
            |core: &Core, at: &MemberRef| core.shard.link(*at).is_none_or(|link| link.pipe.borrow().space() == 0);
        (self.in_flight + self.letters_in_flight == 0 || self.holds_transfers)
            && !self.peers.iter().any(Peer::has_work)
            && self.cores.iter().all(|core| {
                !core.is_touched
                    && core.suspended.is_empty()
                    && !core.shard.has_work()
                    && (!core.shard.has_letters() || self.holds_transfers)
                    && core.watched.iter().all(|at| pipe_is_quiet(core, at))
                    && core.full.iter().all(|at| full_is_quiet(core, at))
            })
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

    /// One turn of one shard, in the pump's order: read, take in, serve outposts, tick, hand over, post, send, end.
    fn turn(&mut self, index: usize) {
        if self.pauses == Some(index as u16) {
            return;
        }
        let now = self.now();
        self.cores[index].is_touched = false;
        self.cores[index].shard.begin_turn();
        self.await_room(index);
        self.resume_suspended(index, now);
        self.read_pipes(index, now);
        self.read_inbox(index, now);
        self.cores[index].shard.serve_outposts(now);
        self.resume_answered(index, now);
        while !self.cores[index].suspended.is_empty() && self.cores[index].shard.may_go_on() {
            self.resume_suspended(index, now);
        }
        self.cores[index].shard.tick(now);
        self.hand_over(index, now);
        self.post_letters(index, now);
        self.flush(index, now);
        let core = &mut self.cores[index];
        for at in core.shard.take_ended() {
            core.is_touched = true;
            drop(core.shard.remove(at, now));
        }
        core.watched.retain(|at| core.shard.link(*at).is_some());
    }

    fn await_room(&mut self, index: usize) {
        let core = &mut self.cores[index];
        let shard = &mut core.shard;
        core.full.retain(|at| {
            let has_room = shard.link(*at).is_none_or(|link| link.pipe.borrow().space() > 0);
            if has_room {
                shard.writable(*at);
            }
            !has_room
        });
    }

    fn resume_suspended(&mut self, index: usize, now: Now) {
        for at in std::mem::take(&mut self.cores[index].suspended) {
            let flow = conversation::resume(&mut self.cores[index].shard, at, self.limits, now);
            self.note_flow(index, at, flow);
        }
    }

    fn note_flow(&mut self, index: usize, at: MemberRef, flow: Flow) {
        let core = &mut self.cores[index];
        core.is_touched = true;
        if flow == Flow::Suspend && !core.shard.awaits_shard(at) {
            self.suspensions += 1;
            core.suspended.push(at);
        }
    }

    fn read_pipes(&mut self, index: usize, now: Now) {
        let core = &mut self.cores[index];
        for _ in 0..core.watched.len() {
            let at = core.watched[self.schedule.below(core.watched.len())];
            if core.suspended.contains(&at) {
                continue; // what arrived before comes first
            }
            if core.shard.awaits_shard(at) && !self.schedule.once_in(3) {
                continue; // otherwise: bytes that were received before it was known
            }
            let Some(link) = core.shard.link(at) else { continue };
            let pipe = std::rc::Rc::clone(&link.pipe);
            if !pipe.borrow().is_readable() {
                continue;
            }
            let count = self.schedule.share_of(pipe.borrow().to_server.len());
            let mut bytes: Vec<u8> = pipe.borrow_mut().to_server.drain(..count).collect();
            if !bytes.is_empty() {
                let flow = conversation::feed(&mut core.shard, at, &mut bytes, self.limits, now);
                if flow == Flow::Suspend && !core.shard.awaits_shard(at) {
                    self.suspensions += 1;
                    core.suspended.push(at);
                }
            } else if pipe.borrow().client_end != ClientEnd::Open && !core.shard.awaits_shard(at) {
                core.shard.end(at, now);
            }
            core.is_touched = true;
        }
    }

    fn read_inbox(&mut self, index: usize, now: Now) {
        while !self.holds_transfers && !self.schedule.once_in(3) {
            match self.cores[index].inbox.try_recv() {
                None => return,
                Some(Mail::Transfer(transfer)) => {
                    self.in_flight -= 1;
                    self.take_in(index, *transfer, true, now);
                }
                Some(Mail::Letter(letter)) => {
                    self.letters_in_flight -= 1;
                    let core = &mut self.cores[index];
                    core.shard.read_letter(letter, now);
                    core.is_touched = true;
                }
            }
        }
    }

    fn take_in(&mut self, index: usize, transfer: Transfer<Link>, has_arrived: bool, now: Now) {
        let core = &mut self.cores[index];
        let at = if has_arrived {
            core.shard.receive(transfer, now)
        } else {
            core.shard.take_back(transfer, now)
        };
        core.watched.push(at);
        core.is_touched = true;
        let flow = conversation::resume(&mut core.shard, at, self.limits, now);
        self.note_flow(index, at, flow);
    }

    fn hand_over(&mut self, index: usize, now: Now) {
        for at in self.cores[index].shard.take_departing() {
            self.cores[index].is_touched = true;
            let Some(transfer) = self.cores[index].shard.extract(at) else {
                continue;
            };
            let target = &self.senders[transfer.target().index()];
            match target.try_send(Priority::Bulk, Mail::Transfer(Box::new(transfer))) {
                Ok(()) => self.in_flight += 1,
                Err(Mail::Transfer(transfer)) => self.take_in(index, *transfer, false, now),
                Err(Mail::Letter(_)) => unreachable!("a transfer was sent"),
            }
        }
    }

    fn post_letters(&mut self, index: usize, now: Now) {
        while let Some(letter) = self.cores[index].shard.next_letter(now) {
            self.cores[index].is_touched = true;
            let target = &self.senders[letter.target().index()];
            let priority = letter.priority();
            match target.try_send(priority, Mail::Letter(letter)) {
                Ok(()) => self.letters_in_flight += 1,
                Err(Mail::Letter(letter)) => self.cores[index].shard.take_back_letter(letter, now),
                Err(Mail::Transfer(_)) => unreachable!("a letter was sent"),
            }
        }
    }

    fn resume_answered(&mut self, index: usize, now: Now) {
        for at in self.cores[index].shard.take_resumed() {
            let flow = conversation::resume(&mut self.cores[index].shard, at, self.limits, now);
            self.note_flow(index, at, flow);
        }
    }

    fn flush(&mut self, index: usize, now: Now) {
        let core = &mut self.cores[index];
        let mut dirty = Vec::new();
        core.shard.take_dirty(&mut dirty);
        for at in dirty {
            while let Some((link, bytes)) = core.shard.unsent(at, now) {
                // A pipe without bounds takes all at once, always.
                let is_bounded = link.pipe.borrow().capacity_bytes < usize::MAX;
                let most = if is_bounded {
                    self.schedule.share_of(bytes.len())
                } else {
                    bytes.len()
                };
                let outcome = link.pipe.borrow_mut().send(bytes, most);
                core.is_touched = true;
                match core.shard.sent(at, outcome, now) {
                    AfterSend::SendMore => continue,
                    AfterSend::Nothing => {}
                    AfterSend::AwaitWritable => core.full.push(at),
                    AfterSend::FinishSending => {
                        if let Some(link) = core.shard.link(at) {
                            link.pipe.borrow_mut().server_finished = true;
                        }
                    }
                    AfterSend::Remove => core.shard.end(at, now),
                }
                break;
            }
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
            self.mono_ms,
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
