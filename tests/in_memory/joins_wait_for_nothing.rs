//! A join is answered in the turn in which it is served, whatever else happens in its room: it waits for no other join, no
//! slow reader and no lock, and there is no queue in which it could stand behind others. Told without a clock: the answer
//! lies in the joiner's outbox before the next event is served.

use std::iter;
use std::sync::Arc;

use serde_json::Value;
use signal_fish_relay::config::Config;
use signal_fish_relay::net::websocket::Inbound;
use signal_fish_relay::protocol::{ErrorCode, PlayerId, ProtocolVersion, RoomCode};
use signal_fish_relay::room::ConnectionKey;
use signal_fish_relay::shard::refusals::RefusalReason;
use signal_fish_relay::shard::{Shard, ShardId, World};
use uuid::Uuid;

use crate::bare_shard::{self, NOW};
use crate::harness::{Frame, MASK, Opcode, client_frame, take_server_frame};

const GAME: &str = "tide-pool";

/// Two shards, of which nobody flushes an outbox: every reader is slow.
struct Rig {
    world: Arc<World>,
    shards: [Shard<Inbound>; 2],
}

impl Rig {
    fn new() -> Self {
        let mut config = Config::default();
        config.protocol.max_players_limit = 255;
        config.rate_limit.max_join_attempts = 1_000;
        let world = bare_shard::world(&config, 2);
        Self {
            shards: [0, 1].map(|number| bare_shard::shard(&world, number)),
            world,
        }
    }

    fn connect(&mut self, shard: usize) -> ConnectionKey {
        bare_shard::connect(&mut self.shards[shard], Inbound::default(), ProtocolVersion::V2, NOW)
    }

    fn send(&mut self, shard: usize, from: ConnectionKey, message: &str) {
        // A room that has used up its share of the turn leaves the rest in the link; a join is no room's share.
        let _ = bare_shard::feed(&mut self.shards[shard], from, &text(message), NOW);
    }

    /// The messages that wait for a connection.
    fn told(&mut self, shard: usize, at: ConnectionKey) -> Vec<Value> {
        let Some((_, bytes)) = self.shards[shard].unsent(at, NOW) else {
            return Vec::new();
        };
        messages(bytes)
    }

    /// The shard where a room lives.
    fn home(&self, code: &str) -> usize {
        let code = RoomCode::parse(code, code.len()).expect("a well-formed code");
        self.world.slots.owner(self.world.slot_key.slot_of(GAME, &code)).index()
    }

    /// A code of a room that lives on `shard`.
    fn code(&self, shard: usize) -> String {
        let codes = (0..).map(|number: u32| format!("{number:06}"));
        let mut fitting = codes.filter(|code| self.home(code) == shard);
        fitting.next().expect("codes without end")
    }

    /// Serves one join, moving the connection if it must move. Returns where it is then, and the last thing that it was told.
    fn join(&mut self, shard: usize, at: ConnectionKey, name: &str, code: &str) -> (usize, ConnectionKey, Value) {
        self.send(shard, at, &join(name, code));
        let (shard, at) = match self.shards[shard].extract(at) {
            Some(transfer) => {
                let home = transfer.target().index();
                (home, self.shards[home].receive(transfer, NOW))
            }
            None => (shard, at),
        };
        let answer = self.told(shard, at).pop().expect("it was answered at once");
        (shard, at, answer)
    }
}

fn join(name: &str, code: &str) -> String {
    format!(
        r#"{{"type":"JoinRoom","data":{{"game_name":"{GAME}","player_name":"{name}","room_code":"{code}","max_players":200}}}}"#
    )
}

fn text(message: &str) -> Vec<u8> {
    client_frame(Opcode::Text, true, message.as_bytes(), MASK)
}

/// The text frames among `bytes`, which are whole.
fn messages(bytes: &[u8]) -> Vec<Value> {
    let mut bytes = bytes.iter().copied().collect();
    iter::from_fn(|| take_server_frame(&mut bytes))
        .filter_map(|frame| match frame {
            Frame::Text(message) => Some(message.value),
            _ => None,
        })
        .collect()
}

#[test]
fn a_join_is_answered_before_the_next_event_is_served() {
    let mut rig = Rig::new();
    let code = rig.code(0);
    let creator = rig.connect(0);
    let (_, creator, answer) = rig.join(0, creator, "Creator", &code);
    assert_eq!(answer["type"], "LobbyStateChanged", "behind RoomJoined");

    // From both shards, all in one turn, between them what else a room is busy with.
    let waiting: Vec<_> = (0..150).map(|number| (number % 2, rig.connect(number % 2))).collect();
    let large = format!(r#"{{"type":"GameData","data":{{"data":"{}"}}}}"#, "x".repeat(30_000));
    let mut seated = Vec::new();
    for (number, (shard, at)) in waiting.into_iter().enumerate() {
        let (home, at, answer) = rig.join(shard, at, &format!("P{number}"), &code);
        assert_eq!((home, &answer["type"]), (0, &Value::from("RoomJoined")), "{answer}");
        let players = answer["data"]["current_players"].as_array().expect("players").len();
        assert_eq!(
            players,
            number + 2 - seated_and_gone(number),
            "it sees who is there at this moment"
        );
        seated.push(at);
        match number % 10 {
            // Everybody's outbox grows, nobody reads.
            3 => rig.send(0, creator, &large),
            5 => rig.send(0, at, r#"{"type":"PlayerReady"}"#),
            // Somebody leaves, somebody is lost.
            7 => rig.send(0, seated[number - 1], r#"{"type":"LeaveRoom"}"#),
            9 => drop(rig.shards[0].remove(seated[number - 1], NOW)),
            _ => {}
        }
    }
}

/// How many have left the room before the `number`th joins.
const fn seated_and_gone(number: usize) -> usize {
    let (tens, rest) = (number / 10, number % 10);
    tens * 2 + (rest > 7) as usize
}

#[test]
fn a_join_that_cannot_move_is_answered_as_soon_and_leaves_nothing_behind() {
    let mut rig = Rig::new();
    let (here, there) = (rig.code(0), rig.code(1));
    let at = rig.connect(0);
    let (_, at, _) = rig.join(0, at, "Mira", &here);
    let player = rig.told(0, at)[0]["data"]["player_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let player = PlayerId::from_bytes(*Uuid::parse_str(&player).expect("an id").as_bytes());
    rig.send(0, at, r#"{"type":"LeaveRoom"}"#);
    rig.send(0, at, &join("Mira", &there));
    let transfer = rig.shards[0].extract(at).expect("the room lives elsewhere");
    assert!(rig.world.presence.is_live(player), "also between two shards");

    let at = rig.shards[0].take_back(transfer, NOW);
    let answer = rig.told(0, at).pop().expect("it was answered at once");
    assert_eq!(answer["data"]["error_code"], "SERVICE_UNAVAILABLE", "{answer}");
    let counted = RefusalReason::Error(ErrorCode::ServiceUnavailable);
    assert_eq!(rig.world.refusals.count(counted), 1);
    assert!(rig.world.presence.is_live(player));

    // As when its socket cannot be moved: it is over where it was.
    rig.shards[0].on_gone(at, NOW);
    for ended in rig.shards[0].take_ended(usize::MAX) {
        drop(rig.shards[0].remove(ended, NOW));
    }
    assert!(
        !rig.world.presence.is_live(player),
        "the player is gone, and so is its presence"
    );
    assert_eq!(rig.shards[0].connections(), 0);
    assert_eq!(rig.world.ledger.admitted().connections, 0);
}

#[test]
fn who_is_gone_joins_nothing_with_what_it_said_before() {
    let mut rig = Rig::new();
    let (here, there) = (rig.code(0), rig.code(1));
    let at = rig.connect(0);
    rig.shards[0].on_gone(at, NOW);
    // Its socket is gone, and holds what it said before all the same. It is let go of some turns later.
    rig.send(0, at, &join("Mira", &here));
    assert_eq!((rig.shards[0].rooms(), rig.world.load(ShardId(0))), (0, 0));
    let at = rig.connect(0);
    rig.send(0, at, &join("Mira", &there));
    assert!(rig.shards[0].is_departing(at));
    rig.shards[0].on_gone(at, NOW);
    assert!(rig.shards[0].extract(at).is_none(), "nor does it move");
}
