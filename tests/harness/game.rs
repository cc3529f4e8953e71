//! The words in which scenarios are told.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use serde_json::{Value, json};
use signal_fish_relay::protocol::ProtocolVersion;

use super::frames::{Opcode, client_frame, close_payload};
use super::pipe::ClientEnd;
use super::setup::Setup;
use super::simulation::{ClientId, Simulation};

/// A run, as its scenario sees it.
#[derive(Clone)]
pub struct Game {
    simulation: Rc<RefCell<Simulation>>,
}

/// A client, as its scenario sees it.
#[derive(Clone)]
pub struct Client {
    pub(super) simulation: Rc<RefCell<Simulation>>,
    pub id: ClientId,
}

/// Tells a scenario under several schedules: with one shard and with several, each with several seeds.
pub fn in_every_schedule(setup: impl Fn() -> Setup, scenario: impl Fn(&Game)) {
    for (shards, seed) in [(1, 1), (2, 2), (3, 3), (3, 4), (8, 5)] {
        let game = Game::new(Setup {
            shards,
            seed,
            ..setup()
        });
        scenario(&game);
    }
}

impl Game {
    pub fn new(setup: Setup) -> Self {
        Self {
            simulation: Rc::new(RefCell::new(Simulation::new(setup))),
        }
    }

    /// The machine itself.
    pub fn machine(&self) -> RefMut<'_, Simulation> {
        self.simulation.borrow_mut()
    }

    /// A client that has just connected, somewhere.
    pub fn connect(&self, name: &str) -> Client {
        self.connect_to(name, None)
    }

    /// A client that has just connected to a certain shard.
    pub fn connect_to(&self, name: &str, shard: Option<u16>) -> Client {
        self.connect_by(name, shard, ProtocolVersion::V2)
    }

    /// A client that has just connected to the path of a version.
    pub fn connect_by(&self, name: &str, shard: Option<u16>, endpoint: ProtocolVersion) -> Client {
        let id = self.machine().connect(name.to_owned(), shard, endpoint);
        Client {
            simulation: Rc::clone(&self.simulation),
            id,
        }
    }

    /// A client that has connected and completed its handshake.
    pub fn enter(&self, name: &str) -> Client {
        let client = self.connect(name);
        client.authenticate("reef-racer");
        client
    }

    /// Lets everybody work until there is nothing left to do.
    pub fn settle(&self) {
        self.machine().run_until_quiet();
    }

    /// Lets virtual time pass.
    pub fn advance_ms(&self, duration_ms: u64) {
        self.settle();
        self.machine().advance_ms(duration_ms);
    }

    /// Lets virtual time pass in which the server's process stands still; clients that read do so.
    pub fn stands_still_ms(&self, duration_ms: u64) {
        self.machine().stand_still_ms(duration_ms);
        self.settle();
    }

    /// The sum of one count over all shards.
    pub fn count(&self, name: &str) -> u64 {
        self.machine().count(name)
    }
}

impl Client {
    pub(super) fn machine(&self) -> RefMut<'_, Simulation> {
        self.simulation.borrow_mut()
    }

    /// What has arrived and was not looked at yet; nobody is let work first.
    pub fn takes_what_arrived(&self) -> Vec<super::frames::Frame> {
        self.machine().peers[self.id.0].received.drain(..).collect()
    }

    pub fn name(&self) -> String {
        self.machine().peers[self.id.0].name.clone()
    }

    /// Whether the server still holds its end.
    pub fn is_connected(&self) -> bool {
        !self.machine().peers[self.id.0].pipe.borrow().server_closed
    }

    /// Sends bytes as they are.
    pub fn sends_bytes(&self, bytes: &[u8]) -> &Self {
        self.machine().peers[self.id.0].send(bytes);
        self
    }

    /// Sends one frame.
    pub fn sends_frame(&self, opcode: Opcode, is_final: bool, payload: &[u8]) -> &Self {
        let mask = self.machine().schedule.mask();
        self.sends_bytes(&client_frame(opcode, is_final, payload, mask))
    }

    /// Sends a text message, whatever is in it.
    pub fn sends_text(&self, text: &str) -> &Self {
        let line = format!("{} > {}", self.name(), text.chars().take(300).collect::<String>());
        self.machine().note(line);
        self.sends_frame(Opcode::Text, true, text.as_bytes())
    }

    /// Sends a JSON message.
    pub fn sends(&self, message: Value) -> &Self {
        self.sends_text(&message.to_string())
    }

    /// Sends a message that has no payload.
    pub fn says(&self, tag: &str) -> &Self {
        self.sends(json!({"type": tag}))
    }

    /// Sends game data as JSON.
    pub fn sends_json(&self, data: Value) -> &Self {
        self.sends(json!({"type": "GameData", "data": {"data": data}}))
    }

    /// Sends game data as a binary frame.
    pub fn sends_binary(&self, payload: &[u8]) -> &Self {
        let line = format!("{} > {} binary bytes", self.name(), payload.len());
        self.machine().note(line);
        self.sends_frame(Opcode::Binary, true, payload)
    }

    /// Starts the closing handshake.
    pub fn closes(&self, code: u16, reason: &str) -> &Self {
        let mut machine = self.machine();
        let machine = &mut *machine;
        machine.peers[self.id.0].send_close(&close_payload(code, reason), &mut machine.schedule);
        machine.note(format!("{} > close {code}", machine.peers[self.id.0].name));
        self
    }

    /// Ends the connection without a closing handshake; what was sent before still arrives.
    pub fn finishes(&self) -> &Self {
        self.ends_as(ClientEnd::Finished)
    }

    /// Vanishes: what was sent and not received is lost.
    pub fn vanishes(&self) -> &Self {
        self.machine().peers[self.id.0].pipe.borrow_mut().to_server.clear();
        self.ends_as(ClientEnd::Broken)
    }

    fn ends_as(&self, end: ClientEnd) -> &Self {
        let line = format!("{} > {end:?}", self.name());
        self.machine().note(line);
        self.machine().peers[self.id.0].pipe.borrow_mut().end_as(end);
        self
    }

    /// Stops or resumes reading.
    pub fn reads(&self, reads: bool) -> &Self {
        self.machine().peers[self.id.0].reads = reads;
        self
    }

    /// Whether pings and close frames are answered as RFC 6455 has it.
    pub fn answers(&self, answers: bool) -> &Self {
        self.machine().peers[self.id.0].answers = answers;
        self
    }

    /// Changes how many bytes wait for this client on the way.
    pub fn has_pipe_of(&self, capacity_bytes: usize) -> &Self {
        self.machine().peers[self.id.0].pipe.borrow_mut().capacity_bytes = capacity_bytes;
        self
    }

    /// Lets so many more bytes into what waits for this client on the way.
    pub fn lets_through(&self, bytes: usize) -> &Self {
        let waiting = self.machine().peers[self.id.0].pipe.borrow().to_client.len();
        self.has_pipe_of(waiting + bytes)
    }
}
