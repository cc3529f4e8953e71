//! Brings all players of a thread into their rooms: connect, upgrade, authenticate, create or join.
//!
//! Each connection creates or joins exactly once, so budgets per player are never touched. The first player of a room
//! creates it; the others wait for its code. Only a limited number is on the way at a time.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::client::connection::{Connection, Sink};
use crate::client::envelope::PlayerId;
use crate::client::frame::Opcode;
use crate::client::handshake::{self, Answer};
use crate::clock::Clock;
use crate::poller::Poller;
use crate::progress::Progress;
use crate::random::Random;
use crate::scenario::Scenario;

/// Longest time without any step forward.
const PATIENCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(100);

/// The joined players of one thread, by number within the thread.
pub(crate) struct Party {
    pub(crate) connections: Vec<Connection>,
    pub(crate) roster: Vec<PlayerId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Upgrading,
    Authenticating,
    AwaitingInfo,
    AwaitingCode,
    Joining,
    Joined,
}

struct Setup<'a> {
    scenario: &'a Scenario,
    poller: &'a mut Poller,
    random: Random,
    first_player: u32,
    total: usize,
    connections: Vec<Connection>,
    stages: Vec<Stage>,
    roster: Vec<Option<PlayerId>>,
    room_codes: Vec<Option<String>>,
    joined: usize,
    /// Players that wait for the code of their room.
    parked: usize,
    /// Steps made by anybody, to see a standstill.
    steps: u64,
}

/// Texts received by one connection in one go.
#[derive(Default)]
struct Collected(Vec<Vec<u8>>);

impl Sink for Collected {
    fn arrived(&mut self, _: Option<u64>) {}

    fn message(&mut self, _: Opcode, message: &[u8]) {
        self.0.push(message.to_vec());
    }
}

/// Connects and joins every player of `thread`.
pub(crate) fn join_all(
    scenario: &Scenario,
    thread: u32,
    poller: &mut Poller,
    scratch: &mut Vec<u8>,
    clock: Clock,
    progress: &Progress,
) -> Result<Party> {
    let (first_room, rooms) = scenario.share(thread);
    let total = (rooms * scenario.players) as usize;
    let mut setup = Setup {
        scenario,
        poller,
        random: Random::seeded(scenario.seed ^ u64::from(thread) << 32),
        first_player: first_room * scenario.players,
        total,
        connections: Vec::with_capacity(total),
        stages: Vec::with_capacity(total),
        roster: vec![None; total],
        room_codes: vec![None; rooms as usize],
        joined: 0,
        parked: 0,
        steps: 0,
    };
    let mut seen_steps = 0;
    let mut last_step_ns = clock.now_ns();
    while setup.joined < total {
        setup.open_more()?;
        for index in 0..setup.poller.wait(POLL).context("epoll")? {
            let ready = setup.poller.ready(index);
            setup.serve(ready.token, scratch)?;
        }
        progress.publish_joined(setup.joined as u64);
        if setup.steps != seen_steps {
            seen_steps = setup.steps;
            last_step_ns = clock.now_ns();
        } else if clock.now_ns() - last_step_ns > PATIENCE.as_nanos() as u64 {
            bail!(
                "{} of {total} players joined, then nothing for {} s: {}",
                setup.joined,
                PATIENCE.as_secs(),
                setup.standstill()
            );
        }
    }
    let roster = setup
        .roster
        .into_iter()
        .map(|id| id.expect("everybody has joined and so has an id"))
        .collect();
    Ok(Party {
        connections: setup.connections,
        roster,
    })
}

impl Setup<'_> {
    fn open_more(&mut self) -> Result<()> {
        let limit = (self.scenario.setup_concurrency.div_ceil(self.scenario.threads)) as usize;
        let parked = self
            .stages
            .iter()
            .filter(|&&stage| stage == Stage::AwaitingCode)
            .count();
        let mut under_way = self.connections.len() - self.joined - parked;
        while self.connections.len() < self.total && under_way < limit {
            let player = self.connections.len();
            let number = self.first_player + player as u32;
            let mask = (self.random.next_u64() as u32 | 0x0101_0101).to_be_bytes();
            let source = self.scenario.source_of(number);
            let mut connection = Connection::open(self.scenario.server.address, source, mask, self.scenario.gathers())?;
            connection.queue(&handshake::upgrade_request(self.scenario));
            self.poller.add(connection.descriptor(), player).context("epoll")?;
            self.connections.push(connection);
            self.stages.push(Stage::Upgrading);
            under_way += 1;
        }
        Ok(())
    }

    fn serve(&mut self, player: usize, scratch: &mut Vec<u8>) -> Result<()> {
        let mut collected = Collected::default();
        let connection = &mut self.connections[player];
        connection.flush();
        connection.receive(scratch, &mut collected);
        if self.stages[player] == Stage::Upgrading && connection.is_upgraded() {
            connection.queue_text(&handshake::authenticate(self.scenario));
            self.advance(player, Stage::Authenticating);
        }
        for message in collected.0 {
            let answer = handshake::read_answer(&message, self.scenario.encoding.token())?;
            self.take_answer(player, answer).with_context(|| self.name(player))?;
        }
        if let Some(end) = self.connections[player].end() {
            bail!("{}: {end} while {:?}", self.name(player), self.stages[player]);
        }
        Ok(())
    }

    fn take_answer(&mut self, player: usize, answer: Answer) -> Result<()> {
        let room = player / self.scenario.players as usize;
        match (self.stages[player], answer) {
            (_, Answer::Refused(why)) if why.starts_with("TOO_MANY_CONNECTIONS") => {
                bail!("the server refused: {why}; raise its connection caps or give a larger --source-addresses")
            }
            (_, Answer::Refused(why)) => bail!("the server refused: {why}"),
            (Stage::Authenticating, Answer::Authenticated) => self.advance(player, Stage::AwaitingInfo),
            (Stage::AwaitingInfo, Answer::ProtocolInfo { offers_format: false }) => {
                bail!(
                    "the server does not offer the format {}",
                    self.scenario.encoding.token()
                )
            }
            (Stage::AwaitingInfo, Answer::ProtocolInfo { offers_format: true }) => {
                let creates = player.is_multiple_of(self.scenario.players as usize);
                if creates || self.room_codes[room].is_some() {
                    self.join(player);
                } else {
                    self.advance(player, Stage::AwaitingCode);
                }
            }
            (Stage::Joining, Answer::RoomJoined { room_code, player: id }) => {
                self.roster[player] = Some(id);
                self.joined += 1;
                self.advance(player, Stage::Joined);
                if self.room_codes[room].is_none() {
                    self.room_codes[room] = Some(room_code);
                    let members = room * self.scenario.players as usize..;
                    for waiting in members.take(self.scenario.players as usize) {
                        if self.stages.get(waiting) == Some(&Stage::AwaitingCode) {
                            self.join(waiting);
                        }
                    }
                }
            }
            (_, Answer::Other) => {}
            (stage, answer) => bail!("unexpected answer while {stage:?}: {answer:?}"),
        }
        Ok(())
    }

    fn join(&mut self, player: usize) {
        let number = self.first_player + player as u32;
        let room = number / self.scenario.players;
        let code = self.room_codes[player / self.scenario.players as usize].as_deref();
        let request = handshake::join_room(&self.scenario.game_name(room), number, self.scenario.players, code);
        self.connections[player].queue_text(&request);
        self.advance(player, Stage::Joining);
    }

    fn advance(&mut self, player: usize, stage: Stage) {
        self.parked -= usize::from(self.stages[player] == Stage::AwaitingCode);
        self.parked += usize::from(stage == Stage::AwaitingCode);
        self.stages[player] = stage;
        self.steps += 1;
        self.connections[player].flush();
    }

    fn name(&self, player: usize) -> String {
        format!(
            "player {} at {}",
            self.first_player + player as u32,
            self.scenario.server.address
        )
    }

    fn standstill(&self) -> String {
        match self.stages.iter().position(|&stage| stage != Stage::Joined) {
            Some(player) => format!("{} is still {:?}", self.name(player), self.stages[player]),
            None => "connections do not open".to_owned(),
        }
    }
}
