//! Shards without sockets, and a script that is played with or without a change of process in the middle.

use std::net::Ipv4Addr;
use std::sync::Arc;

use rkyv::util::AlignedVec;
use signal_fish_relay::clock::ARCHIVE_MS;
use signal_fish_relay::net::conversation;
use signal_fish_relay::net::websocket::{Inbound, InboundLimits};
use signal_fish_relay::protocol::{ProtocolVersion, WallTime};
use signal_fish_relay::room::ConnectionKey;
use signal_fish_relay::session::{Arrival, ClientAddress, Verdict};
use signal_fish_relay::shard::admission::{AdmissionLimits, Admitted};
use signal_fish_relay::shard::{
    AfterSend, BackendAnswer, FrozenShard, FrozenWorld, Incoherent, Now, Portion, SendOutcome, Settings, Shard,
    ShardId, SlotKey, World, deal,
};

pub use super::link::Link;
use super::script::positions_of;
pub use super::script::{Cut, Step, positions, sealed_positions};
use super::server::{limits, settings};
use super::wire::Names;
use crate::harness::TlsEnd;

/// How long a beat of the rig is.
pub const BEAT_MS: u64 = 10;

const INBOUND: InboundLimits = InboundLimits {
    max_message_bytes: 4096,
    max_fragments: 16,
};

/// What one client received and when, and when its connection ended.
pub type Seen = (Vec<(u64, String)>, Option<u64>);

/// What the clients saw, and what is left.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// By client. Ids are numbered in order of appearance.
    pub clients: Vec<Seen>,
    /// What the ledger holds.
    pub admitted: Admitted,
    /// Rooms on all shards.
    pub rooms: usize,
    /// Members on all shards.
    pub members: usize,
}

struct Client {
    tls: Option<TlsEnd>,
    place: Option<(usize, ConnectionKey)>,
    room: usize,
    heard: Vec<(u64, Vec<u8>)>,
    ended_at_ms: Option<u64>,
}

pub struct Rig {
    settings: Settings,
    limits: AdmissionLimits,
    world: Arc<World>,
    shards: Vec<Shard<Link>>,
    clients: Vec<Client>,
    /// What the clock of this process read at the start of the script.
    origin_ms: u64,
    elapsed_ms: u64,
    processes: u8,
    /// How the clients that connect from now on arrive, but for their addresses.
    pub arrival: Arrival,
    /// Whether clients speak TLS.
    pub speaks_tls: bool,
    /// Clients whose sockets do not survive a change of process.
    pub lost: Vec<usize>,
}

/// The same with clients that speak TLS.
pub fn play_sealed(script: &[Step], settings: &Settings, shards: u16, cut: Option<Cut>) -> Outcome {
    let mut rig = Rig::new(settings.clone(), limits(), shards);
    rig.speaks_tls = true;
    rig.play(script, cut);
    rig.outcome()
}

/// Plays a script from the start to the end.
pub fn play(script: &[Step], settings: &Settings, shards: u16, cut: Option<Cut>) -> Outcome {
    let mut rig = Rig::new(settings.clone(), limits(), shards);
    rig.play(script, cut);
    rig.outcome()
}

impl Rig {
    pub fn new(settings: Settings, limits: AdmissionLimits, shards: u16) -> Self {
        Self::in_world(settings, limits, shards, [9; 16])
    }

    /// A process that has no archive of the world it is to go on with.
    pub fn with_slot_key(key: [u8; 16]) -> Self {
        Self::in_world(settings(), limits(), 1, key)
    }

    fn in_world(settings: Settings, limits: AdmissionLimits, shards: u16, key: [u8; 16]) -> Self {
        let world = World::new(settings.clone(), limits.clone(), shards, SlotKey::new(key));
        let mut rig = Self {
            settings,
            limits,
            world: Arc::clone(&world),
            shards: Vec::new(),
            clients: Vec::new(),
            origin_ms: ARCHIVE_MS + 7_777_777,
            elapsed_ms: 0,
            processes: 0,
            arrival: Arrival {
                request_id: uuid::Uuid::nil(),
                address: ClientAddress::own(Ipv4Addr::UNSPECIFIED.into()),
                endpoint: ProtocolVersion::V2,
                binding: None,
                certificate: None,
            },
            speaks_tls: false,
            lost: Vec::new(),
        };
        rig.start(world);
        rig
    }

    /// What the next process admits.
    pub fn set_limits(&mut self, limits: AdmissionLimits) {
        self.limits = limits;
    }

    fn start(&mut self, world: Arc<World>) {
        self.processes += 1;
        let now = self.now();
        self.shards = (0..world.shards())
            .map(|number| {
                let seed = [self.processes * 16 + number as u8; 32];
                Shard::new(ShardId(number), Arc::clone(&world), seed, now)
            })
            .collect();
        self.world = world;
    }

    fn now(&self) -> Now {
        Now {
            mono_ms: self.origin_ms + self.elapsed_ms,
            mono_us: (self.origin_ms + self.elapsed_ms) * 1_000,
            wall: WallTime {
                unix_nanos: 1_790_000_000_000_000_000 + self.elapsed_ms * 1_000_000,
            },
        }
    }

    pub fn play(&mut self, script: &[Step], cut: Option<Cut>) {
        let mut passed = 0;
        for step in script {
            let positions = positions_of(step, self.speaks_tls);
            let here = cut.filter(|cut| (passed..passed + positions).contains(&cut.at));
            passed += positions;
            match (here, step) {
                (None, _) => self.take(step),
                (Some(cut), Step::Send(client, bytes)) => {
                    let split = cut.at + positions - passed;
                    let wire = self.on_the_wire(*client, bytes);
                    self.feed(*client, &wire[..split]);
                    self.change_process(cut.into);
                    self.feed(*client, &wire[split..]);
                }
                (Some(cut), _) => {
                    self.change_process(cut.into);
                    self.take(step);
                }
            }
            self.turn();
        }
    }

    fn take(&mut self, step: &Step) {
        let now = self.now();
        match step {
            Step::Connect(client) => {
                assert_eq!(*client, self.clients.len(), "clients connect in order");
                let address = ClientAddress::own(Ipv4Addr::new(192, 0, 2, (client / 2) as u8).into());
                let permit = self.world.ledger.admit_connection(address).expect("below the limits");
                let shard = client % self.shards.len();
                let (tls, records) = self.speaks_tls.then(TlsEnd::pair).unzip();
                let link = Link {
                    client: *client,
                    inbound: Inbound::default(),
                    sealed: records.map(|records| records.freeze()),
                };
                let arrival = Arrival {
                    request_id: uuid::Uuid::nil(),
                    address,
                    ..self.arrival
                };
                let at = self.shards[shard].admit(link, arrival, Some(permit), now);
                self.clients.push(Client {
                    tls,
                    place: Some((shard, at)),
                    room: usize::MAX,
                    heard: Vec::new(),
                    ended_at_ms: None,
                });
            }
            Step::Send(client, bytes) => {
                let wire = self.on_the_wire(*client, bytes);
                self.feed(*client, &wire);
            }
            Step::Room(client, bytes) => {
                self.clients[*client].room = *bytes;
                if let Some((shard, at)) = self.clients[*client].place {
                    self.shards[shard].writable(at);
                }
            }
            Step::Wait(ms) => {
                for _ in 0..ms / BEAT_MS {
                    self.elapsed_ms += BEAT_MS;
                    let now = self.now();
                    for shard in &mut self.shards {
                        shard.tick(&(), now);
                    }
                    self.turn();
                }
            }
            Step::Answer(verdict) => self.answer(verdict),
            Step::CloseAll => {
                for shard in &mut self.shards {
                    shard.close_all(now);
                }
            }
        }
    }

    /// Answers whatever the shards ask the game's backend.
    fn answer(&mut self, verdict: &Verdict) {
        let now = self.now();
        for number in 0..self.shards.len() {
            for question in self.shards[number].take_questions() {
                let answer = BackendAnswer::fresh(question.ticket, Ok(verdict.clone()));
                self.shards[number].on_backend_answer(answer, now);
            }
            for at in self.shards[number].take_resumed() {
                self.resume(number, at);
            }
        }
    }

    /// What a client sends to say these bytes.
    fn on_the_wire(&mut self, client: usize, bytes: &[u8]) -> Vec<u8> {
        match &mut self.clients[client].tls {
            Some(tls) => tls.seal(bytes, false),
            None => bytes.to_vec(),
        }
    }

    fn feed(&mut self, client: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let Some((shard, at)) = self.clients[client].place else {
            return;
        };
        let now = self.now();
        let mut bytes = bytes.to_vec();
        if let Some(link) = self.shards[shard].link_mut(at)
            && let Some(opened) = link.open(&bytes)
        {
            bytes = opened;
            if bytes.is_empty() {
                return;
            }
        }
        // Whether it has to move is asked of the shard.
        let _ = conversation::feed(&mut self.shards[shard], at, &mut bytes, INBOUND, now);
    }

    /// Serves the bytes that a link has kept.
    fn resume(&mut self, shard: usize, at: ConnectionKey) {
        let now = self.now();
        let _ = conversation::resume(&mut self.shards[shard], at, INBOUND, now);
    }

    /// Lets the shards tell each other all that they have to say.
    fn exchange_letters(&mut self) {
        let now = self.now();
        while self.shards.iter().any(|shard| shard.has_shard_messages()) {
            for from in 0..self.shards.len() {
                while let Some(shard_message) = self.shards[from].next_shard_message(now) {
                    self.shards[shard_message.target().index()].read_shard_message(shard_message, now);
                }
            }
            for number in 0..self.shards.len() {
                self.shards[number].serve_waiting(now);
                for at in self.shards[number].take_resumed() {
                    self.resume(number, at);
                }
            }
        }
    }

    /// What happens at the end of a turn: shard messages, hops, sends, ends.
    fn turn(&mut self) {
        let now = self.now();
        self.exchange_letters();
        while let Some((from, at)) = self.next_departing() {
            let Some(transfer) = self.shards[from].extract(at) else {
                continue;
            };
            let (to, client) = (transfer.target().index(), transfer.link.client);
            let at = self.shards[to].receive(transfer, now);
            self.clients[client].place = Some((to, at));
            self.resume(to, at);
            self.exchange_letters();
        }
        let mut dirty = Vec::new();
        let mut is_quiet = false;
        while !is_quiet {
            is_quiet = true;
            for number in 0..self.shards.len() {
                self.shards[number].take_dirty(&mut dirty);
                let ended = self.shards[number].take_ended(usize::MAX);
                is_quiet &= dirty.is_empty() && ended.is_empty();
                for at in dirty.drain(..) {
                    self.flush(number, at, now);
                }
                for at in ended {
                    self.end(number, at, now);
                }
            }
            is_quiet &= !self.shards.iter().any(|shard| shard.has_shard_messages());
            self.exchange_letters();
        }
    }

    fn next_departing(&mut self) -> Option<(usize, ConnectionKey)> {
        (0..self.shards.len()).find_map(|number| {
            let mut departing = self.shards[number].take_departing();
            let next = departing.pop();
            assert!(departing.is_empty(), "the rig serves one client at a time");
            next.map(|at| (number, at))
        })
    }

    fn flush(&mut self, number: usize, at: ConnectionKey, now: Now) {
        let shard = &mut self.shards[number];
        let Some((link, bytes)) = shard.unsent(at, now) else {
            return;
        };
        let client = &mut self.clients[link.client];
        let taken = bytes.len().min(client.room);
        let outcome = if taken == 0 {
            SendOutcome::Full
        } else {
            let heard = match (link.seal(&bytes[..taken]), &mut client.tls) {
                (Some(wire), Some(tls)) => tls.open(&wire),
                _ => bytes[..taken].to_vec(),
            };
            client.heard.push((self.elapsed_ms, heard));
            client.room -= if client.room == usize::MAX { 0 } else { taken };
            SendOutcome::Sent(taken)
        };
        match shard.sent(at, outcome, now) {
            AfterSend::Remove => self.end(number, at, now),
            AfterSend::SendMore => self.flush(number, at, now),
            AfterSend::Nothing | AfterSend::AwaitRead | AfterSend::AwaitWritable | AfterSend::FinishSending => {}
        }
    }

    fn end(&mut self, number: usize, at: ConnectionKey, now: Now) {
        if let Some(link) = self.shards[number].remove(at, now) {
            self.clients[link.client].place = None;
            self.clients[link.client].ended_at_ms = Some(self.elapsed_ms);
        }
    }

    /// All that a client heard, with every id in it.
    pub fn heard(&self, client: usize) -> String {
        let heard = self.clients[client].heard.iter().map(|(_, part)| &part[..]);
        String::from_utf8_lossy(&heard.collect::<Vec<_>>().concat()).into_owned()
    }

    /// Freezes everything; returns the archives of the shards.
    pub fn freeze(&mut self) -> Vec<AlignedVec> {
        let now = self.now();
        self.shards
            .drain(..)
            .map(|shard| shard.freeze(now, |link| link).to_bytes().expect("archived"))
            .collect()
    }

    /// Reads archives and deals them to the shards of this process.
    pub fn deal(&self, archives: &[&[u8]]) -> Result<Vec<Portion<Link>>, Incoherent> {
        let frozen = archives
            .iter()
            .map(|bytes| FrozenShard::from_bytes(bytes).expect("read back"))
            .collect();
        deal(frozen, &self.world)
    }

    /// Whether what was read without a fault is found not to fit together.
    pub fn deal_fails(&self, archive: &[u8]) -> bool {
        self.deal(&[archive]).is_err()
    }

    /// Freezes everything, and goes on in a process whose clock has begun anew.
    pub fn change_process(&mut self, shards: u16) {
        let now = self.now();
        for shard in &mut self.shards {
            shard.hurry_shard_messages();
        }
        self.exchange_letters();
        let world_bytes = self.world.freeze(now.mono_ms).to_bytes().expect("archived");
        let archives = self.freeze();
        let nothing = Admitted {
            connections: 0,
            rooms: 0,
        };
        assert_eq!(
            self.world.ledger.admitted(),
            nothing,
            "the old process gives everything back"
        );
        self.origin_ms = ARCHIVE_MS - self.elapsed_ms;
        let now = self.now();
        let frozen_world = FrozenWorld::from_bytes(&world_bytes).expect("read back");
        let world = World::thaw(
            self.settings.clone(),
            self.limits.clone(),
            shards,
            frozen_world,
            now.mono_ms,
        );
        self.start(world);
        let archives: Vec<&[u8]> = archives.iter().map(|bytes| &**bytes).collect();
        let portions = self.deal(&archives).expect("one whole");
        let frozen: usize = portions.iter().map(|portion| portion.frozen().connections()).sum();
        for client in &mut self.clients {
            client.place = None;
        }
        for portion in portions {
            let number = portion.shard().index();
            let lost = &self.lost;
            let thawed = self.shards[number].thaw(portion, now, |link| (!lost.contains(&link.client)).then_some(link));
            for at in thawed {
                let client = self.shards[number].link(at).expect("taken in").client;
                self.clients[client].place = Some((number, at));
                if !self.shards[number].is_departing(at) {
                    self.resume(number, at);
                }
            }
        }
        for client in &mut self.clients {
            if client.place.is_none() && client.ended_at_ms.is_none() {
                client.ended_at_ms = Some(self.elapsed_ms);
            }
        }
        let admitted = self.world.ledger.admitted().connections;
        assert_eq!(admitted, frozen - self.lost.len(), "what was admitted is not refused");
    }

    pub fn outcome(&self) -> Outcome {
        let mut names = Names::default();
        Outcome {
            clients: self
                .clients
                .iter()
                .map(|client| {
                    let mut merged: Vec<(u64, Vec<u8>)> = Vec::new();
                    for (at_ms, bytes) in &client.heard {
                        match merged.last_mut() {
                            Some((last_ms, heard)) if last_ms == at_ms => heard.extend_from_slice(bytes),
                            _ => merged.push((*at_ms, bytes.clone())),
                        }
                    }
                    // Ids and codes may be cut by a full socket: names are found in the whole.
                    let whole: Vec<u8> = merged.iter().flat_map(|(_, bytes)| bytes).copied().collect();
                    let named = names.mask(&whole);
                    let mut at = 0;
                    let heard = merged
                        .iter()
                        .map(|(at_ms, bytes)| {
                            let part = named[at..at + bytes.len()]
                                .iter()
                                .map(|byte| char::from(*byte))
                                .collect();
                            at += bytes.len();
                            (*at_ms, part)
                        })
                        .collect();
                    (heard, client.ended_at_ms)
                })
                .collect(),
            admitted: self.world.ledger.admitted(),
            rooms: self.shards.iter().map(Shard::rooms).sum(),
            members: self.shards.iter().map(|shard| self.world.load(shard.id())).sum(),
        }
    }
}
