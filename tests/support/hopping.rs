//! Commuters that leave one room and join another, again and again, under traffic both ways, and a ledger of every
//! message.
//!
//! A commuter alternates between two rooms. Where they live on different shards, every join moves its connection from one
//! shard to the other. In every room a host listens and talks all the time. What is sent is numbered:
//!
//! - A commuter sends `BURST` messages in each visit, in the same breath as its `JoinRoom`, so that they travel behind it
//!   while the connection moves. Each host must get each of them once, in order, from the visits to its own room alone.
//! - A host numbers what it says. A commuter must hear an unbroken run of numbers in each visit, and never an old number.
//! - Commuters in one room hear each other by the same rules, up to the last message before a `PlayerLeft`.
//!
//! Writes are cut anywhere, also inside a frame. Some visits are made in one breath with the ones before them, so that the
//! server finds several moves in the bytes it has already read.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signal_fish_relay::shard::ShardId;

use super::DEADLINE;
use super::player::{APP_ID, Player, Received, join_message};
use super::server::Server;
use super::wire::{PING, PONG, TEXT, Wire, frame};

const GAME: &str = "hop";

/// Messages that a commuter sends in each visit.
pub const BURST: u64 = 4;

/// How long a host listens before it says the next number.
const HOST_PACE: Duration = Duration::from_millis(2);

/// Visits that are made in one breath, and how often.
const EXPRESS_VISITS: u64 = 3;
const EXPRESS_EVERY: u64 = 16;

/// How much is hopped.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Commuters between rooms of different shards.
    pub hoppers: u64,
    /// Commuters between rooms of one shard, for comparison.
    pub stayers: u64,
    /// Visits that each commuter makes after its first.
    pub moves: u64,
}

/// What the run showed. There is one only when nothing was lost, repeated or reordered.
#[derive(Debug)]
pub struct Report {
    /// Moves between shards, by the server's counters, while the commuters were under way.
    pub hops: u64,
    /// Messages that arrived and were checked.
    pub messages: u64,
    /// Joins that moved between shards: `JoinRoom` sent to `RoomJoined` received.
    pub hopping_joins: Vec<Duration>,
    /// Time on the way between shards, all moves together.
    pub transit: Duration,
    /// Joins that did not.
    pub staying_joins: Vec<Duration>,
}

/// Runs the plan on a server of two shards.
///
/// # Panics
///
/// When anything was lost, repeated or reordered, or is late.
pub fn run(plan: Plan) -> Report {
    let server = Server::with(2, |config| {
        config.rate_limit.max_join_attempts = u32::MAX;
        config.rate_limit.max_relay_bytes = 1 << 53;
        config.rate_limit.max_room_relay_bytes = 1 << 53;
        config.server.default_max_players = 100;
        // A stretched turn would be most of a join's time, and the hop is what is timed here.
        config.runtime.turn_window_us = 0;
    });
    let distant = [
        room_on(&server, ShardId(0), "AAAA"),
        room_on(&server, ShardId(1), "BBBB"),
    ];
    let near = [
        room_on(&server, ShardId(0), "CCCC"),
        room_on(&server, ShardId(0), "DDDD"),
    ];
    let lines = [
        (distant, 0..plan.hoppers),
        (near, plan.hoppers..plan.hoppers + plan.stayers),
    ];

    // Nobody moves before everybody is seated for the first time, so that the counters show the moves alone.
    let (seated, arrivals) = channel();
    let mut starts = Vec::new();
    let mut hosts = Vec::new();
    let mut commuters = Vec::new();
    for (rooms, ids) in lines {
        for (parity, code) in rooms.iter().enumerate() {
            let visitors = (ids.end - ids.start) as usize;
            let host = Host::open(&server, code, parity as u64, visitors, plan.moves);
            hosts.push(thread::spawn(move || host.listen()));
        }
        for id in ids {
            let commuter = Commuter::new(&server, id, rooms.clone());
            let (start, started) = channel();
            starts.push(start);
            let seated = seated.clone();
            commuters.push(thread::spawn(move || commuter.travel(plan.moves, &seated, &started)));
        }
    }
    for _ in &commuters {
        arrivals
            .recv_timeout(2 * DEADLINE)
            .expect("every commuter gets its first seat");
    }
    let before = server.count(|counters| &counters.hops_sent);
    let transit_before_us = server.count(|counters| &counters.hops_transit_us);
    for start in &starts {
        start.send(()).expect("the commuter waits");
    }

    let mut report = Report {
        hops: 0,
        messages: 0,
        transit: Duration::ZERO,
        hopping_joins: Vec::new(),
        staying_joins: Vec::new(),
    };
    for (id, commuter) in (0..).zip(commuters) {
        let (messages, joins) = commuter.join().expect("a commuter found a fault");
        report.messages += messages;
        if id < plan.hoppers {
            report.hopping_joins.extend(joins);
        } else {
            report.staying_joins.extend(joins);
        }
    }
    for host in hosts {
        report.messages += host.join().expect("a host found a fault");
    }
    report.hops = server.count(|counters| &counters.hops_sent) - before;
    let transit_us = server.count(|counters| &counters.hops_transit_us) - transit_before_us;
    report.transit = Duration::from_micros(transit_us);
    assert_eq!(server.count(|counters| &counters.hops_refused), 0);
    assert_eq!(
        server.count(|counters| &counters.hops_received),
        report.hops + before,
        "whoever left a shard arrived at another"
    );
    server.stop();
    report
}

/// A code that leads to `shard`.
fn room_on(server: &Server, shard: ShardId, prefix: &str) -> String {
    (10..100)
        .map(|number| format!("{prefix}{number}"))
        .find(|code| server.home_of(GAME, code) == shard)
        .expect("one of ninety codes leads to each of two shards")
}

/// What one receiver has heard of the commuters around it.
#[derive(Default)]
struct Ears {
    /// Whether this receiver has been in the room from its beginning, so that nobody is unknown to it.
    from_the_first: bool,
    /// By player id.
    peers: HashMap<String, Peer>,
}

#[derive(Default)]
struct Peer {
    is_here: bool,
    visit: Option<u64>,
    /// The number within the visit that must come next.
    next: u64,
}

impl Ears {
    fn joined(&mut self, id: &str) {
        let peer = self.peers.entry(id.to_owned()).or_default();
        assert!(!peer.is_here, "{id} joined twice");
        (peer.is_here, peer.next) = (true, 0);
    }

    fn left(&mut self, id: &str) {
        match self.peers.get_mut(id) {
            Some(peer) => {
                assert!(peer.is_here, "{id} left twice");
                assert_eq!(peer.next, BURST, "{id} left before its last message had come");
                peer.is_here = false;
            }
            None => assert!(!self.from_the_first, "{id} left and had never joined"),
        }
    }

    fn heard(&mut self, id: &str, visit: u64, index: u64) {
        let peer = self.peers.entry(id.to_owned()).or_insert_with(|| {
            assert!(!self.from_the_first, "{id} spoke and had never joined");
            Peer {
                is_here: true,
                visit: Some(visit),
                next: index,
            }
        });
        assert!(peer.is_here, "{id} spoke after it had left");
        if index == 0 && peer.next == 0 {
            // A commuter is in this room every other time.
            let expected = peer.visit.map_or(visit % 2, |visit| visit + 2);
            assert!(
                !self.from_the_first || visit == expected,
                "visit {visit} of {id} came for {expected}"
            );
            peer.visit = Some(visit);
        }
        assert_eq!(
            (Some(visit), index),
            (peer.visit, peer.next),
            "the next message of {id}"
        );
        peer.next += 1;
    }
}

/// The player that stays in a room.
struct Host {
    player: Player,
    said: u64,
    ears: Ears,
    heard: u64,
    expected: u64,
}

impl Host {
    /// Opens a room that `visitors` commuters visit on every visit of this parity.
    fn open(server: &Server, code: &str, parity: u64, visitors: usize, moves: u64) -> Self {
        let mut player = Player::authenticated(server);
        player.join(GAME, "Host", code);
        player.expect("LobbyStateChanged");
        let visits = (0..=moves).filter(|visit| visit % 2 == parity).count();
        Self {
            player,
            said: 0,
            ears: Ears {
                from_the_first: true,
                peers: HashMap::new(),
            },
            heard: 0,
            expected: visits as u64 * BURST * visitors as u64,
        }
    }

    /// Talks and listens until every message of every commuter has come. Returns how many came.
    fn listen(mut self) -> u64 {
        let mut heard_at = Instant::now();
        while self.heard < self.expected {
            match self.player.receive_within(HOST_PACE) {
                None => assert!(
                    heard_at.elapsed() < DEADLINE,
                    "{} of {} messages came",
                    self.heard,
                    self.expected
                ),
                Some(Received::Text(message)) => {
                    heard_at = Instant::now();
                    self.hear(&message);
                }
                Some(other) => panic!("the host got {other:?}"),
            }
            self.say(&json!(null));
        }
        // Nothing comes twice: what is still on its way is about who leaves.
        self.player.send(&json!({"type": "Ping"}));
        loop {
            match self.player.receive() {
                Received::Text(message) if message["type"] == "Pong" => break,
                Received::Text(message) => self.hear(&message),
                other => panic!("the host got {other:?}"),
            }
        }
        assert_eq!(self.heard, self.expected);
        self.heard
    }

    fn say(&mut self, welcome: &Value) {
        self.player.say(&json!({"number": self.said, "welcome": welcome}));
        self.said += 1;
    }

    fn hear(&mut self, message: &Value) {
        let data = &message["data"];
        match message["type"].as_str() {
            Some("GameData") => {
                let [commuter, visit, index] = stamp(&data["data"]).expect("only commuters talk to a host");
                self.ears.heard(text(&data["from_player"]), visit, index);
                self.heard += 1;
                if index == 0 {
                    self.say(&json!([commuter, visit]));
                }
            }
            Some("PlayerJoined") => self.ears.joined(text(&data["player"]["id"])),
            Some("PlayerLeft") => self.ears.left(text(&data["player_id"])),
            _ => panic!("the host got {message}"),
        }
    }
}

/// A player that moves.
struct Commuter {
    wire: Wire,
    id: u64,
    rooms: [String; 2],
    ears: Ears,
    /// The last number of each room's host.
    last_number: [Option<u64>; 2],
    /// Whether a host's next number must follow its last: not for the first that is heard in a visit.
    is_listening: bool,
    messages: u64,
}

impl Commuter {
    fn new(server: &Server, id: u64, rooms: [String; 2]) -> Self {
        let mut this = Self {
            wire: Wire::upgraded(server),
            id,
            rooms,
            ears: Ears::default(),
            last_number: [None; 2],
            is_listening: false,
            messages: 0,
        };
        this.wire
            .send(&message(&json!({"type": "Authenticate", "data": {"app_id": APP_ID}})));
        assert_eq!(this.receive()["type"], "Authenticated");
        assert_eq!(this.receive()["type"], "ProtocolInfo");
        this
    }

    /// Makes `moves` visits after the first. Returns how many messages it heard, and how long the joins took that it
    /// waited for alone.
    fn travel(mut self, moves: u64, seated: &Sender<()>, start: &Receiver<()>) -> (u64, Vec<Duration>) {
        let mut joins = Vec::new();
        self.send(&self.visit_bytes(0), 0);
        self.expect_joined(0);
        self.expect_welcome(0);
        seated.send(()).expect("the test waits");
        start.recv_timeout(2 * DEADLINE).expect("the others are seated too");
        let mut visit = 1;
        while visit <= moves {
            let last = (visit + EXPRESS_VISITS - 1).min(moves);
            if visit % EXPRESS_EVERY == 0 {
                let bytes: Vec<u8> = (visit..=last).flat_map(|visit| self.move_bytes(visit)).collect();
                self.send(&bytes, visit);
                for visit in visit..=last {
                    self.expect_left(visit - 1);
                    self.expect_joined(visit);
                }
                visit = last;
            } else if visit % 2 == 0 {
                self.send(&self.move_bytes(visit), visit);
                self.expect_left(visit - 1);
                self.expect_joined(visit);
            } else {
                self.wire.send(&message(&json!({"type": "LeaveRoom"})));
                self.expect_left(visit - 1);
                let bytes = self.visit_bytes(visit);
                let asked_at = Instant::now();
                self.wire.send(&bytes);
                self.expect_joined(visit);
                joins.push(asked_at.elapsed());
            }
            self.expect_welcome(visit);
            visit += 1;
        }
        self.wire.send(&message(&json!({"type": "LeaveRoom"})));
        self.expect_left(moves);
        (self.messages, joins)
    }

    /// A join, and what is said in the same breath.
    fn visit_bytes(&self, visit: u64) -> Vec<u8> {
        let name = format!("C{}", self.id);
        let mut bytes = message(&join_message(GAME, &name, Some(&self.rooms[room_of(visit)])));
        for index in 0..BURST {
            let data = json!({"stamp": [self.id, visit, index]});
            bytes.extend(message(&json!({"type": "GameData", "data": {"data": data}})));
        }
        bytes
    }

    fn move_bytes(&self, visit: u64) -> Vec<u8> {
        let mut bytes = message(&json!({"type": "LeaveRoom"}));
        bytes.extend(self.visit_bytes(visit));
        bytes
    }

    /// Sends in two writes, cut anywhere.
    fn send(&mut self, bytes: &[u8], visit: u64) {
        let cut = (self.id * 7_919 + visit * 104_729) as usize % bytes.len();
        self.wire.send(&bytes[..cut]);
        self.wire.send(&bytes[cut..]);
    }

    fn receive(&mut self) -> Value {
        loop {
            let frame = self.wire.frame();
            match frame.first {
                TEXT => return serde_json::from_slice(&frame.payload).expect("the server sends JSON"),
                PING => self.wire.send_frame(PONG, &frame.payload),
                _ => panic!("commuter {} got {frame:?}", self.id),
            }
        }
    }

    /// The next message is the answer to the join: between two rooms nothing is heard.
    fn expect_joined(&mut self, visit: u64) {
        let answer = self.receive();
        assert_eq!(answer["type"], "RoomJoined", "visit {visit} of {}: {answer}", self.id);
        assert_eq!(answer["data"]["room_code"], self.rooms[room_of(visit)]);
        self.ears = Ears::default();
        self.is_listening = false;
    }

    fn expect_left(&mut self, visit: u64) {
        while self.hear(visit) != Heard::Left {}
    }

    fn expect_welcome(&mut self, visit: u64) {
        while self.hear(visit) != Heard::Welcome(visit) {}
    }

    /// Takes one message in a room.
    fn hear(&mut self, visit: u64) -> Heard {
        let message = self.receive();
        let data = &message["data"];
        match message["type"].as_str() {
            Some("GameData") => {
                self.messages += 1;
                match stamp(&data["data"]) {
                    Some([_, visit, index]) => self.ears.heard(text(&data["from_player"]), visit, index),
                    None => return self.hear_host(room_of(visit), &data["data"]),
                }
            }
            Some("PlayerJoined") => self.ears.joined(text(&data["player"]["id"])),
            Some("PlayerLeft") => self.ears.left(text(&data["player_id"])),
            Some("RoomLeft") => return Heard::Left,
            Some("AuthorityChanged") => {} // a host has heard everything and is gone
            _ => panic!("commuter {} got {message}", self.id),
        }
        Heard::Other
    }

    fn hear_host(&mut self, room: usize, data: &Value) -> Heard {
        let number = data["number"].as_u64().expect("hosts number what they say");
        let last = self.last_number[room].replace(number);
        match last {
            Some(last) if self.is_listening => assert_eq!(number, last + 1, "the next number of a host"),
            Some(last) => assert!(number > last, "number {number} came after {last}"),
            None => {}
        }
        self.is_listening = true;
        match &data["welcome"] {
            Value::Array(welcome) if welcome[0] == self.id => {
                Heard::Welcome(welcome[1].as_u64().expect("the number of a visit"))
            }
            _ => Heard::Other,
        }
    }
}

#[derive(PartialEq, Eq)]
enum Heard {
    Left,
    Welcome(u64),
    Other,
}

/// Which of its two rooms a commuter visits.
fn room_of(visit: u64) -> usize {
    (visit % 2) as usize
}

fn message(message: &Value) -> Vec<u8> {
    frame(TEXT, message.to_string().as_bytes())
}

/// Commuter, visit and index, if a commuter sent this.
fn stamp(data: &Value) -> Option<[u64; 3]> {
    serde_json::from_value(data["stamp"].clone()).ok()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("an id")
}
